package command

import (
	"fmt"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/berthkit/berth/cmd/berthbench/internal/runner"
)

// A progress shows on a terminal how far a run is. Without a terminal it shows nothing.
type progress struct {
	bar *progressbar.ProgressBar // nil without a terminal
}

// progressSteps is the finest that a bar can show.
const progressSteps = 1000

func (inv *invocation) newProgress() *progress {
	if !inv.stderr.isTerminal {
		return &progress{}
	}
	return &progress{progressbar.NewOptions(progressSteps,
		progressbar.OptionSetWriter(inv.stderr),
		progressbar.OptionEnableColorCodes(inv.stderr.hasColours),
		progressbar.OptionSetWidth(24),
		progressbar.OptionSetPredictTime(false), // the runner knows what is still to come
		progressbar.OptionShowDescriptionAtLineEnd(),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
	)}
}

func (p *progress) show(now runner.Progress) {
	if p.bar == nil {
		return
	}
	p.bar.Describe(fmt.Sprintf(" %s left  %s", now.Left.Round(time.Second), now.Doing))
	// An error means that the terminal is gone, and the run is worth more than its bar.
	_ = p.bar.Set(int(progressSteps * float64(now.Done) / float64(max(1, now.Done+now.Left))))
}

func (p *progress) close() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}
