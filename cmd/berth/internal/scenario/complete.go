package scenario

import (
	"maps"
	"slices"
	"strings"
)

// complete returns the line with the word before the cursor made longer, the new cursor, and what the
// word could become if that is not decided. Blanks before the word decide what kind it is.
func (p *Player) complete(line string, cursor int, extra []string) (completed string, position int, choices []string) {
	before, after := line[:cursor], line[cursor:]
	start := strings.LastIndexAny(before, " \t{(,") + 1
	word := before[start:]
	for _, candidate := range p.candidates(before[:start], extra) {
		if strings.HasPrefix(strings.ToLower(candidate), strings.ToLower(word)) {
			choices = append(choices, candidate)
		}
	}
	if len(choices) == 0 {
		return line, cursor, nil
	}
	longer := commonPrefix(choices)
	if len(choices) == 1 {
		choices = nil
		if !strings.HasSuffix(longer, "=") && !strings.HasSuffix(longer, "(") && !strings.HasPrefix(after, " ") {
			longer += " "
		}
	} else if len(longer) > len(word) {
		choices = nil
	} else {
		longer = word
	}
	before = before[:start] + longer
	return before + after, len(before), choices
}

// candidates returns the words that may follow the text before them.
func (p *Player) candidates(before string, extra []string) []string {
	processes, variables := p.names()
	words := strings.Fields(before)
	processed := len(words) > 0 && strings.HasSuffix(words[0], ":")
	if processed {
		words = words[1:]
	}
	if len(words) >= 2 && words[1] == "=" {
		words = words[2:]
	}
	if len(words) > 0 {
		return p.argumentCandidates(words[0], processes, variables)
	}
	var found []string
	for _, c := range commands() {
		if (c.acts == byProcess) == processed {
			found = append(found, c.name)
		}
	}
	if !processed {
		for _, name := range processes {
			found = append(found, name+":")
		}
		found = append(found, extra...)
	}
	slices.Sort(found)
	return found
}

// choicesOf are the words that are arguments of some commands.
var choicesOf = map[string][]string{
	"start":    {"administrator", "elevated", "plain"},
	"powercut": {"after", "before"},
	"disk":     {"fails", "full", "works"},
	"service":  {"hns", "http", "winnat"},
	"net":      {"hns", "http", "start", "stop", "winnat"},
	"occupy":   {"tcp", "udp"},
	"vacate":   {"tcp", "udp"},
	"steal":    {"tcp", "udp"},
	"dynamic":  {"tcp", "udp"},
	"list":     {"tcp", "udp"},
	"why":      {"tcp", "udp"},
	"netsh": {
		"add", "delete", "dynamicport", "excludedportrange", "interface", "ipv4", "ipv6", "numberofports=",
		"protocol=", "set", "show", "startport=", "store=", "tcp", "udp",
	},
}

func (p *Player) argumentCandidates(command string, processes, variables []string) []string {
	if choices, known := choicesOf[command]; known {
		return choices
	}
	switch command {
	case "machine":
		return settingNames()
	case "help":
		var names []string
		for _, c := range commands() {
			names = append(names, c.name)
		}
		return names
	}
	found := slices.Concat(slices.Collect(maps.Keys(constants)), variables, processes, []string{"htons("})
	slices.Sort(found)
	return found
}

func commonPrefix(words []string) string {
	prefix := words[0]
	for _, word := range words[1:] {
		for !strings.HasPrefix(word, prefix) {
			prefix = prefix[:len(prefix)-1]
		}
	}
	return prefix
}
