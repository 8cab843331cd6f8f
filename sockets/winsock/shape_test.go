package winsock_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What package windows does not have, or has otherwise, and why.
var (
	ownFunctions = map[string]string{
		"SetProcess":      "says which process the others act for",
		"Use":             "says it for a test",
		"RealNetwork":     "is a network to run on",
		"New":             "makes a process",
		"LastCause":       "is the engine's account of a code",
		"WSAGetLastError": "package windows returns errors only; C programs ask for it by this name",
		"WSASetLastError": "as above",
	}
	ownMethods = map[string]string{
		"Exit":          "ends the process; a function would end the program",
		"DuplicateInto": "speaks of two processes",
	}
	ownConstants = map[string]string{
		"FIONBIO":                        "winsock2.h",
		"SIO_ACQUIRE_PORT_RESERVATION":   "mstcpip.h",
		"SIO_RELEASE_PORT_RESERVATION":   "mstcpip.h",
		"SIO_ASSOCIATE_PORT_RESERVATION": "mstcpip.h",
		"SIO_CPU_AFFINITY":               "mstcpip.h",
		"SO_ACCEPTCONN":                  "winsock2.h",
		"SO_ERROR":                       "winsock2.h",
		"SO_EXCLUSIVEADDRUSE":            "winsock2.h",
		"SO_PORT_SCALABILITY":            "ws2def.h",
		"SO_RANDOMIZE_PORT":              "ws2def.h",
		"SO_REUSE_MULTICASTPORT":         "ws2def.h",
		"SO_REUSE_UNICASTPORT":           "ws2def.h",
		"SO_TYPE":                        "winsock2.h",
		"WSA_IO_INCOMPLETE":              "winsock2.h",
		"WSA_IO_PENDING":                 "winsock2.h",
		"WSA_OPERATION_ABORTED":          "winsock2.h",
	}
)

// Every function exists twice: for the current process, and as a method of a process.
func TestFunctionsAndMethodsAreTheSame(t *testing.T) {
	ours := parseFolder(t, ".")
	for name, method := range ours.methods {
		if _, own := ownMethods[name]; own {
			continue
		}
		function, found := ours.functions[name]
		require.True(t, found, "Process.%s has no function of that name", name)
		require.Equal(t, method, function, name)
	}
	for name := range ours.functions {
		if _, method := ours.methods[name]; !method {
			require.Contains(t, []string{"SetProcess", "Use", "RealNetwork", "New", "Ntohs"}, name, "a function without a method")
		}
	}
}

// Each function passes its parameters, in their order, to the method of its name.
func TestFunctionsCallTheirMethods(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "functions.go", nil, parser.SkipObjectResolution)
	require.NoError(t, err)
	for _, declaration := range file.Decls {
		function := declaration.(*ast.FuncDecl)
		name := function.Name.Name
		var parameters []string
		for _, field := range function.Type.Params.List {
			for _, parameter := range field.Names {
				parameters = append(parameters, parameter.Name)
			}
		}
		call := "current()." + name + "(" + strings.Join(parameters, ", ") + ")"
		require.Len(t, function.Body.List, 1, name)
		require.Equal(t, call, strings.TrimPrefix(source(t, function.Body.List[0]), "return "))
	}
}

// Names that package windows has are declared here with the same types, so that code which uses
// them goes on to compile.
func TestShapesAreThoseOfPackageWindows(t *testing.T) {
	ours := parseFolder(t, ".")
	theirs := parseFolder(t, windowsFolder(t))
	for name, function := range ours.functions {
		if why, own := ownFunctions[name]; own {
			require.NotEmpty(t, why)
			continue
		}
		require.Contains(t, theirs.functions, name, "package windows has no such function: say so in ownFunctions")
		require.Equal(t, theirs.functions[name], function, name)
	}
	for name, fields := range theirs.structures {
		if mine, found := ours.structures[name]; found {
			require.Equal(t, fields, mine, name)
		}
	}
}

// The constants have the values that they have in package windows; the compiler compares them.
func TestConstantsAreThoseOfPackageWindows(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles for Windows, which takes a while the first time")
	}
	ours := parseFolder(t, ".")
	theirs := parseFolder(t, windowsFolder(t))
	var program bytes.Buffer
	program.WriteString("package main\n\nimport (\n\t\"unsafe\"\n\n\t\"github.com/berthkit/berth/sockets/winsock\"\n\t" + windowsImport + "\n)\n\nfunc main() {}\n\n")
	compared := 0
	for _, name := range slices.Sorted(maps.Keys(ours.constants)) {
		if !theirs.constants[name] {
			require.Contains(t, ownConstants, name, "package windows has no such constant: say so in ownConstants")
			continue
		}
		fmt.Fprintf(&program, "var _ = [1]int{}[uint64(winsock.%[1]s)-uint64(windows.%[1]s)]\n", name)
		compared++
	}
	require.Greater(t, compared, 120)
	for _, name := range slices.Sorted(maps.Keys(ours.structures)) {
		if _, both := theirs.structures[name]; both && !strings.HasPrefix(name, "Sockaddr") && name != "SECURITY_DESCRIPTOR" {
			fmt.Fprintf(&program, "var _ [unsafe.Sizeof(winsock.%[1]s{})]byte = [unsafe.Sizeof(windows.%[1]s{})]byte{}\n", name)
		}
	}
	buildProgram(t, "windows", program.String())
}

func windowsFolder(t *testing.T) string {
	t.Helper()
	output, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "golang.org/x/sys").Output()
	require.NoError(t, err)
	return strings.TrimSpace(string(output)) + "/windows"
}

// A folder is what the package in a folder declares: signatures without names of parameters, and the
// exported fields of structures.
type folder struct {
	functions  map[string]string
	methods    map[string]string // of *Process
	constants  map[string]bool
	structures map[string]string
}

func parseFolder(t *testing.T, path string) folder {
	t.Helper()
	found := folder{map[string]string{}, map[string]string{}, map[string]bool{}, map[string]string{}}
	entries, err := os.ReadDir(path)
	require.NoError(t, err)
	for _, entry := range entries {
		name := entry.Name()
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || strings.HasSuffix(name, "_386.go") || strings.HasSuffix(name, "_32bit.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(path, name), nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, declaration := range file.Decls {
			found.add(t, declaration)
		}
	}
	return found
}

func (f folder) add(t *testing.T, declaration ast.Decl) {
	t.Helper()
	switch d := declaration.(type) {
	case *ast.FuncDecl:
		switch {
		case !d.Name.IsExported():
		case d.Recv == nil:
			f.functions[d.Name.Name] = types(t, d.Type)
		case source(t, d.Recv.List[0].Type) == "*Process":
			f.methods[d.Name.Name] = types(t, d.Type)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.ValueSpec:
				for _, name := range s.Names {
					f.constants[name.Name] = f.constants[name.Name] || d.Tok == token.CONST && name.IsExported()
				}
			case *ast.TypeSpec:
				if structure, is := s.Type.(*ast.StructType); is && s.Name.IsExported() {
					f.structures[s.Name.Name] = fields(t, structure)
				}
			}
		}
	}
	maps.DeleteFunc(f.constants, func(_ string, constant bool) bool { return !constant })
}

// types writes a signature without the names of its parameters.
func types(t *testing.T, function *ast.FuncType) string {
	t.Helper()
	list := func(fields *ast.FieldList) []string {
		var types []string
		if fields == nil {
			return nil
		}
		for _, field := range fields.List {
			for range max(1, len(field.Names)) {
				types = append(types, strings.ReplaceAll(source(t, field.Type), "interface{}", "any"))
			}
		}
		return types
	}
	return fmt.Sprint(list(function.Params), list(function.Results))
}

// fields writes the exported fields of a structure.
func fields(t *testing.T, structure *ast.StructType) string {
	t.Helper()
	var fields []string
	for _, field := range structure.Fields.List {
		for _, name := range field.Names {
			if name.IsExported() {
				fields = append(fields, name.Name+" "+source(t, field.Type))
			}
		}
	}
	return strings.Join(fields, "; ")
}

func source(t *testing.T, node ast.Node) string {
	t.Helper()
	var text bytes.Buffer
	require.NoError(t, printer.Fprint(&text, token.NewFileSet(), node))
	return text.String()
}
