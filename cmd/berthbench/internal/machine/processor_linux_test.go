package machine

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNameIn(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"", ""},
		{"processor\t: 0\nmodel name\t: AMD EPYC\nmodel name\t: another\n", "AMD EPYC"},
		{"processor\t: 0\nBogoMIPS\t: 108.00\nModel\t\t: Raspberry Pi 5\n", "Raspberry Pi 5"},
		{"model name\t:\nno colon", ""},
	} {
		require.Equal(t, test.want, nameIn([]byte(test.text)))
	}
}
