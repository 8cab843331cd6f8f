package machine

import (
	"fmt"
	"slices"

	"github.com/berthkit/berth/reservation"
)

// A Privilege is what a process may do.
type Privilege uint8

const (
	// Plain is a process of a user who is no administrator.
	Plain Privilege = iota
	// Administrator is a process of an administrator that was not started "as administrator": it may
	// do what a plain one may.
	Administrator
	// Elevated is a process of an administrator with all rights: it may make, delete and use
	// persistent reservations, change exclusions and set the dynamic range.
	Elevated
)

// String returns "plain", "administrator", "elevated" or "privilege(N)".
func (p Privilege) String() string {
	switch p {
	case Plain:
		return "plain"
	case Administrator:
		return "administrator"
	case Elevated:
		return "elevated"
	}
	return fmt.Sprintf("privilege(%d)", uint8(p))
}

// Process numbers are multiples of 4 on Windows, and 4 is the kernel's.
const (
	systemPID = 4
	firstPID  = 1000
	pidStep   = 4
)

// firstUID is the relative identifier of the first user whom somebody created on a Windows computer.
const firstUID = 1001

// A Program says what a [Process] runs and for whom.
type Program struct {
	Name      string    // shown in messages; empty means "program.exe"
	User      string    // two processes are of one user if the names are equal
	Privilege Privilege // zero means Plain
}

// A Process is a running program: it implements [reservation.API] and [reservation.Inspector] by the
// engine, and [reservation.Network] by the machine's sockets. It is safe for concurrent use. After
// the machine has restarted or the process has exited its calls return ErrClosed.
type Process struct {
	*reservation.Process

	machine *Machine
	network *network
	program Program
	pid     uint32

	stranger bool // of Occupy or Steal
	exited   bool // guarded by the network's mu
}

var (
	_ reservation.API       = (*Process)(nil)
	_ reservation.Inspector = (*Process)(nil)
	_ reservation.Network   = (*Process)(nil)
)

// Process starts a program without a name of its own; see [Machine.Run].
func (m *Machine) Process(user string, privilege Privilege) *Process {
	return m.Run(Program{User: user, Privilege: privilege})
}

// Run starts a program. On a machine that is off or closed the process has ended already.
func (m *Machine) Run(program Program) *Process {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.run(program, false)
}

func (m *Machine) run(program Program, stranger bool) *Process {
	if program.Name == "" {
		program.Name = "program.exe"
	}
	uid, known := m.users[program.User]
	if !known {
		uid = firstUID + uint32(len(m.users))
		m.users[program.User] = uid
	}
	p := &Process{machine: m, network: m.network, program: program, pid: m.nextPID, stranger: stranger}
	p.Process = m.host.Process(reservation.Caller{
		PID: p.pid, Program: program.Name, UID: uid, Elevated: program.Privilege == Elevated,
	})
	m.nextPID += pidStep
	m.processes[p] = struct{}{}
	return p
}

// API returns the process as what a door to the engine needs.
func (p *Process) API() reservation.API { return p }

// Network returns the process as what a door to the sockets needs.
func (p *Process) Network() reservation.Network { return p }

// PID returns the process number.
func (p *Process) PID() uint32 { return p.pid }

// Program returns what the process runs, and for whom.
func (p *Process) Program() Program { return p.program }

// OpenSocket implements [reservation.Network]. It returns ErrClosed once the process has ended.
func (p *Process) OpenSocket(family reservation.Family, protocol Protocol) (reservation.NetworkSocket, error) {
	s, err := p.network.open(p, family, protocol)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Exit ends the process: its sockets close, its runtime reservations end. A second Exit does nothing.
func (p *Process) Exit() {
	p.network.exit(p)
	p.Process.Close() // always returns nil
	p.machine.mu.Lock()
	defer p.machine.mu.Unlock()
	delete(p.machine.processes, p)
	for key, occupants := range p.machine.occupants {
		if slices.Contains(occupants, p) {
			p.machine.occupants[key] = slices.DeleteFunc(slices.Clone(occupants), func(o *Process) bool { return o == p })
		}
	}
}

// Close implements [reservation.API]: it is Exit.
func (p *Process) Close() error {
	p.Exit()
	return nil
}
