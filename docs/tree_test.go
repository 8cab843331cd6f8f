// Package docs_test keeps the house in order: which package may import which, what the tree holds,
// and that every command, program and link of the documents works as written.
package docs_test

import (
	"bytes"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const module = "github.com/berthkit/berth"

// root is the top of the checkout as a path that works from this folder.
const root = ".."

// topLevel is all that the top of the checkout may hold beside files and folders that start with a
// dot: a reader sees the whole architecture in one listing.
var topLevel = []string{
	"LICENSE", "Makefile", "README.md", "cmd", "docs", "go.mod", "go.sum",
	"pool", "reservation", "sockets", "store", "testdata",
}

// built is what the Makefile and .gitignore know as products of a build.
var built = regexp.MustCompile(`^bin$|\.(out|prof|test)$`)

func TestTopLevelHoldsNothingElse(t *testing.T) {
	entries, err := os.ReadDir(root)
	require.NoError(t, err)
	for _, entry := range entries {
		name := entry.Name()
		if strings.HasPrefix(name, ".") || built.MatchString(name) {
			continue
		}
		assert.Contains(t, topLevel, name, "docs/architecture.md says what stands at the top of the tree and why nothing else does")
	}
}

func TestGoFilesAreFormatted(t *testing.T) {
	for path, text := range files(t, ".go") {
		formatted, err := format.Source(text)
		if assert.NoError(t, err, path) {
			assert.True(t, bytes.Equal(text, formatted), "%s is not gofmt-ed: run gofmt -w on it", path)
		}
	}
}

func TestTextNamesNoMachineAndNoUnfinishedWork(t *testing.T) {
	machine := regexp.MustCompile(`/(?:work|farm|tmp/bash_jobs)/`)
	unfinished := regexp.MustCompile(`\b(?:TO` + `DO|FIX` + `ME|X` + `XX)\b|not imple` + `mented`)
	for path, text := range files(t, ".go", ".md", ".svg", ".txt", "Makefile", "run") {
		if where := machine.Find(text); where != nil {
			t.Errorf("%s names %s: a path of one machine means nothing on another", path, where)
		}
		if where := unfinished.Find(text); where != nil {
			t.Errorf("%s says %s: finish it, or say in prose what is not there", path, where)
		}
	}
}

// The longest file and function that a reader is asked to hold in mind.
const (
	maxFileLines     = 600
	maxFunctionLines = 80
)

func TestFilesAndFunctionsAreShort(t *testing.T) {
	for path, text := range files(t, ".go") {
		if lines := bytes.Count(text, []byte("\n")); lines > maxFileLines {
			t.Errorf("%s has %d lines: more than %d want two files", path, lines, maxFileLines)
		}
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, text, 0)
		require.NoError(t, err)
		for _, declaration := range file.Decls {
			function, ok := declaration.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if lines := set.Position(function.End()).Line - set.Position(function.Pos()).Line; lines > maxFunctionLines {
				t.Errorf("%s: %s has %d lines: more than %d want two functions", path, function.Name.Name, lines, maxFunctionLines)
			}
		}
	}
}

// files returns the text of each file of the checkout whose name ends in one of endings, by its
// slash-separated path from the top, those of nested modules too. It leaves out folders that start
// with a dot and fuzz corpora.
func files(t *testing.T, endings ...string) map[string][]byte {
	t.Helper()
	found := map[string][]byte{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if path != root && skipFolder(path, entry.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		hasEnding := func(ending string) bool { return strings.HasSuffix(entry.Name(), ending) }
		if !entry.Type().IsRegular() || !slices.ContainsFunc(endings, hasEnding) {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		found[filepath.ToSlash(relative)] = text
		return nil
	})
	require.NoError(t, err)
	require.NotEmpty(t, found)
	return found
}

func skipFolder(path, name string) bool {
	if strings.HasPrefix(name, ".") || built.MatchString(name) || path == filepath.Join(root, "testdata") {
		return true
	}
	return strings.HasSuffix(filepath.ToSlash(path), "testdata/fuzz")
}
