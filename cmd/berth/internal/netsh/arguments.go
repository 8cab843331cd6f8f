package netsh

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
)

// The tags of the arguments, in the order in which values without a tag fill them.
const (
	tagProtocol = "protocol"
	tagFirst    = "startport"
	tagCount    = "numberofports"
	tagStore    = "store"
)

func (a *action) tags() []string {
	if a.takesPorts {
		return []string{tagProtocol, tagFirst, tagCount, tagStore}
	}
	return []string{tagProtocol, tagStore}
}

// An argument is what stands behind the command's name: a value, with its tag if it has one.
type argument struct {
	tag    string
	tagged bool
	value  string
	text   string // as it was typed
}

// splitArguments joins what blanks around an equals sign have parted, and parts tags from values.
func splitArguments(args []string) []argument {
	var split []argument
	for i := 0; i < len(args); i++ {
		text := args[i]
		if !strings.Contains(text, "=") && i+1 < len(args) && strings.HasPrefix(args[i+1], "=") {
			i++
			text += args[i]
		}
		if strings.Count(text, "=") == 1 && strings.HasSuffix(text, "=") && i+1 < len(args) {
			i++
			text += args[i]
		}
		a := argument{text: text, value: text}
		if tag, value, tagged := strings.Cut(text, "="); tagged {
			a = argument{tag: strings.TrimSpace(tag), tagged: true, value: strings.TrimSpace(value), text: text}
		}
		split = append(split, a)
	}
	return split
}

// arguments reads what stands behind the command's name.
func (r *reader) arguments(a *action) (*command, *SyntaxError) {
	for _, text := range r.rest {
		if isQuestion(text) {
			return &command{help: a.help()}, nil
		}
	}
	values, err := a.assign(splitArguments(r.rest))
	if err != nil {
		return nil, err
	}
	c := &command{action: a, store: a.store}
	for _, tag := range a.tags() {
		value, given := values[tag]
		if !given && tag == tagStore {
			continue
		}
		if !given {
			return nil, a.misused("One or more essential parameters were not entered.\nVerify the required parameters, and reenter them.", a.name()+" needs "+tag)
		}
		if reason := c.set(tag, value); reason != "" {
			return nil, a.misused(fmt.Sprintf("%s is not a valid value for %s.", printable(value), tag), reason)
		}
	}
	return c, nil
}

// assign gives each argument its tag: first those that name one, then the others, which fill the tags
// that are left in their order.
func (a *action) assign(arguments []argument) (map[string]string, *SyntaxError) {
	values := make(map[string]string)
	for _, given := range arguments {
		if !given.tagged {
			continue
		}
		found := match(given.tag, a.tags())
		if len(found) != 1 {
			reason := fmt.Sprintf("%s has no tag %q; it has %s", a.name(), given.tag, alternatives(a.tags()))
			if len(found) > 1 {
				reason = fmt.Sprintf("the tag %q is ambiguous: it could be %s", given.tag, alternatives(found))
			}
			return nil, a.unknown(given, reason)
		}
		if _, twice := values[found[0]]; twice {
			return nil, a.unknown(given, found[0]+" is given twice")
		}
		values[found[0]] = given.value
	}
	free := a.tags()
	for _, given := range arguments {
		if given.tagged {
			continue
		}
		for len(free) > 0 && has(values, free[0]) {
			free = free[1:]
		}
		if len(free) == 0 {
			return nil, a.unknown(given, fmt.Sprintf("%q is one argument too many for %s", given.text, a.name()))
		}
		values[free[0]] = given.value
	}
	return values, nil
}

func has(values map[string]string, tag string) bool {
	_, given := values[tag]
	return given
}

// set reads the value of a tag and returns what is wrong with it, if anything is.
func (c *command) set(tag, value string) (reason string) {
	switch tag {
	case tagProtocol:
		found := match(value, []string{pool.TCP.String(), pool.UDP.String()})
		if len(found) != 1 {
			return fmt.Sprintf("%q is no protocol; want tcp or udp", value)
		}
		c.protocol = pool.TCP
		if found[0] == pool.UDP.String() {
			c.protocol = pool.UDP
		}
	case tagStore:
		found := match(value, []string{reservation.ActiveStore.String(), reservation.PersistentStore.String()})
		if len(found) != 1 {
			return fmt.Sprintf("%q is no store; want active or persistent", value)
		}
		c.store = reservation.PersistentStore
		if found[0] == reservation.ActiveStore.String() {
			c.store = reservation.ActiveStore
		}
	case tagFirst, tagCount:
		number, err := strconv.ParseUint(value, 10, 16)
		if err != nil {
			return fmt.Sprintf("%q is no number of %s; want 1 to %d", value, tag, pool.MaxPort)
		}
		if tag == tagFirst {
			c.first = uint16(number)
		} else {
			c.count = uint16(number)
		}
	}
	return ""
}

// unknown is the error of an argument that the command does not take.
func (a *action) unknown(given argument, reason string) *SyntaxError {
	name := given.text
	if given.tagged {
		name = given.tag
	}
	return a.misused("'"+printable(name)+"' is not a valid argument for this command.", reason)
}

// misused is the error of arguments that make no sense: what is wrong, and how it is done.
func (a *action) misused(said, reason string) *SyntaxError {
	return &SyntaxError{
		said:   said + "\nThe syntax supplied for this command is not valid. Check help for the correct syntax.\n" + a.help(),
		reason: reason,
	}
}
