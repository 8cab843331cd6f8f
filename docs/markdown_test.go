package docs_test

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A block is a fenced block of a document.
type block struct {
	document string // path of the document from the top of the checkout
	line     int    // number of the fence's line
	language string // what stands behind the opening fence
	text     string // the lines between the fences
	after    bool   // follows the block before it with nothing but blank lines between
}

func (b block) String() string { return fmt.Sprintf("%s:%d", b.document, b.line) }

// languages lists what may stand behind a fence, and what becomes of such a block here.
var languages = map[string]string{
	"console": "each line that starts with $ is executed, what follows it is compared with its output",
	"sh":      "executed, must succeed",
	"go":      "a whole program is compiled, a fragment is parsed",
	"json":    "parsed",
	"text":    "a drawing, a format, or the output of the Go program right above it",
}

func TestEveryBlockSaysWhatItIs(t *testing.T) {
	for name, text := range documents(t) {
		for _, b := range blocks(name, string(text)) {
			assert.Contains(t, languages, b.language, "%s: a block without a known language is executed by no test", b)
		}
	}
}

func TestBlocks(t *testing.T) {
	text := "# Title\n\n```sh\nls\n```\n\n```text\na\n\n  b\n```\nprose\n1. item\n   ```go\n   x := 1\n   ```\n"
	require.Equal(t, []block{
		{document: "x.md", line: 3, language: "sh", text: "ls\n"},
		{document: "x.md", line: 7, language: "text", text: "a\n\n  b\n", after: true},
		{document: "x.md", line: 14, language: "go", text: "x := 1\n"},
	}, blocks("x.md", text))
}

// documents returns the Markdown files of the checkout.
func documents(t *testing.T) map[string][]byte {
	t.Helper()
	return files(t, ".md")
}

// blocks returns the fenced blocks of a document in order. A fence may be indented, as in a list;
// its indentation is taken off each of its lines.
func blocks(document, text string) []block {
	var found []block
	var open *block
	indentation, adjacent := "", false
	for number, line := range strings.Split(text, "\n") {
		trimmed := strings.TrimLeft(line, " ")
		fence := strings.HasPrefix(trimmed, "```")
		switch {
		case open == nil && fence:
			indentation = line[:len(line)-len(trimmed)]
			language, _, _ := strings.Cut(strings.TrimPrefix(trimmed, "```"), " ")
			open = &block{document: document, line: number + 1, language: language, after: adjacent}
		case open != nil && fence:
			found = append(found, *open)
			open, adjacent = nil, true
		case open != nil:
			open.text += strings.TrimPrefix(line, indentation) + "\n"
		case strings.TrimSpace(line) != "":
			adjacent = false
		}
	}
	return found
}

var (
	link     = regexp.MustCompile(`\]\(([^)\s]+)\)|(?:src|srcset|href)="([^"]+)"`)
	heading  = regexp.MustCompile(`^#{1,6} +(.*?) *$`)
	codeSpan = regexp.MustCompile("`[^`]*`")
)

func TestLinksLeadSomewhere(t *testing.T) {
	all := documents(t)
	for name, text := range all {
		for _, target := range links(string(text)) {
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			file, anchor, _ := strings.Cut(target, "#")
			to := name
			if file != "" {
				to = path.Join(path.Dir(name), file)
				if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(to))); err != nil {
					t.Errorf("%s links to %s, which is not there", name, target)
					continue
				}
			}
			if anchor != "" {
				assert.Contains(t, anchors(string(all[to])), anchor, "%s links to %s: no such heading", name, target)
			}
		}
	}
}

func TestEveryDocumentIsInTheIndex(t *testing.T) {
	all := documents(t)
	index := "docs/README.md"
	var listed []string
	for _, from := range []string{index, "docs/decisions/README.md", "docs/benchmarks/README.md"} {
		for _, target := range links(string(all[from])) {
			file, _, _ := strings.Cut(target, "#")
			listed = append(listed, path.Join(path.Dir(from), file))
		}
	}
	for name := range all {
		if strings.HasPrefix(name, "docs/") && name != index {
			assert.Contains(t, listed, name, "%s does not lead there", index)
		}
	}
}

// links returns the targets of a document's links, code left out.
func links(text string) []string {
	for _, b := range blocks("", text) {
		text = strings.Replace(text, b.text, "", 1)
	}
	text = codeSpan.ReplaceAllStringFunc(text, func(code string) string { return strings.Repeat("x", len(code)) })
	var targets []string
	for _, match := range link.FindAllStringSubmatch(text, -1) {
		targets = append(targets, match[1]+match[2])
	}
	return targets
}

// anchors returns the names by which a document's headings can be linked to, as GitHub makes them.
func anchors(text string) []string {
	var names []string
	for _, line := range strings.Split(text, "\n") {
		match := heading.FindStringSubmatch(line)
		if match == nil {
			continue
		}
		keep := func(r rune) rune {
			switch {
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return unicode.ToLower(r)
			case r == ' ':
				return '-'
			}
			return -1
		}
		name := strings.Map(keep, match[1])
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}
