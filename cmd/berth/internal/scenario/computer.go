package scenario

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/machine"
)

// machineCommands are what happens to the computer.
var machineCommands = []*command{
	{name: "machine", params: "[SETTING=VALUE...]", about: "begin anew on another computer", most: -1, run: newMachine},
	{name: "start", params: "NAME [plain|administrator|elevated] [USER]", about: "start a program", least: 1, most: 3, run: startProcess},
	{name: "exit", acts: byProcess, about: "end the program", run: exitProcess},
	{name: "reboot", about: "restart the computer", run: reboot},
	{name: "powercut", params: "[before|after]", about: "restart it without shutting down, now or around the next write to the disk", most: 1, run: powerCut},
	{name: "advance", params: "DURATION", about: "move the clock", least: 1, most: 1, run: advance},
	{name: "occupy", params: "PROTOCOL PORT [PROGRAM]", about: "let another program bind a port", least: 2, most: 3, run: occupy},
	{name: "vacate", params: "PROTOCOL PORT", about: "end the programs that occupy, or steal, a port", least: 2, most: 2, run: vacate},
	{name: "steal", params: "PROTOCOL PORT N", about: "bind a port just before the N-th bind from now, behind the engine's back", least: 3, most: 3, run: steal},
	{name: "disk", params: "full|fails|works", about: "let every write to the disk fail, or the next, or none", least: 1, most: 1, run: setDisk},
	{name: "service", params: "http PORT... | winnat BLOCKS | hns", about: "install a part of Windows that holds ports", least: 1, most: 64, run: installService},
	{name: "net", params: "stop|start SERVICE", about: "stop or start a service", least: 2, most: 2, run: controlService},
	{name: "dynamic", params: "PROTOCOL [RANGE]", about: "tell or set the dynamic range", least: 1, most: 2, run: dynamicRange},
	{name: "import", params: "FILE", about: "take up a capture of netsh ... show excludedportrange", least: 1, most: 1, run: importCapture},
	{name: "list", params: "PROTOCOL", about: "list the blocks of a protocol", least: 1, most: 1, run: list},
	{name: "why", params: "PROTOCOL RANGE", about: "tell who has these ports", least: 2, most: 2, run: why},
	{name: "dump", about: "print everything there is on the computer", assigns: true, run: dump},
	{name: "compare", params: "A B", about: "compare two variables, or a dump with a file", least: 2, most: 2, run: compare},
}

func newMachine(c *call) (*Result, error) {
	next := defaultSettings()
	for _, word := range c.arguments {
		if err := next.set(word.Text); err != nil {
			return nil, err
		}
	}
	if err := c.player.Close(); err != nil {
		return nil, err
	}
	c.player.settings = next
	_, err := c.player.start()
	return outcomeOf(err), nil
}

func startProcess(c *call) (*Result, error) {
	name, privilege, user := c.word(0), machine.Plain, c.word(2)
	if !isName(name) {
		return nil, fmt.Errorf("%q is no name of a process; want letters and digits", name)
	}
	if word := c.word(1); word != "" {
		known := false
		for _, p := range []machine.Privilege{machine.Plain, machine.Administrator, machine.Elevated} {
			if p.String() == word {
				privilege, known = p, true
			}
		}
		if !known {
			return nil, fmt.Errorf("%q is no privilege; want plain, administrator or elevated", word)
		}
	}
	if user == "" {
		user = "user"
	}
	return &Result{}, c.player.run(name, user, privilege)
}

func exitProcess(c *call) (*Result, error) {
	err := c.process.winsock.Exit()
	c.process.Exit()
	c.process.ended = true
	return outcomeOf(err), nil
}

func reboot(c *call) (*Result, error) {
	c.player.restarted()
	return outcomeOf(c.player.machine.Reboot()), nil
}

func powerCut(c *call) (*Result, error) {
	switch c.word(0) {
	case "":
		c.player.restarted()
		return outcomeOf(c.player.machine.PowerCut()), nil
	case "before", "after":
		c.player.machine.CutPowerAtCommit(c.word(0) == "after")
		return &Result{}, nil
	}
	return nil, fmt.Errorf("usage: %s", c.command.usage())
}

func advance(c *call) (*Result, error) {
	d, err := time.ParseDuration(c.word(0))
	if err != nil {
		return nil, fmt.Errorf("%q is no duration; want one such as 90s or 2m", c.word(0))
	}
	c.player.machine.Advance(d)
	return &Result{}, nil
}

// protocolAndPort reads the first two arguments.
func (c *call) protocolAndPort() (reservation.Protocol, uint16, error) {
	protocol, err := pool.ParseProtocol(c.word(0))
	if err != nil {
		return 0, 0, err
	}
	port, err := strconv.ParseUint(c.word(1), 10, 16)
	if err != nil {
		return 0, 0, fmt.Errorf("%q is no port; want 1 to %d", c.word(1), pool.MaxPort)
	}
	return protocol, uint16(port), nil
}

func occupy(c *call) (*Result, error) {
	protocol, port, err := c.protocolAndPort()
	if err != nil {
		return nil, err
	}
	program := c.word(2)
	if program == "" {
		program = "other.exe"
	}
	_, err = c.player.machine.Occupy(protocol, port, program)
	return outcomeOf(err), nil
}

func vacate(c *call) (*Result, error) {
	protocol, port, err := c.protocolAndPort()
	if err != nil {
		return nil, err
	}
	return outcomeOf(c.player.machine.Vacate(protocol, port)), nil
}

func steal(c *call) (*Result, error) {
	protocol, port, err := c.protocolAndPort()
	if err != nil {
		return nil, err
	}
	binds, err := strconv.Atoi(c.word(2))
	if err != nil {
		return nil, fmt.Errorf("%q is no number of binds", c.word(2))
	}
	return outcomeOf(c.player.machine.Steal(protocol, port, binds)), nil
}

// errDiskFull is what a full disk says.
var errDiskFull = errors.New("there is not enough space on the disk")

func setDisk(c *call) (*Result, error) {
	switch c.word(0) {
	case "full":
		c.player.machine.FailCommits(errDiskFull)
	case "fails":
		c.player.machine.FailNextCommit(errors.New("the disk does not answer"))
	case "works":
		c.player.machine.FailCommits(nil)
		c.player.machine.FailNextCommit(nil)
	default:
		return nil, fmt.Errorf("usage: %s", c.command.usage())
	}
	return &Result{}, nil
}

// maxBlocks is how many blocks of 100 ports WinNAT is given at most, a few more than there is room for
// in the usual dynamic range.
const maxBlocks = 200

func installService(c *call) (*Result, error) {
	numbers := make([]uint16, 0, len(c.arguments))
	for _, word := range c.arguments[1:] {
		n, err := strconv.ParseUint(word.Text, 10, 16)
		if err != nil {
			return nil, fmt.Errorf("%q is no number up to 65535", word.Text)
		}
		numbers = append(numbers, uint16(n))
	}
	var service machine.Service
	switch name := c.word(0); {
	case name == "http" && len(numbers) > 0:
		service = machine.HTTPService(numbers...)
	case name == "winnat" && len(numbers) == 1 && numbers[0] <= maxBlocks:
		service = machine.NATService(int(numbers[0]))
	case name == "hns" && len(numbers) == 0:
		service = machine.HNSService()
	default:
		return nil, fmt.Errorf("usage: %s", c.command.usage())
	}
	return outcomeOf(c.player.machine.Install(service)), nil
}

func controlService(c *call) (*Result, error) {
	switch c.word(0) {
	case "stop":
		return outcomeOf(c.player.machine.StopService(c.word(1))), nil
	case "start":
		return outcomeOf(c.player.machine.StartService(c.word(1))), nil
	}
	return nil, fmt.Errorf("usage: %s", c.command.usage())
}

func dynamicRange(c *call) (*Result, error) {
	protocol, err := pool.ParseProtocol(c.word(0))
	if err != nil {
		return nil, err
	}
	if len(c.arguments) == 1 {
		r, err := c.player.machine.Dynamic(protocol)
		return &Result{value: r.String(), err: err}, nil
	}
	r, err := pool.ParseRange(c.word(1))
	if err != nil {
		return nil, err
	}
	return outcomeOf(c.player.machine.SetDynamic(protocol, r)), nil
}

func importCapture(c *call) (*Result, error) {
	capture, err := c.player.files(c.word(0))
	if err != nil {
		return nil, err
	}
	rows, err := machine.ParseNetsh(strings.NewReader(capture))
	if err != nil {
		return outcomeOf(err), nil
	}
	return outcomeOf(c.player.machine.Import(rows)), nil
}

// observer returns a process that only looks.
func (p *Player) observer() *machine.Process {
	return p.machine.Run(machine.Program{Name: "observer.exe", User: "observer"})
}

func list(c *call) (*Result, error) {
	protocol, err := pool.ParseProtocol(c.word(0))
	if err != nil {
		return nil, err
	}
	observer := c.player.observer()
	defer observer.Exit()
	blocks, err := observer.List(context.Background(), protocol)
	if err != nil {
		return outcomeOf(err), nil
	}
	shown := make([]string, 0, len(blocks))
	for _, block := range blocks {
		shown = append(shown, block.Kind.String()+" "+block.Range.String())
	}
	if len(shown) == 0 {
		return &Result{value: "nothing"}, nil
	}
	return &Result{value: strings.Join(shown, ", ")}, nil
}

func why(c *call) (*Result, error) {
	protocol, err := pool.ParseProtocol(c.word(0))
	if err != nil {
		return nil, err
	}
	r, err := pool.ParseRange(c.word(1))
	if err != nil {
		return nil, err
	}
	observer := c.player.observer()
	defer observer.Exit()
	explanation, err := observer.Explain(context.Background(), protocol, r)
	if err != nil {
		return outcomeOf(err), nil
	}
	var reasons []string
	for _, block := range explanation.Blocks {
		reason := block.Kind.String() + " " + block.Range.String()
		if block.Program != "" {
			reason += " of " + block.Program
		}
		reasons = append(reasons, reason)
	}
	for _, holder := range explanation.InUse {
		reasons = append(reasons, fmt.Sprintf("%d bound by %s", holder.Port, holder.Program))
	}
	if len(reasons) == 0 {
		return &Result{value: "free"}, nil
	}
	return &Result{value: strings.Join(reasons, ", ")}, nil
}

func dump(c *call) (*Result, error) {
	var b bytes.Buffer
	if _, err := c.player.machine.WriteTo(&b); err != nil {
		return nil, err
	}
	c.keep(text(b.String()))
	return &Result{Output: lines(b.String())}, nil
}

func lines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

func compare(c *call) (*Result, error) {
	var sides [2][]string
	for i := range sides {
		name := c.word(i)
		if v, known := c.player.variables[name]; known {
			if n, is := v.(instance); is {
				v = number(n.Token.Token)
			}
			sides[i] = lines(v.String())
			continue
		}
		content, err := c.player.files(name)
		if err != nil {
			return nil, fmt.Errorf("there is no variable %s; %w", name, err)
		}
		sides[i] = lines(content)
	}
	if output := difference(sides[0], sides[1]); len(output) > 0 {
		return &Result{value: "different", Output: output}, nil
	}
	return &Result{value: "equal"}, nil
}
