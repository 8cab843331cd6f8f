// Package report makes pictures of a run, and one page that holds them with tables and a plain list of
// where Berth is not the fastest. The page needs no network and no script.
package report

import (
	"bytes"
	_ "embed" // the template and the style sheet of the page
	"fmt"
	"html/template"
	"os"
	"path/filepath"

	"github.com/berthkit/berth/cmd/berthbench/internal/result"
)

//go:embed report.css
var css string

//go:embed report.html.tmpl
var pageText string

var pageTemplate = template.Must(template.New("report").Parse(pageText))

// PageName is the name of the page's file.
const PageName = "report.html"

// Write writes the pictures of a run, NAME.svg each, and the page into a directory that it makes if
// it is not there. Files of these names are replaced, others are left alone. The same run gives the
// same bytes. The errors are those of the file system.
func Write(directory string, run *result.Run) error {
	plots := Plots(run)
	html, err := Page(run, plots)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return fmt.Errorf("make the directory of the report: %w", err)
	}
	for _, plot := range plots {
		if err := os.WriteFile(filepath.Join(directory, plot.Name+".svg"), plot.SVG, 0o644); err != nil {
			return fmt.Errorf("write a plot: %w", err)
		}
	}
	if err := os.WriteFile(filepath.Join(directory, PageName), html, 0o644); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// Page returns the page of a run with the plots that [Plots] made of it.
func Page(run *result.Run, plots []Plot) ([]byte, error) {
	var out bytes.Buffer
	if err := pageTemplate.Execute(&out, pageOf(run, plots)); err != nil {
		return nil, fmt.Errorf("make the page of the report: %w", err)
	}
	return out.Bytes(), nil
}
