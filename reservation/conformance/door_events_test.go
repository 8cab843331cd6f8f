package conformance_test

import (
	"context"
	"errors"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/machine"
	"github.com/berthkit/berth/reservation/win32"
	"github.com/berthkit/berth/sockets/winsock"
)

// What happens beside the doors: netsh, ends of processes, restarts.

func (tr *trial) exclude() {
	protocol := tr.protocol()
	first, count := tr.block(false)
	r, err := pool.RangeFrom(uint16(first), count)
	if err != nil {
		return
	}
	store := choose(tr.random, reservation.ActiveStore, reservation.PersistentStore)
	err = tr.seats[0].program.AddExclusion(context.Background(), protocol, r, store)
	tr.note("netsh add excludedportrange %s %s store=%s: %v", protocol, r, store, err)
	taken := tr.model.isTaken(protocol, first, first+count-1)
	if taken != errors.Is(err, reservation.ErrInUse) || !taken && err != nil {
		tr.fail("the model says taken: %t", taken)
	}
	if err == nil {
		tr.model.add(&record{
			kind: exclusionRecord, protocol: protocol, first: first, last: first + count - 1, active: store == reservation.ActiveStore,
		})
	}
}

func (tr *trial) include() {
	protocol, first, count := tr.existing(choose(tr.random, exclusionRecord, exclusionRecord, persistentRecord))
	r, err := pool.RangeFrom(uint16(first), count)
	if err != nil {
		return
	}
	store := choose(tr.random, reservation.ActiveStore, reservation.PersistentStore)
	err = tr.seats[0].program.DeleteExclusion(context.Background(), protocol, r, store)
	tr.note("netsh delete excludedportrange %s %s store=%s: %v", protocol, r, store, err)
	found := tr.model.find(exclusionRecord, protocol, first, count)
	exists := found != nil && found.active == (store == reservation.ActiveStore)
	if exists != (err == nil) || !exists && !errors.Is(err, reservation.ErrNotFound) {
		tr.fail("the model says found: %t", exists)
	}
	if exists {
		tr.model.drop(found)
	}
}

func (tr *trial) setDynamic() {
	protocol, first := tr.protocol(), firstDynamic+tr.random.IntN(3)*200
	r, err := pool.RangeFrom(uint16(first), reservation.MinDynamicCount)
	require.NoError(tr.t, err)
	require.NoError(tr.t, tr.machine.SetDynamic(protocol, r))
	tr.note("netsh set dynamicport %s %s", protocol, r)
	tr.model.dynamic[protocol] = [2]int{first, int(r.Last())}
}

func (tr *trial) exit() {
	s := tr.seat()
	tr.note("%d: exit", s.number)
	require.NoError(tr.t, s.winsock.Exit())
	s.program.Exit()
	tr.model.exit(s.number)
	tr.begin(s)
}

// restart ends the boot, in order or not, and tries what must not be alive any more.
func (tr *trial) restart() {
	restart, how := tr.machine.Reboot, "reboot"
	if tr.random.IntN(2) == 0 {
		restart, how = tr.machine.PowerCut, "power cut"
	}
	tr.note("%s", how)
	require.NoError(tr.t, restart())
	tr.model.restart()
	old := *tr.seats[0]
	for _, s := range tr.seats {
		tr.begin(s)
	}
	tr.watch = tr.machine.Process("watch", machine.Plain)
	for _, h := range old.handles {
		if err := old.winsock.Bind(h.number, &winsock.SockaddrInet4{Port: firstNamed}); err == nil {
			tr.fail("handle %d of the earlier boot can be bound", h.number)
		}
	}
	tr.verify()
	admin := tr.seats[0]
	for _, protocol := range pool.Protocols() {
		h, err := admin.winsock.Socket(winsock.AF_INET, 0, int(protocol))
		require.NoError(tr.t, err)
		for _, token := range tr.model.archived {
			code := tr.sendToken(admin, handle{h, nil}, win32.SIO_ASSOCIATE_PORT_RESERVATION, token)
			tr.check(code, codes{win32.WSAEINVAL}, "associate the earlier boot's token %#x", token)
		}
		require.NoError(tr.t, admin.winsock.Closesocket(h))
	}
	for _, r := range tr.model.records {
		if r.kind == persistentRecord {
			tr.lookupFrom(admin, r.protocol, r.first, r.last-r.first+1)
		}
	}
}
