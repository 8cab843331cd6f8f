package scenario

import (
	"errors"
	"fmt"
	"slices"

	"github.com/berthkit/berth/reservation/iphlpapi"
	"github.com/berthkit/berth/reservation/machine"
	"github.com/berthkit/berth/sockets/winsock"
)

// A Player is a simulated computer that obeys the steps of scenarios. It is not safe for concurrent
// use.
type Player struct {
	files     func(name string) (string, error)
	settings  settings
	machine   *machine.Machine // nil until something needs it
	processes map[string]*process
	variables map[string]value
	ended     []*process // whose names others have taken
}

// A process is a program on the machine with its two Windows doors.
type process struct {
	*machine.Process

	name    string
	dll     *iphlpapi.DLL
	winsock *winsock.Process
	ended   bool // by exit or by a restart of the machine
}

// NewPlayer returns a player whose steps read files through files. Close it.
func NewPlayer(files func(name string) (string, error)) *Player {
	return &Player{
		files: files, settings: defaultSettings(),
		processes: map[string]*process{}, variables: map[string]value{},
	}
}

// Close ends the processes and the machine.
func (p *Player) Close() error {
	var failures []error
	for _, running := range p.processes {
		failures = append(failures, running.winsock.Exit())
	}
	for _, ended := range p.ended {
		failures = append(failures, ended.winsock.Exit())
	}
	if p.machine != nil {
		failures = append(failures, p.machine.Close())
	}
	p.machine, p.ended = nil, nil
	clear(p.processes)
	clear(p.variables)
	return errors.Join(failures...)
}

// Do plays one step and returns what it came to. The error is about the step itself: it is no
// command, or its arguments make no sense.
func (p *Player) Do(step *Step) (*Result, error) {
	c := commandNamed(step.command())
	switch {
	case c == nil:
		return nil, unknownCommand(step.command())
	case c.acts == byProcess && step.Process == "":
		return nil, fmt.Errorf("%s is called by a process: PROCESS: %s", c.name, c.usage())
	case c.acts == byMachine && step.Process != "":
		return nil, fmt.Errorf("%s is no call of a process, it happens to the machine: %s", c.name, c.usage())
	case step.Result != "" && !c.assigns:
		return nil, fmt.Errorf("%s has no value to keep in %s", c.name, step.Result)
	}
	arguments := step.Words[1:]
	if len(arguments) < c.least || c.most >= 0 && len(arguments) > c.most {
		return nil, fmt.Errorf("usage: %s", c.usage())
	}
	for _, word := range arguments {
		if hasControl(word.Text) && !c.takesData {
			return nil, fmt.Errorf("%q holds a control character, which is for the data of send alone", word.Text)
		}
	}
	call := &call{player: p, command: c, arguments: arguments, result: step.Result}
	if c.name != "machine" {
		if _, err := p.start(); err != nil {
			return nil, err
		}
	}
	if step.Process != "" {
		call.process = p.processes[step.Process]
		if call.process == nil {
			return nil, fmt.Errorf("no process is called %s: start %s", step.Process, step.Process)
		}
	}
	return c.run(call)
}

// start returns the machine, a new one if there is none yet.
func (p *Player) start() (*machine.Machine, error) {
	if p.machine != nil {
		return p.machine, nil
	}
	m, err := machine.New(p.settings.config())
	if err != nil {
		return nil, err
	}
	p.machine = m
	return m, nil
}

// run starts a program under a name. The name may be that of a process that has ended.
func (p *Player) run(name, user string, privilege machine.Privilege) error {
	if before := p.processes[name]; before != nil {
		if !before.ended {
			return fmt.Errorf("%s runs already; %s: exit ends it", name, name)
		}
		p.ended = append(p.ended, before)
	}
	started := p.machine.Run(machine.Program{Name: name + ".exe", User: user, Privilege: privilege})
	p.processes[name] = &process{
		Process: started, name: name,
		dll:     iphlpapi.New(started),
		winsock: winsock.New(started, started),
	}
	return nil
}

// restarted notes that all processes have ended with the boot.
func (p *Player) restarted() {
	for _, process := range p.processes {
		process.ended = true
	}
}

// names returns the sorted names of processes and variables, for completion.
func (p *Player) names() (processes, variables []string) {
	for name, process := range p.processes {
		if !process.ended {
			processes = append(processes, name)
		}
	}
	for name := range p.variables {
		variables = append(variables, name)
	}
	slices.Sort(processes)
	slices.Sort(variables)
	return processes, variables
}
