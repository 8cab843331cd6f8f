package docs_test

import (
	"encoding/json"
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/reservation"
)

// TestProgramsWorkAsWritten compiles each whole Go program of the documents, parses each fragment,
// runs each program that is followed by a text block, which is then its output, and runs each test
// file, which is one whose package name says so.
func TestProgramsWorkAsWritten(t *testing.T) {
	for name, text := range documents(t) {
		all := blocks(name, string(text))
		for i, b := range all {
			if b.language != "go" {
				continue
			}
			t.Run(b.String(), func(t *testing.T) {
				if !strings.HasPrefix(b.text, "package ") {
					requireParses(t, b.text)
					return
				}
				if isTest(b) {
					runTest(t, compile(t, b))
					return
				}
				program := compile(t, b)
				if i+1 == len(all) || all[i+1].language != "text" || !all[i+1].after {
					return
				}
				patiently(t, func(t *testing.T) *difference { return runProgram(t, program, all[i+1].text) })
			})
		}
	}
}

// runProgram runs a program in an empty home and returns what differs from the output that the
// document shows, nil if nothing does.
func runProgram(t *testing.T, program, want string) *difference {
	t.Helper()
	home := t.TempDir()
	run := exec.CommandContext(t.Context(), program)
	run.Dir, run.Env = home, environment(t, home)
	output, err := run.CombinedOutput()
	if err == nil && pattern(want).MatchString(tidy(string(output))) {
		return nil
	}
	return &difference{
		text:     fmt.Sprintf("the document shows:\n%s\nthe program printed (%v):\n%s", want, err, output),
		stranger: strings.Contains(string(output), reservation.ErrInUse.Error()),
	}
}

func isTest(b block) bool {
	first, _, _ := strings.Cut(b.text, "\n")
	return strings.HasSuffix(first, "_test")
}

// runTest runs a compiled test file and requires that a test in it passes.
func runTest(t *testing.T, program string) {
	t.Helper()
	run := exec.CommandContext(t.Context(), program, "-test.v")
	run.Dir = t.TempDir()
	output, err := run.CombinedOutput()
	require.NoError(t, err, "%s", output)
	require.Contains(t, string(output), "--- PASS: ")
}

// requireParses accepts declarations and statements.
func requireParses(t *testing.T, fragment string) {
	t.Helper()
	_, asDeclarations := parser.ParseFile(token.NewFileSet(), "", "package p\n"+fragment, 0)
	if asDeclarations == nil {
		return
	}
	_, asStatements := parser.ParseFile(token.NewFileSet(), "", "package p\nfunc _() {\n"+fragment+"\n}", 0)
	require.NoError(t, asStatements)
}

// compile builds a program, or a test file, as if it stood in this module, without putting a file there.
func compile(t *testing.T, b block) string {
	t.Helper()
	folder := t.TempDir()
	name, build := "main.go", []string{"build"}
	if isTest(b) {
		name, build = "main_test.go", []string{"test", "-c", "-vet=off"} // vet wants the folder
	}
	source := filepath.Join(folder, name)
	require.NoError(t, os.WriteFile(source, []byte(b.text), 0o600))
	overlay := filepath.Join(folder, "overlay.json")
	replaced, err := json.Marshal(map[string]map[string]string{
		"Replace": {filepath.Join(top(t), "docs", "example", name): source},
	})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(overlay, replaced, 0o600))
	program := filepath.Join(folder, "example.exe")
	compiler := exec.CommandContext(t.Context(), "go", append(build, "-overlay", overlay, "-o", program, "./docs/example")...)
	compiler.Dir = root
	output, err := compiler.CombinedOutput()
	require.NoError(t, err, "%s does not compile:\n%s", b, output)
	return program
}

func TestJSONBlocksAreJSON(t *testing.T) {
	for name, text := range documents(t) {
		for _, b := range blocks(name, string(text)) {
			if b.language == "json" {
				require.True(t, json.Valid([]byte(b.text)), "%s is not JSON", b)
			}
		}
	}
}
