package command

import (
	"slices"
	"strings"

	"github.com/berthkit/berth/pool"
)

// withPorts returns an environment that tells a program its ports. What it said about ports of
// another berth exec, around this one, is left out.
func withPorts(environment []string, blocks ranges) []string {
	var told, names []string
	for _, protocol := range pool.Protocols() {
		prefix := "BERTH_" + strings.ToUpper(protocol.String())
		ports, has := blocks[protocol]
		names = append(names, prefix)
		if has {
			told = append(told, prefix+"="+ports.String())
		}
		for _, known := range portNames {
			name := prefix + "_" + strings.ToUpper(known.name)
			names = append(names, name)
			if has {
				told = append(told, name+"="+known.value(ports))
			}
		}
	}
	kept := slices.DeleteFunc(slices.Clone(environment), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return slices.Contains(names, name)
	})
	return append(kept, told...)
}
