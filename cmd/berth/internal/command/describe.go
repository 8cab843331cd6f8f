package command

import (
	"fmt"
	"strings"
	"time"

	"github.com/berthkit/berth/reservation"
)

// formatTime returns a time as tables show it: to the minute, in the zone of the computer.
func formatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04")
}

// describeKind says what kind of block b is: "persistent", "runtime", "exclusion" or "exclusion (active)".
func describeKind(b reservation.Block) string {
	if b.Kind == reservation.Exclusion && b.Store == reservation.ActiveStore {
		return "exclusion (active)"
	}
	return b.Kind.String()
}

// describeOwner names a process.
func describeOwner(program string, pid uint32) string {
	switch {
	case pid == 0:
		return ""
	case program == "":
		return fmt.Sprintf("process %d", pid)
	}
	return fmt.Sprintf("%s (pid %d)", program, pid)
}

// describeConflict says who stands in the way of a call; it is empty if nobody does.
func describeConflict(conflict *reservation.Conflict) string {
	var who string
	switch {
	case conflict == nil:
		return ""
	case conflict.Block != nil:
		state, how := describeBlock(*conflict.Block)
		who = fmt.Sprintf("%s %s is %s %s", conflict.Block.Protocol, conflict.Block.Range, state, how)
	case conflict.Socket != nil:
		owner := describeOwner(conflict.Socket.Program, conflict.Socket.PID)
		if owner == "" {
			owner = hiddenOwner
		}
		who = fmt.Sprintf("port %d is in use by %s", conflict.Socket.Port, owner)
	}
	if conflict.Others > 0 {
		who += fmt.Sprintf(" (and %d more)", conflict.Others)
	}
	return who
}

// hiddenOwner is who owns a socket that the system does not let us see behind.
const hiddenOwner = "a program that this user may not see"

// describeBlock says what a block makes of its ports, and how: by which reservation, since when.
func describeBlock(b reservation.Block) (state, how string) {
	if b.Kind == reservation.Exclusion {
		how = "since " + formatTime(b.Created)
		if b.Store == reservation.ActiveStore {
			how += " until the next restart"
		}
		return stateExcluded, how
	}
	how = fmt.Sprintf("by the %s reservation", b.Kind)
	if b.Label != "" {
		how += fmt.Sprintf(" %q", b.Label)
	}
	if !b.Created.IsZero() {
		how += " of " + formatTime(b.Created)
	}
	if owner := describeOwner(b.Program, b.PID); owner != "" {
		how += " by " + owner
	}
	return stateReserved, how
}

// plural returns "1 port", "2 ports".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// The states that why answers with.
const (
	stateFree     = "free"
	stateReserved = "reserved"
	stateExcluded = "excluded"
	stateInUse    = "in use"
)

// stateOf returns the state of the ports: what is worst for whoever wants them.
func stateOf(e *reservation.Explanation) string {
	state := stateFree
	if len(e.InUse) > 0 {
		state = stateInUse
	}
	for _, b := range e.Blocks {
		if b.Kind != reservation.Exclusion {
			return stateReserved
		}
		state = stateExcluded
	}
	return state
}

// sentenceOf says what stands on the ports.
func sentenceOf(e *reservation.Explanation) string {
	ports := fmt.Sprintf("%s %s", e.Protocol, e.Range)
	if e.IsFree() {
		if e.Range.Count() == 1 {
			return ports + " is free."
		}
		return fmt.Sprintf("%s is free, all %d ports of it.", ports, e.Range.Count())
	}
	var clauses []string
	if len(e.Blocks) > 0 {
		clauses = append(clauses, blocksClause(e))
	}
	if len(e.InUse) > 0 {
		clauses = append(clauses, socketsClause(e))
	}
	return ports + " is " + strings.Join(clauses, ", and ") + "."
}

func blocksClause(e *reservation.Explanation) string {
	if len(e.Blocks) > 1 {
		return "taken by " + plural(len(e.Blocks), "block")
	}
	b := e.Blocks[0]
	state, how := describeBlock(b)
	switch {
	case b.Range == e.Range:
		return state + " " + how
	case b.Range.Covers(e.Range):
		return fmt.Sprintf("%s, as part of %s, %s", state, b.Range, how)
	}
	return fmt.Sprintf("partly %s (%s, %s)", state, b.Range, how)
}

func socketsClause(e *reservation.Explanation) string {
	by := describeOwners(e.InUse)
	ports := make(map[uint16]bool)
	for _, holder := range e.InUse {
		ports[holder.Port] = true
	}
	switch {
	case e.Range.Count() == 1:
		return "in use by " + by
	case len(ports) == 1:
		return fmt.Sprintf("in use at port %d by %s", e.InUse[0].Port, by)
	}
	return fmt.Sprintf("in use at %d ports by %s", len(ports), by)
}

// describeOwners names the first owner of sockets and counts the others.
func describeOwners(holders []reservation.Holder) string {
	seen := make(map[uint32]bool)
	var owners []string
	for _, holder := range holders {
		if !seen[holder.PID] {
			seen[holder.PID] = true
			owner := describeOwner(holder.Program, holder.PID)
			if owner == "" {
				owner = hiddenOwner
			}
			owners = append(owners, owner)
		}
	}
	if len(owners) > 2 {
		return owners[0] + " and " + plural(len(owners)-1, "other program")
	}
	return strings.Join(owners, " and ")
}
