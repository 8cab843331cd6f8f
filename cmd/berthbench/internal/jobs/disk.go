package jobs

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/berthkit/berth/cmd/berthbench/internal/result"
)

// diskJobs returns the jobs of group "memory": what a record takes on disk.
func diskJobs() []Job {
	work := result.Work{
		Name:        fmt.Sprintf("disk/records=%d", baseRecords),
		Description: fmt.Sprintf("size of the files that keep %d records of %d bytes", baseRecords, valueSize),
		Blocks:      baseRecords,
	}
	var jobs []Job
	for _, keeper := range keepers() {
		if keeper.files == "" {
			continue
		}
		jobs = append(jobs, Job{
			Group:      groupMemory,
			Work:       work,
			Subject:    keeper.files,
			Unit:       "B/record",
			Properties: keeper.properties,
			Prepare: func(ctx context.Context, directory string) (Measure, error) {
				measure, err := prepareDurable(ctx, directory, keeper, 1, 2)
				if err != nil {
					return nil, err
				}
				return &diskMeasure{measure}, nil
			},
		})
	}
	return jobs
}

// A diskMeasure is a ledger that is weighed.
type diskMeasure struct{ *durableMeasure }

// Sample writes a little, so that what a keeper does behind a write is done, and adds up the files.
func (m *diskMeasure) Sample(ctx context.Context) (float64, int, int, error) {
	if _, _, _, err := m.durableMeasure.Sample(ctx); err != nil {
		return 0, 0, 0, err
	}
	var size int64
	err := filepath.WalkDir(m.directory, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	})
	return float64(size) / baseRecords, 1, 1, err
}
