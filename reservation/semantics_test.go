package reservation_test

import (
	"bufio"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/reservation"
)

// A rule's test is a sequence of actions; see computer for the language. Where a policy decides, the
// other answer is played too.
type rule struct {
	script string
	other  func(*reservation.Policy) // sets the alternative of a policy
	then   string                    // what happens then
}

func TestRules(t *testing.T) {
	tests := allRules(t)
	for _, id := range slices.Sorted(maps.Keys(tests)) {
		rule := tests[id]
		t.Run(id, func(t *testing.T) {
			require.NotEmpty(t, rule.script)
			newComputer(t, nil).run(rule.script)
			if rule.other != nil {
				policy := reservation.DefaultPolicy()
				rule.other(&policy)
				newComputer(t, &policy).run(rule.then)
			}
		})
	}
}

// allRules returns the tests of all rows.
func allRules(t *testing.T) map[string]rule {
	all := maps.Clone(rules)
	for id, question := range questions {
		require.NotContains(t, all, id)
		all[id] = question
	}
	return all
}

// row matches a rule of docs/semantics.md: ID, statement, source, grade, and what decides it.
var row = regexp.MustCompile(`^\| ([A-Z]\d+) \| (.+) \| (.+) \| (.+) \| (.+) \|$`)

// TestSemanticsTable holds docs/semantics.md against the tests and against Policy: no rule without a
// test, no test without a rule, no policy that no rule names.
func TestSemanticsTable(t *testing.T) {
	file, err := os.Open("../docs/semantics.md")
	require.NoError(t, err)
	defer file.Close()
	policies := make(map[string]bool)
	for i := range reflect.TypeFor[reservation.Policy]().NumField() {
		policies[reflect.TypeFor[reservation.Policy]().Field(i).Name] = false
	}
	tests, seen := allRules(t), make(map[string]bool)
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		cells := row.FindStringSubmatch(lines.Text())
		if cells == nil {
			require.NotRegexp(t, `^\| [A-Z]\d+ `, lines.Text(), "a rule with a cell missing")
			continue
		}
		id, grade, decided := cells[1], cells[4], cells[5]
		require.False(t, seen[id], "rule %s stands twice", id)
		seen[id] = true
		require.Contains(t, tests, id, "rule %s has no test: add it to rules_test.go or questions_test.go", id)
		require.Contains(t, []string{"documented", "observed", "inferred"}, grade, id)
		if decided == "fixed" {
			require.Nil(t, tests[id].other, "rule %s is fixed and has an alternative", id)
			continue
		}
		require.NotNil(t, tests[id].other, "rule %s is a policy and its alternative is not tested", id)
		for name := range strings.SplitSeq(decided, ", ") {
			name = strings.Trim(name, "`")
			require.Contains(t, policies, name, "rule %s names a policy that does not exist", id)
			policies[name] = true
		}
	}
	require.NoError(t, lines.Err())
	for id := range tests {
		require.True(t, seen[id], "test %s names no rule of docs/semantics.md", id)
	}
	for name, named := range policies {
		require.True(t, named, "no rule of docs/semantics.md names Policy.%s", name)
	}
}
