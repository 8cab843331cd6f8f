package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
)

// A Report is what [Check] saw.
type Report struct {
	Path     string               `json:"path"`
	Files    [2]FileReport        `json:"files"`    // the store and its second copy
	Revision reservation.Revision `json:"revision"` // of the content that Open would take; zero if it would take none
	TCP      int                  `json:"tcp"`      // records of that content
	UDP      int                  `json:"udp"`
	Boots    int                  `json:"boots"` // boots that it remembers
	Problems []Damage             `json:"problems"`

	err error
}

// A FileReport is what one file was found to be.
type FileReport struct {
	Path       string `json:"path"`
	State      State  `json:"state"`
	Size       int64  `json:"size"`       // bytes
	Pages      uint64 `json:"pages"`      // in use, of 4096 bytes
	Free       uint64 `json:"free"`       // of these, pages that nothing refers to
	Generation uint64 `json:"generation"` // times that the files were written anew
	Commit     uint64 `json:"commit"`     // number of the last commit
	Records    int    `json:"records"`
}

// A State is what one file of a store is worth.
type State string

// The states of a file.
const (
	StateWhole   State = "whole"   // every byte that matters was verified
	StateHalved  State = "halved"  // as StateWhole, but one of the two meta pages is damaged, maybe the last commit's
	StateBehind  State = "behind"  // as StateWhole, but not at the commit of the other
	StateDamaged State = "damaged" // not to be trusted
	StateMissing State = "missing"

	// StateInterrupted is a file whose newest commit is not whole, as a power cut in the middle of it
	// leaves it, and in which the commit before is.
	StateInterrupted State = "interrupted"
)

// Err returns nil if both files are whole and the same, ErrMissing if there is no store, and
// otherwise a *DamageError that lists the problems and says whether Open can put them right.
func (r *Report) Err() error { return r.err }

// Check reads and verifies both files of the store at path and says what it saw. It changes
// nothing, takes no lock, and works beside the process that holds the store. The error is about
// the path or the system; what is wrong with the files is in the report.
func Check(ctx context.Context, path string) (*Report, error) {
	report, err := check(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("check store: %w", err)
	}
	return report, nil
}

func check(ctx context.Context, path string) (_ *Report, err error) {
	directoryPath, name, err := locate(path)
	if err != nil {
		return nil, err
	}
	d, err := openDirectory(directoryPath, true)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, missing(path)
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	holder, err := readHolder(d, name)
	if err != nil {
		return nil, err
	}
	var findings [2]finding
	// Beside a writer the two files may be one commit apart, or a file may change while it is read.
	for range damagedAttempts * damagedAttempts {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		closeFindings(findings)
		if findings, err = examine(d, names(name), os.O_RDONLY, nil); err != nil {
			return nil, err
		}
		if agree(findings) {
			break
		}
	}
	defer closeFindings(findings)
	return newReport(d.file(name), findings, holder)
}

// agree reports whether both files are whole and the same.
func agree(findings [2]finding) bool {
	a, b := findings[0].reading, findings[1].reading
	return a != nil && b != nil && a.torn == nil && b.torn == nil && a.header == b.header
}

func newReport(path string, findings [2]finding, lock holder) (*Report, error) {
	r := &Report{Path: path, Problems: []Damage{}}
	chosen, c, err := decide(&findings, path, lock)
	if errors.Is(err, ErrMissing) {
		return nil, err
	}
	if err != nil && !errors.Is(err, ErrDamaged) {
		return nil, err
	}
	advice := "open the store for writing (any berth command that changes something does) and the other file repairs this one"
	var damage *DamageError
	if errors.As(err, &damage) {
		advice = damage.Advice
	} else {
		r.Revision, r.Boots = c.revision, len(c.boots)
		r.TCP, r.UDP = len(c.entries[slot(pool.TCP)]), len(c.entries[slot(pool.UDP)])
	}
	for i, f := range findings {
		file, problem := reportFile(names(path)[i], f)
		if problem == nil && err == nil && f.reading.header != findings[chosen].reading.header {
			file.State = StateBehind
			problem = &Damage{Path: file.Path, Where: "header", What: fmt.Sprintf("it is at commit %d of generation %d, the other at %d of %d",
				file.Commit, file.Generation, r.Revision.Number, findings[chosen].reading.header.generation)}
		}
		if problem != nil {
			r.Problems = append(r.Problems, *problem)
		}
		r.Files[i] = file
	}
	if len(r.Problems) > 0 {
		r.err = &DamageError{Damages: r.Problems, Advice: advice}
	}
	return r, nil
}

func reportFile(path string, f finding) (file FileReport, problem *Damage) {
	file.Path = path
	if f.copy != nil && f.copy.info != nil {
		file.Size = f.copy.info.Size()
	}
	if r := f.reading; r != nil {
		file.State = StateWhole
		file.Pages, file.Free = r.pages, r.free
		file.Generation, file.Commit = r.header.generation, r.header.revision.Number
		file.Records = int(r.header.records)
		if r.torn != nil {
			file.State = StateHalved
			if r.interrupted {
				file.State = StateInterrupted
			}
			problem = &Damage{Path: path, Where: r.torn.Where, What: r.torn.What}
		}
		return file, problem
	}
	var damage *Damage
	if errors.As(f.err, &damage) {
		file.State = StateDamaged
		return file, damage
	}
	file.State = StateMissing
	return file, &Damage{Path: path, What: "it is missing"}
}
