package command

import (
	"fmt"
	"regexp"
	"strconv"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
)

// ranges are the ports of a program, one block a protocol.
type ranges map[reservation.Protocol]reservation.Range

// template is what exec replaces in arguments: {udp} or {udp.NAME}, and the same for tcp. Other braces
// are the program's.
var template = regexp.MustCompile(`\{(udp|tcp)(?:\.([^{}]*))?\}`)

// expandAll returns a command with its templates replaced, but for the command's own name.
func expandAll(command []string, blocks ranges) ([]string, error) {
	expanded := command[:1:1]
	for _, argument := range command[1:] {
		text, err := expand(argument, blocks)
		if err != nil {
			return nil, err
		}
		expanded = append(expanded, text)
	}
	return expanded, nil
}

// expand returns an argument with its templates replaced. A template that names nothing is an error
// that wraps errUsage.
func expand(argument string, blocks ranges) (string, error) {
	var failed error
	text := template.ReplaceAllStringFunc(argument, func(found string) string {
		parts := template.FindStringSubmatch(found)
		value, err := lookUpTemplate(found, parts[1], parts[2], blocks)
		if err != nil && failed == nil {
			failed = err
		}
		return value
	})
	return text, failed
}

// lookUpTemplate returns what stands for a template, of which name is the part behind the dot.
func lookUpTemplate(found, protocolName, name string, blocks ranges) (string, error) {
	protocol, err := pool.ParseProtocol(protocolName)
	if err != nil {
		return "", err
	}
	ports, exists := blocks[protocol]
	if !exists {
		return "", &failure{usageError(found + " stands in an argument, and the program has no " + protocolName + " ports"),
			"Ask for some: berth exec " + protocolName + " COUNT -- COMMAND"}
	}
	if found == "{"+protocolName+"}" {
		return ports.String(), nil
	}
	for _, known := range portNames {
		if known.name == name {
			return known.value(ports), nil
		}
	}
	index, err := strconv.Atoi(name)
	if err != nil || strconv.Itoa(index) != name || index < 0 {
		return "", &failure{usageError(found + " in an argument means nothing"),
			fmt.Sprintf("There are {%[1]s}, {%[1]s.first}, {%[1]s.last}, {%[1]s.count}, and {%[1]s.0}, {%[1]s.1} and so on.", protocolName)}
	}
	if index >= ports.Count() {
		return "", &failure{usageError(fmt.Sprintf("%s in an argument is behind the last of %s", found, plural(ports.Count(), "port"))),
			fmt.Sprintf("The last one is {%s.%d}.", protocolName, ports.Count()-1)}
	}
	return strconv.Itoa(int(ports.First()) + index), nil
}

// portNames are the ways to name the ends and the size of a block, in templates and, in capitals, in
// the environment.
var portNames = []struct {
	name  string
	value func(reservation.Range) string
}{
	{"first", func(r reservation.Range) string { return strconv.Itoa(int(r.First())) }},
	{"last", func(r reservation.Range) string { return strconv.Itoa(int(r.Last())) }},
	{"count", func(r reservation.Range) string { return strconv.Itoa(r.Count()) }},
}
