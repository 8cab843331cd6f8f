package conformance

import (
	"bufio"
	"os"
	"reflect"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/reservation"
)

// TestEveryRuleHasACase holds the suite against docs/semantics.md.
func TestEveryRuleHasACase(t *testing.T) {
	file, err := os.Open("../../docs/semantics.md")
	require.NoError(t, err)
	defer file.Close()
	row := regexp.MustCompile(`^\| ([A-Z]\d+) \|`)
	missing := map[string]bool{}
	for _, c := range cases() {
		require.NotContains(t, missing, c.rule, "two cases")
		require.NotEmpty(t, c.about)
		missing[c.rule] = true
	}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if cells := row.FindStringSubmatch(lines.Text()); cells != nil {
			require.Contains(t, missing, cells[1], "rule %s has no case", cells[1])
			delete(missing, cells[1])
		}
	}
	require.NoError(t, lines.Err())
	require.Empty(t, missing, "cases of rules that docs/semantics.md does not have")
}

// TestIsComparesSuccessToo holds the comparison that all cases make.
func TestIsComparesSuccessToo(t *testing.T) {
	plain, blind := &Host{}, &Host{Is: func(error, error) bool { return true }}
	require.True(t, plain.is(nil, nil))
	require.True(t, plain.is(reservation.ErrTokenStale, reservation.ErrNotFound))
	require.False(t, plain.is(nil, reservation.ErrNotFound))
	require.False(t, plain.is(reservation.ErrNotFound, nil))
	require.False(t, blind.is(nil, reservation.ErrNotFound))
	require.False(t, blind.is(reservation.ErrNotFound, nil))
}

// policyFields returns the names of the open questions.
func policyFields() []string {
	var names []string
	policy := reflect.TypeFor[reservation.Policy]()
	for i := range policy.NumField() {
		names = append(names, policy.Field(i).Name)
	}
	return names
}

// PolicyFields is for the tests outside the package.
var PolicyFields = policyFields
