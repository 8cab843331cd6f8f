package command

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	scenarios "github.com/berthkit/berth/cmd/berth/internal/scenario" // the tests here have a type scenario
)

func newSim(inv *invocation) *cobra.Command {
	var interactive bool
	cmd := &cobra.Command{
		Use:   "sim FILE...",
		Short: "Play scenarios on a simulated Windows computer",
		Long: `Sim plays scenarios: text files with calls of Windows functions, restarts and accidents, and what is
expected of each. It prints what happens and ends with exit code 1 at the first difference. Of a
directory it plays every .txt file. With -i it asks for lines and plays them one by one.
docs/scenarios.md tells the language.`,
		Example: `  berth sim testdata/scenarios        # every one
  berth sim rules/C2.txt              # a single one
  berth sim -i                        # try it by hand`,
		GroupID: groupUse,
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case interactive && len(args) > 0:
				return misused(cmd, "-i takes no file")
			case !interactive && len(args) == 0:
				return misused(cmd, "sim needs a file or a directory, or -i")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if interactive {
				return (&scenarios.Prompt{In: inv.stdin, Out: inv.stdout.w, Paint: inv.paintPart}).Run(cmd.Context())
			}
			return inv.playAll(cmd.Context(), args)
		},
	}
	cmd.Flags().BoolVarP(&interactive, "interactive", "i", false, "ask for lines, with history and completion")
	return cmd
}

// playAll plays the scenarios that paths name, up to the first that goes otherwise than it says.
func (inv *invocation) playAll(ctx context.Context, paths []string) error {
	files, err := scenarioFiles(paths)
	if err != nil {
		return err
	}
	steps := 0
	for _, file := range files {
		s, err := scenarios.Load(file)
		if err != nil {
			return err
		}
		if err := inv.playOne(ctx, s, &steps); err != nil {
			return err
		}
	}
	inv.say("Scenarios: %d, steps: %d. All went as they say.", len(files), steps)
	return nil
}

// playOne plays a scenario, shows each step, and counts those that do something.
func (inv *invocation) playOne(ctx context.Context, s *scenarios.Scenario, steps *int) error {
	transcript := scenarios.Transcript{Writer: inv.stdout, Paint: inv.paintPart}
	if !inv.json {
		inv.stdout.printf("%s\n", inv.stdout.paint(bold, "# "+s.Name))
	}
	err := s.Play(ctx, func(step *scenarios.Step, result *scenarios.Result) {
		if result != nil {
			*steps++
		}
		switch {
		case !inv.json:
			transcript.Step(step, result)
		case result != nil:
			_ = inv.stdout.printLine(playedStep{ // the screen keeps the error
				Scenario: s.Name, Line: step.Line, Step: strings.TrimSpace(step.Text),
				Outcome: result.Outcome(), Remark: result.Remark(), Output: result.Output,
			})
		}
	})
	if err == nil && !inv.json {
		inv.stdout.printf("\n")
	}
	return err
}

// A playedStep is the JSON of a step of a scenario.
type playedStep struct {
	Scenario string   `json:"scenario"`
	Line     int      `json:"line"`
	Step     string   `json:"step"`
	Outcome  string   `json:"outcome"`
	Remark   string   `json:"remark,omitempty"`
	Output   []string `json:"output,omitempty"`
}

func (inv *invocation) paintPart(part scenarios.Part, text string) string {
	styles := map[scenarios.Part]style{
		scenarios.Comment: faint, scenarios.Success: green, scenarios.Refusal: red, scenarios.Remark: faint,
	}
	chosen, known := styles[part]
	if !known {
		return text
	}
	return inv.stdout.paint(chosen, text)
}

// scenarioFiles returns the files that paths name: a file itself, of a directory the .txt and .txtar
// files below it, sorted.
func scenarioFiles(paths []string) ([]string, error) {
	var files []string
	for _, path := range paths {
		var below []string
		err := filepath.WalkDir(path, func(name string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			extension := filepath.Ext(name)
			if !entry.IsDir() && (name == path || extension == ".txt" || extension == ".txtar") {
				below = append(below, name)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		if len(below) == 0 {
			return nil, fmt.Errorf("%s holds no scenario, that is, no .txt file", path)
		}
		slices.Sort(below)
		files = append(files, below...)
	}
	return files, nil
}
