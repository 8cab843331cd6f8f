package command

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/system"
	"github.com/berthkit/berth/store"
)

// printFailure prints what happened, then, on lines of their own, what to do next.
func (inv *invocation) printFailure(err error) {
	inv.stderr.printf("%s %s\n", inv.stderr.paint(red, "berth:"), inv.describe(err))
	if next := inv.nextStep(err); next != "" {
		inv.stderr.printf("%s\n", next)
	}
}

// describe says in a sentence what happened, to which ports, and who stands in the way.
func (inv *invocation) describe(err error) string {
	var refused *reservation.Error
	var busy *store.BusyError
	var damage *store.DamageError
	switch {
	case errors.Is(err, context.Canceled):
		return "interrupted"
	case errors.As(err, &refused):
		return "cannot " + describeCall(refused) + ": " + describeReason(refused)
	case errors.As(err, &busy):
		holder := describeOwner(busy.Program, uint32(busy.PID))
		if holder == "" {
			holder = "another program"
		}
		return fmt.Sprintf("the store %s is held by %s", busy.Path, holder)
	case errors.Is(err, system.ErrBootUnknown):
		return "this computer does not tell which boot it is in"
	case errors.Is(err, store.ErrMissing):
		return "there is no store at " + inv.storePath()
	case errors.As(err, &damage):
		return describeDamage(damage.Damages)
	}
	return withoutCondition(err)
}

// describeDamage lists what is damaged, a line each.
func describeDamage(damages []store.Damage) string {
	text := "the store is damaged"
	for _, damage := range damages {
		text += "\n  " + damage.String()
	}
	return text
}

// What errors call their operation: the engine's names, and that of listen.
const (
	opCreate          = "create"
	opDelete          = "delete"
	opLookup          = "lookup"
	opExclude         = "exclude"
	opDeleteExclusion = "delete exclusion"
	opAssociate       = "associate"
	opBind            = "bind"
	opFind            = "find"
	opDynamic         = "dynamic range"
	opSetDynamic      = "set dynamic range"
	opListen          = "listen"
)

// verbs are the engine's operations as a user of the command knows them.
var verbs = map[string]string{
	opCreate:          "reserve",
	opDelete:          "release",
	opLookup:          "look up",
	opDeleteExclusion: "delete the exclusion",
	opAssociate:       "use the token for",
	opListen:          "listen on",
	opDynamic:         "show the dynamic range of",
	opSetDynamic:      "make the dynamic range of",
}

// describeCall says what was asked: "reserve udp 50000-50099".
func describeCall(refused *reservation.Error) string {
	if refused.Op == opFind {
		return fmt.Sprintf("find %s ports", refused.Protocol)
	}
	call := refused.Op
	if verb, known := verbs[refused.Op]; known {
		call = verb
	}
	if refused.Protocol != 0 {
		call += " " + refused.Protocol.String()
	}
	if refused.Range.IsValid() {
		call += " " + refused.Range.String()
	}
	return call
}

// describeReason says why, without the words of the conditions, which are for programs.
func describeReason(refused *reservation.Error) string {
	conflict := describeConflict(refused.Conflict)
	detail := withoutCondition(refused.Err)
	switch {
	case errors.Is(refused, reservation.ErrTokenStale):
		return "the token is of an earlier boot; tokens change when the computer restarts"
	case errors.Is(refused, reservation.ErrNotFound) && (conflict != "" || detail == ""):
		return describeAbsence(refused.Op, conflict)
	case errors.Is(refused, reservation.ErrExhausted) && conflict != "":
		return detail + "; " + conflict
	case conflict != "":
		return conflict
	case detail == "":
		return refused.Err.Error()
	}
	return detail
}

// describeAbsence says that there is no such block, and what is there instead.
func describeAbsence(op, conflict string) string {
	switch {
	case conflict != "" && op == opDeleteExclusion:
		return "there is no such exclusion: " + conflict
	case conflict != "":
		return "no reservation has exactly these ports: " + conflict
	case op == opDeleteExclusion:
		return "it is not excluded"
	}
	return "it is not reserved"
}

// withoutCondition returns the text of an error without that of the condition that it starts or ends
// with. It is empty if there is nothing else.
func withoutCondition(err error) string {
	text := err.Error()
	for _, condition := range []error{
		reservation.ErrTokenStale, reservation.ErrInvalid, reservation.ErrDenied, reservation.ErrUnsupported,
		store.ErrDamaged, reservation.ErrClosed, reservation.ErrNotFound, reservation.ErrExhausted, reservation.ErrInUse, reservation.ErrState, reservation.ErrLimit,
	} {
		if !errors.Is(err, condition) {
			continue
		}
		if text == condition.Error() {
			return ""
		}
		text = strings.TrimPrefix(text, condition.Error()+": ")
		text = strings.TrimSuffix(text, ": "+condition.Error())
	}
	return text
}

// nextStep says what to do about an error; it is empty if nothing helps.
func (inv *invocation) nextStep(err error) string {
	var known *failure
	if errors.As(err, &known) && known.next != "" {
		return known.next
	}
	var refused *reservation.Error
	if errors.As(err, &refused) && refused.Range.IsValid() && refused.Protocol != 0 {
		if next := nextForPorts(refused); next != "" {
			return next
		}
	}
	var damage *store.DamageError
	if errors.As(err, &damage) {
		return "Bring back a backup: berth store restore FILE\nOr what can still be read: berth store salvage --rebuild"
	}
	var unreadable *pool.ParseError
	if errors.As(err, &unreadable) {
		return "A protocol is udp or tcp; a range is 50000-50099, 50000+100 or 50000."
	}
	for _, row := range nextSteps {
		if errors.Is(err, row.condition) {
			return strings.ReplaceAll(row.next, "PATH", inv.storePath())
		}
	}
	return ""
}

// nextForPorts says what to do about ports that somebody has, or that nobody has.
func nextForPorts(refused *reservation.Error) string {
	ports := fmt.Sprintf("%s %s", refused.Protocol, refused.Range)
	conflict := refused.Conflict
	switch {
	case errors.Is(refused, reservation.ErrInUse):
		if conflict != nil && conflict.Nearest.IsValid() {
			command := "reserve"
			if refused.Op == opExclude {
				command = "exclude add"
			}
			return fmt.Sprintf("The nearest free block of that size: berth %s %s %s", command, refused.Protocol, conflict.Nearest)
		}
		return "See who has which port: berth why " + ports
	case errors.Is(refused, reservation.ErrExhausted):
		return "See who has which port: berth why " + ports
	case errors.Is(refused, reservation.ErrTokenStale):
		return "Look the reservation up again: berth lookup " + ports
	case refused.Op == opAssociate && errors.Is(refused, reservation.ErrInvalid):
		return "Look up the token of this block: berth lookup " + ports
	case !errors.Is(refused, reservation.ErrNotFound):
		return ""
	case conflict == nil || conflict.Block == nil:
		return "See what there is: berth list"
	}
	held := fmt.Sprintf("%s %s", conflict.Block.Protocol, conflict.Block.Range)
	command := map[string]string{opDelete: "release", opLookup: "lookup", opListen: "listen"}[refused.Op]
	switch {
	case conflict.Block.Kind == reservation.Persistent && command != "":
		return "Name the whole block: berth " + command + " " + held
	case conflict.Block.Kind == reservation.Exclusion && (refused.Op == opDelete || refused.Op == opDeleteExclusion):
		next := "Delete the exclusion: berth exclude delete " + held
		if conflict.Block.Store == reservation.ActiveStore {
			next += " --active"
		}
		return next
	}
	return "See what there is: berth list"
}

// nextSteps says what to do about a condition, whatever was asked. The first row that matches counts.
var nextSteps = []struct {
	condition error
	next      string
}{
	{context.Canceled, ""},
	{store.ErrBusy, "Try again when that program is done. berth list, lookup, why and find work meanwhile."},
	{store.ErrMissing, "The first reservation creates it: berth reserve udp 50000-50099"},
	{store.ErrUnsafePath, "Name another store with --store or BERTH_STORE."},
	{system.ErrBootUnknown, "Name the boot yourself, with another name after each restart: --boot ID"},
	{reservation.ErrTokenStale, "Look the reservation up again: berth lookup PROTOCOL RANGE"},
	{reservation.ErrDenied, "Run this as a user who may write the store, PATH."},
	{fs.ErrPermission, "Run this as a user who may write the store, PATH, or name another with --store or BERTH_STORE."},
	{reservation.ErrExhausted, "See what is taken: berth list"},
	{syscall.EMFILE, "Open fewer sockets, or allow this shell more files: ulimit -n NUMBER"},
	{reservation.ErrUnsupported, "Berth's own engine can: name a store with --store or BERTH_STORE."},
	{reservation.ErrNotFound, "See what there is: berth list"},
}

// storePath returns the path of the store for a message.
func (inv *invocation) storePath() string {
	if inv.store != "" {
		return inv.store
	}
	path, err := system.StorePath()
	if err != nil {
		return "(unknown)"
	}
	return path
}
