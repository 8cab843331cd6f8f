package docs_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/sockets/inuse"
)

// examplePorts are the ports, of both protocols, that the documents' commands and programs use.
var examplePorts = pool.MustParseRange("50000-50099")

// attempts is how often a document is tried when another program took one of the ports meanwhile:
// they lie in the range from which Linux serves everybody who binds port 0.
const attempts = 3

// A difference is what a document shows and what happened instead.
type difference struct {
	text     string
	stranger bool // another program's socket may be the reason
}

// patiently calls try, which returns what differs from the document or nil, again if the reason may
// be a stranger's socket.
func patiently(t *testing.T, try func(t *testing.T) *difference) {
	t.Helper()
	for attempt := 1; ; attempt++ {
		requirePorts(t)
		var found *difference
		t.Run(fmt.Sprintf("attempt %d", attempt), func(t *testing.T) { found = try(t) })
		switch {
		case found == nil:
			return
		case !found.stranger || attempt == attempts:
			t.Fatal(found.text)
		}
		t.Logf("a socket of another program may be in the way, trying once more: %s", found.text)
	}
}

// requirePorts skips the test if a program of this computer has one of the documents' ports, and
// says which.
func requirePorts(t *testing.T) {
	t.Helper()
	table := inuse.New()
	var taken []string
	for _, protocol := range pool.Protocols() {
		ports, err := table.InUse(t.Context(), protocol, examplePorts)
		require.NoError(t, err)
		if len(ports) == 0 {
			continue
		}
		holders, err := table.Holders(t.Context(), protocol, examplePorts)
		require.NoError(t, err)
		for _, holder := range holders {
			taken = append(taken, fmt.Sprintf("%s %s", protocol, holder))
		}
	}
	if len(taken) > 0 {
		t.Skipf("the documents use the ports %s, and other programs have some of them:\n%s", examplePorts, strings.Join(taken, "\n"))
	}
}
