package netsh

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/berthkit/berth/reservation"
)

// A command is one command line, understood.
type command struct {
	help   string // what to print instead of doing anything, if it asks for that
	action *action

	protocol reservation.Protocol
	first    uint16
	count    uint16
	store    reservation.ExclusionStore

	ports reservation.Range // first and count, once they have been found to make one
}

// An action is a command that netsh has, before it gets its arguments.
type action struct {
	verb, object string
	access       Access
	takesPorts   bool                       // startport and numberofports
	store        reservation.ExclusionStore // unless the tag store says otherwise
	purpose      string                     // for a list of commands
	remarks      string                     // for the help of this one
	stores       [2]string                  // what the active and the persistent store mean
	run          func(s *Shell, ctx context.Context, c *command, on Computer) (string, error)
}

var actions = []*action{
	{
		verb: verbAdd, object: objectExcluded, access: Make, takesPorts: true, run: (*Shell).addExclusion,
		purpose: "excludes a block of ports",
		remarks: "Keeps a block of free ports out of automatic assignment, so that they stay free for\nprograms that ask for them by number.",
		stores:  [2]string{"until the next restart", "until it is deleted (default)"},
	},
	{
		verb: verbDelete, object: objectExcluded, access: End, takesPorts: true, run: (*Shell).deleteExclusion,
		purpose: "ends an exclusion",
		remarks: "Ends an exclusion. Ports and store must be those that it was added with.",
		stores:  [2]string{"one that ends at the next restart", "one that stays (default)"},
	},
	{
		verb: verbShow, object: objectDynamic, store: reservation.ActiveStore, run: (*Shell).showDynamic,
		purpose: "shows the range of automatic assignment",
		remarks: "Shows the ports that are assigned to programs which ask for any.",
		stores:  [2]string{"what is in force (default)", "what is in force after a restart"},
	},
	{
		verb: verbShow, object: objectExcluded, store: reservation.ActiveStore, run: (*Shell).showExclusions,
		purpose: "shows excluded and reserved ports",
		remarks: "Shows the blocks of ports that are never assigned automatically. Those with an asterisk are\nexclusions, the others are reserved by programs.",
		stores:  [2]string{"all that is in force (default)", "what stays after a restart"},
	},
	{
		verb: verbSet, object: objectDynamic, access: Make, takesPorts: true, run: (*Shell).setDynamic,
		purpose: "sets the range of automatic assignment",
		remarks: "Sets the ports that are assigned to programs which ask for any: at least 255, none below\n1025.",
		stores:  [2]string{"not supported here", "until it is set again (default)"},
	},
}

func (a *action) name() string { return a.verb + " " + a.object }

func findAction(verb, object string) *action {
	i := slices.IndexFunc(actions, func(a *action) bool { return a.verb == verb && a.object == object })
	if i < 0 {
		return nil
	}
	return actions[i]
}

// A reader reads a command line from left to right.
type reader struct {
	args []string // all of them
	rest []string // those not read yet
	path []string // the words that were read, in full
}

// parse reads a command line.
func parse(args []string) (*command, *SyntaxError) {
	r := &reader{args: args, rest: args}
	for _, place := range []struct{ known, supported []string }{
		{topWords, []string{wordInterface}},
		{interfaceWords, families},
		{familyWords, []string{verbAdd, verbDelete, verbSet, verbShow}},
	} {
		if help, err := r.word(place.known, place.supported); help != "" || err != nil {
			return &command{help: help}, err
		}
	}
	verb := r.path[len(r.path)-1]
	var objects []string
	for _, a := range actions {
		if a.verb == verb {
			objects = append(objects, a.object)
		}
	}
	if help, err := r.word(objectWords[verb], objects); help != "" || err != nil {
		return &command{help: help}, err
	}
	return r.arguments(findAction(verb, r.path[len(r.path)-1]))
}

// word reads the next word of the path. It returns help if that is asked for here.
func (r *reader) word(known, supported []string) (help string, err *SyntaxError) {
	if len(r.rest) == 0 {
		return "", &SyntaxError{
			said:   contextHelp(r.path),
			reason: fmt.Sprintf("the command line ends too early; next comes %s", alternatives(supported)),
		}
	}
	text := r.rest[0]
	found := match(text, known)
	switch {
	case isQuestion(text), len(found) == 1 && found[0] == wordHelp:
		return contextHelp(r.path), nil
	case len(found) == 0:
		return "", r.notFound(fmt.Sprintf("%q is not known here; want %s", text, alternatives(supported)))
	case len(found) > 1:
		return "", r.notFound(fmt.Sprintf("%q is ambiguous: it could be %s", text, alternatives(found)))
	case !slices.Contains(supported, found[0]):
		return "", r.notFound(fmt.Sprintf("%q is a command of Windows that berth does not have; it has %s", found[0], alternatives(supported)))
	}
	r.rest, r.path = r.rest[1:], append(r.path, found[0])
	return "", nil
}

// notFound is the error of a word that is no command. netsh repeats the command line as it was typed.
func (r *reader) notFound(reason string) *SyntaxError {
	return &SyntaxError{
		said:   "The following command was not found: " + printable(strings.Join(r.args, " ")) + ".\n",
		reason: reason,
	}
}

// alternatives lists words: "a, b or c".
func alternatives(words []string) string {
	last := len(words) - 1
	if last == 0 {
		return words[0]
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// printable returns text with a question mark for what could steer a terminal.
func printable(text string) string {
	return strings.Map(func(c rune) rune {
		if c == unicode.ReplacementChar || !unicode.IsPrint(c) {
			return '?'
		}
		return c
	}, text)
}
