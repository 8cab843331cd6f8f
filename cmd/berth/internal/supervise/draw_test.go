package supervise

import (
	"net/netip"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
)

// A paperBlock is a block that only writes down what it is asked to do.
type paperBlock struct {
	protocol reservation.Protocol
	ports    reservation.Range

	mu     sync.Mutex
	taken  map[uint16]bool
	closed int
}

func (b *paperBlock) Protocol() reservation.Protocol { return b.protocol }
func (b *paperBlock) Range() reservation.Range       { return b.ports }
func (b *paperBlock) Listen(int, int) error          { return nil }

func (b *paperBlock) Bind(_ int, address netip.AddrPort) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.taken[address.Port()] {
		return reservation.ErrInUse
	}
	b.taken[address.Port()] = true
	return nil
}

func (b *paperBlock) Close() error {
	b.closed++
	return nil
}

func TestPortZeroDrawsEachPortOnce(t *testing.T) {
	for _, ports := range []string{"40000", "40000-40009", "65530-65535", "1-3"} {
		block := &paperBlock{ports: pool.MustParseRange(ports), taken: make(map[uint16]bool)}
		d := newDraw(block)
		var threads sync.WaitGroup
		for range block.ports.Count() {
			threads.Go(func() {
				if err := d.bind(0, netip.IPv4Unspecified()); err != nil {
					t.Errorf("%s: %v", ports, err)
				}
			})
		}
		threads.Wait()
		require.Len(t, block.taken, block.ports.Count())
		require.ErrorIs(t, d.bind(0, netip.IPv4Unspecified()), reservation.ErrInUse)
		block.taken[block.ports.Last()] = false // its socket was closed
		require.NoError(t, d.bind(0, netip.IPv4Unspecified()))
		require.True(t, block.taken[block.ports.Last()])
	}
}
