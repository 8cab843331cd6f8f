package netsh

import (
	"fmt"
	"strings"

	"github.com/berthkit/berth/reservation"
)

// contextHelp lists the commands that begin with the words of path.
func contextHelp(path []string) string {
	var b strings.Builder
	b.WriteString("\nCommands:\n\n")
	for _, a := range actions {
		if len(path) <= 2 || path[2] == a.verb {
			fmt.Fprintf(&b, "%-24s - %s\n", a.name(), a.purpose)
		}
	}
	if len(path) < 2 {
		b.WriteString("\nAll of them are in the contexts interface ipv4 and interface ipv6, which mean the same.\n")
	}
	b.WriteString("\nA command followed by ? shows its arguments. Words may be abbreviated as long as they are\nunambiguous.\n\n")
	return b.String()
}

// help describes one command.
func (a *action) help() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\nUsage: %s [protocol=]tcp|udp", a.name())
	if a.takesPorts {
		b.WriteString("\n             [startport=]PORT [numberofports=]COUNT")
	}
	b.WriteString("\n             [[store=]active|persistent]\n\n")
	fmt.Fprintf(&b, "  %-14s  tcp or udp\n", tagProtocol)
	if a.takesPorts {
		fmt.Fprintf(&b, "  %-14s  first port of the block, 1 to 65535\n", tagFirst)
		fmt.Fprintf(&b, "  %-14s  how many ports, 1 to 65535\n", tagCount)
	}
	fmt.Fprintf(&b, "  %-14s  %-10s  %s\n", tagStore, reservation.ActiveStore, a.stores[0])
	fmt.Fprintf(&b, "  %-14s  %-10s  %s\n", "", reservation.PersistentStore, a.stores[1])
	fmt.Fprintf(&b, "\n%s\n\nExample:\n\n  %s\n\n", a.remarks, a.example())
	return b.String()
}

func (a *action) example() string {
	if !a.takesPorts {
		return a.name() + " protocol=udp"
	}
	return a.name() + " protocol=udp startport=50000 numberofports=1000"
}
