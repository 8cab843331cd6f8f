package scenario

import (
	"fmt"
	"slices"
	"strings"
)

// An actor is who a command is for.
type actor uint8

const (
	byMachine actor = iota
	byProcess
)

// A command is a word that a step may begin with.
type command struct {
	name      string
	acts      actor
	params    string // as usage shows them
	about     string
	least     int  // number of arguments
	most      int  // -1 for any
	assigns   bool // it has a value to keep
	takesData bool // its words may hold any bytes
	run       func(*call) (*Result, error)
}

// A call is one use of a command. The process is nil if the machine acts.
type call struct {
	player    *Player
	process   *process
	command   *command
	arguments []Word
	result    string // the variable to keep the value in, or empty
}

// word returns the n-th argument, empty if there is none.
func (c *call) word(n int) string {
	if n >= len(c.arguments) {
		return ""
	}
	return c.arguments[n].Text
}

// keep stores a value in the variable before the equals sign, if there is one.
func (c *call) keep(v value) {
	if c.result != "" {
		c.player.variables[c.result] = v
	}
}

func (c *command) usage() string {
	usage := strings.TrimSpace(c.name + " " + c.params)
	if c.assigns {
		usage = "[NAME =] " + usage
	}
	if c.acts == byProcess {
		usage = "PROCESS: " + usage
	}
	return usage
}

// commands are all commands, those of the machine first. It is a function since help is one of them.
func commands() []*command {
	return slices.Concat(machineCommands, iphlpapiCommands, winsockCommands, netshCommands)
}

func commandNamed(name string) *command {
	for _, c := range commands() {
		if c.name == name {
			return c
		}
	}
	return nil
}

func unknownCommand(name string) error {
	for _, c := range commands() {
		if strings.EqualFold(c.name, name) {
			return fmt.Errorf("there is no command %q; did you mean %s?", name, c.name)
		}
	}
	return fmt.Errorf("there is no command %q", name)
}
