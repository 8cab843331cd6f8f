package machine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
)

// A Service is a part of Windows that holds ports from its start to its stop. It starts with every
// boot.
type Service struct {
	Name  string // "http", "winnat", "hns": each name once on a machine
	Holds []Hold
}

// A Hold is a block that a [Service] holds: a runtime reservation of the kernel, so that an explicit
// bind to it is ErrDenied, or an exclusion.
type Hold struct {
	Protocol     Protocol
	First        uint16 // first port; 0 lets the system choose one of the dynamic range at each start
	Count        int    // number of ports
	Moves        bool   // after the next boot the system chooses First
	Administered bool   // an exclusion of the active store, shown with an asterisk; First must not be 0
}

// HTTPService is http.sys, which listens in the kernel for the programs that have registered a URL.
// Its rows are single ports without an asterisk, 80 and 5357 on most computers; binding one is
// ErrDenied.
func HTTPService(ports ...uint16) Service {
	s := Service{Name: "http"}
	for _, port := range ports {
		s.Holds = append(s.Holds, Hold{Protocol: TCP, First: port, Count: 1})
	}
	return s
}

// NATService is WinNAT, which takes blocks of 100 ports of the dynamic range for containers and virtual
// machines, others after each boot.
func NATService(blocks int) Service {
	s := Service{Name: "winnat"}
	for _, protocol := range pool.Protocols() {
		for range blocks {
			s.Holds = append(s.Holds, Hold{Protocol: protocol, Count: 100})
		}
	}
	return s
}

// HNSService is the host network service, which excludes 50000-50059 of both protocols at each boot,
// in the place that its registry values ExcludedPortRangeStartPort and ExcludedPortRangePortCount name.
func HNSService() Service {
	s := Service{Name: "hns"}
	for _, protocol := range pool.Protocols() {
		s.Holds = append(s.Holds, Hold{Protocol: protocol, First: 50000, Count: 60, Administered: true})
	}
	return s
}

// A service is an installed Service.
type service struct {
	Service
	process  *reservation.Process // nil while it is stopped
	excluded []Hold               // its exclusions, which do not end with the process
	failure  error                // why it holds less than it should since the boot
}

// Install adds a service to the machine and starts it: now, and at each boot. If one of its holds is
// refused, with what [reservation.API] or [reservation.Endpoint] returns, nothing is installed. It
// returns ErrInvalid for a name that is empty or installed already.
func (m *Machine) Install(s Service) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s.Name == "" || m.service(s.Name) != nil {
		return fmt.Errorf("install service %q: %w: the name is empty or taken", s.Name, reservation.ErrInvalid)
	}
	s.Holds = slices.Clone(s.Holds)
	installed := &service{Service: s}
	if err := installed.start(m.host); err != nil {
		return fmt.Errorf("install service %s: %w", s.Name, err)
	}
	m.services = append(m.services, installed)
	return nil
}

// StopService ends what a service holds until it is started again or the machine boots, as "net stop"
// does. It returns ErrNotFound if there is no such service, ErrState if it is stopped.
func (m *Machine) StopService(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.service(name)
	switch {
	case s == nil:
		return fmt.Errorf("stop service %q: %w", name, reservation.ErrNotFound)
	case s.process == nil:
		return fmt.Errorf("stop service %s: %w: it is stopped", name, reservation.ErrState)
	}
	if err := s.stop(); err != nil {
		return fmt.Errorf("stop service %s: %w", name, err)
	}
	return nil
}

// StartService starts a stopped service, as "net start" does: all of its holds or none. It returns
// ErrNotFound if there is no such service, ErrState if it runs, and why a hold was refused.
func (m *Machine) StartService(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.service(name)
	switch {
	case s == nil:
		return fmt.Errorf("start service %q: %w", name, reservation.ErrNotFound)
	case s.process != nil:
		return fmt.Errorf("start service %s: %w: it runs", name, reservation.ErrState)
	}
	if err := s.start(m.host); err != nil {
		return fmt.Errorf("start service %s: %w", name, err)
	}
	return nil
}

func (m *Machine) service(name string) *service {
	for _, s := range m.services {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// start takes all holds or none.
func (s *service) start(host *reservation.Host) error {
	if err := s.take(host); err != nil {
		return errors.Join(err, s.stop())
	}
	return nil
}

// restart takes the holds that the machine lets it have after a boot.
func (s *service) restart(host *reservation.Host) {
	for i := range s.Holds {
		if hold := &s.Holds[i]; hold.Moves {
			hold.First = 0
		}
	}
	s.excluded = nil // they were in the active store
	s.failure = s.take(host)
}

// take takes as many holds as it can and returns why it could not take the others.
func (s *service) take(host *reservation.Host) error {
	s.failure = nil
	s.process = host.Process(reservation.Caller{PID: systemPID, Program: s.Name, Elevated: true})
	var refused error
	for _, hold := range s.Holds {
		if err := s.hold(hold); err != nil {
			refused = errors.Join(refused, err)
		}
	}
	return refused
}

func (s *service) hold(hold Hold) error {
	ctx := context.Background()
	if hold.Administered {
		r, err := pool.RangeFrom(hold.First, hold.Count)
		if err != nil {
			return err
		}
		if err := s.process.AddExclusion(ctx, hold.Protocol, r, reservation.ActiveStore); err != nil {
			return err
		}
		s.excluded = append(s.excluded, hold)
		return nil
	}
	endpoint, err := s.process.Open(ctx, hold.Protocol)
	if err != nil {
		return err
	}
	_, err = endpoint.Acquire(ctx, reservation.Request{First: hold.First, Count: hold.Count, Label: s.Name})
	return err
}

// stop lets go of everything. What cannot be let go, because the disk fails, stays with the service.
func (s *service) stop() error {
	for len(s.excluded) > 0 {
		hold := s.excluded[0]
		r, err := pool.RangeFrom(hold.First, hold.Count)
		if err != nil {
			return err
		}
		err = s.process.DeleteExclusion(context.Background(), hold.Protocol, r, reservation.ActiveStore)
		if err != nil && !errors.Is(err, reservation.ErrNotFound) {
			return err
		}
		s.excluded = s.excluded[1:]
	}
	s.process.Close() // always returns nil
	s.process = nil
	return nil
}
