package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPackagesAreNamedForWhatTheyHold(t *testing.T) {
	vague := []string{"util", "utils", "common", "types", "errors", "helpers", "misc"}
	for file := range files(t, ".go") {
		assert.NotContains(t, vague, path.Base(path.Dir(file)), "%s: the name does not tell what the package holds", file)
	}
}

// TestExportedNamesAreDocumented holds every package that a stranger can import to a comment on each
// name that the stranger sees, and to one comment on the package itself.
func TestExportedNamesAreDocumented(t *testing.T) {
	packages := map[string]bool{} // by folder: whether a file says what the package is for
	for file, text := range files(t, ".go") {
		if strings.HasSuffix(file, "_test.go") || strings.HasPrefix(file, "cmd/") || strings.Contains(file, "internal/") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, text, parser.ParseComments|parser.SkipObjectResolution)
		require.NoError(t, err)
		packages[path.Dir(file)] = packages[path.Dir(file)] || parsed.Doc != nil
		for _, name := range undocumented(parsed) {
			t.Errorf("%s: %s has no comment; say what it does, its units, ranges and errors", file, name)
		}
	}
	for folder, documented := range packages {
		assert.True(t, documented, "%s: no file says what the package is for", folder)
	}
}

// selfEvident are methods whose names say all, since the standard library has fixed their meaning.
var selfEvident = []string{"Error", "String"}

// undocumented returns the exported names of a file that no comment explains.
func undocumented(file *ast.File) []string {
	var names []string
	for _, declaration := range file.Decls {
		switch d := declaration.(type) {
		case *ast.FuncDecl:
			if d.Name.IsExported() && d.Doc == nil && isOfExported(d) && !slices.Contains(selfEvident, d.Name.Name) {
				names = append(names, d.Name.Name)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				names = append(names, undocumentedIn(d, spec)...)
			}
		}
	}
	return names
}

// undocumentedIn looks at one specification. A comment on a group of values is enough for them all.
func undocumentedIn(group *ast.GenDecl, spec ast.Spec) []string {
	switch s := spec.(type) {
	case *ast.TypeSpec:
		if s.Name.IsExported() && s.Doc == nil && group.Doc == nil {
			return []string{s.Name.Name}
		}
	case *ast.ValueSpec:
		if s.Doc != nil || s.Comment != nil || group.Doc != nil {
			return nil
		}
		isHidden := func(name *ast.Ident) bool { return !name.IsExported() }
		var names []string
		for _, name := range slices.DeleteFunc(slices.Clone(s.Names), isHidden) {
			names = append(names, name.Name)
		}
		return names
	}
	return nil
}

// isOfExported reports whether a function is none of a hidden type's methods, whose comments stand
// at the interface that they implement.
func isOfExported(function *ast.FuncDecl) bool {
	if function.Recv == nil {
		return true
	}
	receiver := function.Recv.List[0].Type
	if pointer, ok := receiver.(*ast.StarExpr); ok {
		receiver = pointer.X
	}
	switch generic := receiver.(type) {
	case *ast.IndexExpr:
		receiver = generic.X
	case *ast.IndexListExpr:
		receiver = generic.X
	}
	name, ok := receiver.(*ast.Ident)
	return ok && name.IsExported()
}
