package result

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// ErrInvalid is what the error of [ReadJSON] wraps if the input is no run of this program.
var ErrInvalid = errors.New("not the results of berthbench")

// format is the version of the JSON. It changes when a reader of the old one would misread the new.
const format = 1

type document struct {
	Format int `json:"format"`
	*Run
}

// WriteJSON writes a run so that [ReadJSON] reads it again.
func WriteJSON(w io.Writer, run *Run) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(document{format, run})
}

// ReadJSON reads what [WriteJSON] wrote. The error wraps [ErrInvalid] if it is something else.
func ReadJSON(r io.Reader) (*Run, error) {
	content := document{Run: &Run{}}
	if err := json.NewDecoder(r).Decode(&content); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	switch {
	case content.Run == nil || content.Format < 1:
		return nil, fmt.Errorf("%w: they have no format", ErrInvalid)
	case content.Format > format:
		return nil, fmt.Errorf("%w: they have format %d, and this program knows %d; read them with a newer one", ErrInvalid, content.Format, format)
	}
	for i, figure := range content.Figures {
		if err := figure.check(); err != nil {
			return nil, fmt.Errorf("%w: figure %d: %w", ErrInvalid, i+1, err)
		}
	}
	return content.Run, nil
}

func (f Figure) check() error {
	switch {
	case f.Group == "" || f.Work.Name == "" || f.Subject == "":
		return errors.New("it has no group, no work or no subject")
	case f.Successes < 0 || f.Successes > f.Attempts:
		return fmt.Errorf("%s has %d successes in %d attempts", f.Subject, f.Successes, f.Attempts)
	}
	for _, sample := range f.Samples {
		if sample < 0 || math.IsNaN(sample) || math.IsInf(sample, 0) {
			return fmt.Errorf("%s has the sample %v", f.Subject, sample)
		}
	}
	return nil
}

// Line is the machine as one line: what a figure must never be without.
func (m Machine) Line() string {
	return fmt.Sprintf("%s, %d cores, %s, %s, commit %s", m.Processor, m.Cores, m.System, m.Go, m.Commit)
}

// Line is the machine with the time of the run.
func (r *Run) Line() string {
	line := r.Machine.Line() + ", " + r.Started.UTC().Format("2006-01-02 15:04 MST")
	if !r.Complete {
		line += ", interrupted"
	}
	return line
}

// WriteCSV writes one row for each sample, with the machine in a comment before the head.
func WriteCSV(w io.Writer, run *Run) error {
	if _, err := fmt.Fprintf(w, "# %s\n", oneLine(run.Line())); err != nil {
		return err
	}
	rows := csv.NewWriter(w)
	head := []string{
		"group", "work", "subject", "round", "value", "unit",
		"blocks", "width", "hit", "fill", "goroutines", "attempts", "successes",
	}
	if err := rows.Write(head); err != nil {
		return err
	}
	for _, f := range run.Figures {
		for round, sample := range f.Samples {
			if err := rows.Write(f.row(round, sample)); err != nil {
				return err
			}
		}
	}
	rows.Flush()
	return rows.Error()
}

func (f Figure) row(round int, sample float64) []string {
	row := []string{f.Group, f.Work.Name, f.Subject, strconv.Itoa(round + 1), decimal(sample), f.Unit}
	work := f.Work
	for _, number := range []int{work.Blocks, work.Width, work.Hit, work.Fill, work.Goroutines, f.Attempts, f.Successes} {
		row = append(row, strconv.Itoa(number))
	}
	return row
}

// WriteBenchmark writes a run in the format of Go benchmarks, with the machine in its configuration
// lines, for benchstat: https://go.dev/design/14313-benchmark-format. The subject is the part "core"
// of a name, so benchstat -col /core sets subjects side by side.
func WriteBenchmark(w io.Writer, run *Run) error {
	var text strings.Builder
	system, release, _ := strings.Cut(run.Machine.System, ", ")
	goos, goarch, _ := strings.Cut(system, "/")
	for _, line := range [][2]string{
		{"goos", goos}, {"goarch", goarch}, {"system", release},
		{"cpu", run.Machine.Processor}, {"cores", strconv.Itoa(run.Machine.Cores)},
		{"go", run.Machine.Go}, {"commit", run.Machine.Commit},
		{"date", run.Started.UTC().Format(time.RFC3339)},
		{"seed", strconv.FormatUint(run.Seed, 10)}, {"complete", strconv.FormatBool(run.Complete)},
	} {
		fmt.Fprintf(&text, "%s: %s\n", line[0], oneLine(line[1]))
	}
	text.WriteString("\nUnit success-% better=higher\n")
	for _, f := range run.Figures {
		name := fmt.Sprintf("Benchmark%s/%s/core=%s-%d", title(f.Group), part(f.Work.Name, '/'), part(f.Subject, 0), run.Machine.Cores)
		for _, sample := range f.Samples {
			fmt.Fprintf(&text, "%s\t1\t%s %s", name, decimal(sample), part(f.Unit, '/'))
			if f.Attempts > 0 {
				fmt.Fprintf(&text, "\t%s success-%%", decimal(100*float64(f.Successes)/float64(f.Attempts)))
			}
			text.WriteByte('\n')
		}
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// decimal writes a number without an exponent, to a thousandth.
func decimal(number float64) string {
	text := strconv.FormatFloat(number, 'f', 3, 64)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}

// title returns a group as it stands in a benchmark's name: "udp-port" as "UdpPort".
func title(group string) string {
	var name strings.Builder
	for word := range strings.SplitSeq(part(group, 0), "-") {
		letters := []rune(word)
		if len(letters) > 0 {
			letters[0] = unicode.ToUpper(letters[0])
		}
		name.WriteString(string(letters))
	}
	return name.String()
}

// part returns text as it can stand in a benchmark's name: without blanks, and without the slash that
// divides names unless that is kept.
func part(text string, keep rune) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == keep && keep != 0:
			return r
		case r == '/', unicode.IsSpace(r), !unicode.IsPrint(r):
			return '-'
		}
		return r
	}, text)
}

func oneLine(text string) string {
	return strings.Join(strings.Fields(text), " ")
}
