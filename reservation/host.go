package reservation

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/berthkit/berth/pool"
)

// Config says what a [Host] is made of. The zero value of each field but Journal and BootID will do.
type Config struct {
	Journal Journal            // keeps what survives; required. The host closes it.
	Ports   PortTable          // the sockets of the computer; nil means that there are no others than the host's own
	Keeper  Keeper             // keeps the ports of runtime reservations from the whole system; nil means that only this host knows of them
	BootID  string             // the system's identity of the present boot; required
	Dynamic map[Protocol]Range // the dynamic ranges unless the journal has others; nil or missing means DefaultDynamic
	Policy  *Policy            // answers to the open questions; nil means DefaultPolicy
	Log     *slog.Logger       // where surprises are told; nil means nowhere
	Rand    io.Reader          // secrets, serials and starting points; nil means crypto/rand
	Now     func() time.Time   // time of creation; nil means time.Now
}

// A Host is the engine of one computer: the blocks of both protocols, the boot's secret, and the
// processes that ask. It is safe for concurrent use.
type Host struct {
	journal Journal
	ports   PortTable
	keeper  Keeper // nil if there is none
	bootID  string
	policy  Policy
	log     *slog.Logger
	randMu  sync.Mutex // guards rand, which need not be safe for concurrent use
	rand    io.Reader
	now     func() time.Time
	secret  [32]byte // for the tokens of runtime reservations while the boot has none

	// writer is held by whoever talks to the journal: a leader of a shared commit, or a reader that
	// found the journal changed. Lock order: writer, then mu. No lock is held while a caller's
	// function runs, and mu never while the disk is waited for.
	writer  chan struct{}
	waiting queue         // changes that wait for the next commit
	closing chan struct{} // closed when Close begins

	mu        sync.Mutex // guards everything below down to processes and the fields of processes, endpoints and blocks that say so
	closed    bool
	boot      Boot   // ours, zero while the journal does not say that it has begun
	begun     string // the identity of the boot that the journal is in, ours or not
	earlier   []Boot
	maker     *tokenMaker
	spaces    portSpaces
	tokens    map[Token]*block
	processes map[*Process]struct{}
	watches   map[chan<- struct{}]struct{} // have room for one notice each

	revision  atomic.Pointer[Revision] // of the journal, that the blocks were built from; written under mu
	published atomic.Pointer[snapshot] // nil after a change of blocks, until a reader wants it
}

// New returns the engine of a computer, with what its journal holds. If the journal's boot is not
// config.BootID a new boot begins: its secret is drawn, so that all tokens change, and the
// exclusions of the active store end. That is one commit, whatever the number of reservations.
//
// On an error the journal stays open and the caller's.
//
// A journal that refuses to be written with ErrDenied is read only: everything works that changes
// nothing; tokens are unknown if no boot has begun in it.
func New(ctx context.Context, config Config) (*Host, error) {
	if config.Journal == nil {
		return nil, fmt.Errorf("%w: Config.Journal is nil", ErrInvalid)
	}
	h := &Host{
		journal:   config.Journal,
		ports:     config.Ports,
		keeper:    config.Keeper,
		bootID:    config.BootID,
		policy:    DefaultPolicy(),
		log:       config.Log,
		rand:      config.Rand,
		now:       config.Now,
		writer:    make(chan struct{}, 1),
		closing:   make(chan struct{}),
		tokens:    make(map[Token]*block),
		processes: make(map[*Process]struct{}),
		watches:   make(map[chan<- struct{}]struct{}),
	}
	if config.Policy != nil {
		h.policy = *config.Policy
	}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	if h.rand == nil {
		h.rand = rand.Reader
	}
	if h.now == nil {
		h.now = time.Now
	}
	err := errors.Join(h.policy.validate(), Boot{ID: config.BootID}.Validate())
	for _, protocol := range pool.Protocols() {
		dynamic, set := config.Dynamic[protocol]
		if !set {
			dynamic = DefaultDynamic
		}
		err = errors.Join(err, ValidateDynamic(dynamic))
		h.spaces[indexOf(protocol)] = newPortSpace(protocol, dynamic)
	}
	if err != nil {
		return nil, err
	}
	h.secret = h.drawSecret()
	if err := h.begin(ctx); err != nil {
		return nil, err
	}
	for _, space := range h.spaces {
		space.next = space.dynamic.First() + uint16(h.draw()%uint64(space.dynamic.Count()))
	}
	return h, nil
}

// begin loads the journal and begins the boot unless another host of this boot has done so.
func (h *Host) begin(ctx context.Context) error {
	for {
		image, err := h.journal.Load(ctx)
		if err != nil {
			return err
		}
		if image.Boot.ID == h.bootID {
			h.adopt(image)
			return nil
		}
		boot := Boot{ID: h.bootID, Secret: h.drawSecret()}
		edits := []Edit{{Op: EditBoot, Boot: boot}}
		for _, record := range image.Records {
			if record.Store == ActiveStore {
				edits = append(edits, Edit{Op: EditDelete, Record: record})
			}
		}
		revision, err := h.journal.Commit(ctx, image.Revision, edits)
		switch {
		case err == nil:
			image.begin(boot, revision)
			h.adopt(image)
			return nil
		case errors.Is(err, ErrDenied):
			h.log.Info("the journal is read only and its boot is not ours: tokens are unknown", "boot", h.bootID)
			h.adopt(image)
			return nil
		case !errors.Is(err, ErrStale):
			return err
		}
	}
}

// begin makes the present boot an earlier one. The exclusions of the active store end with it.
func (i *Image) begin(boot Boot, revision Revision) {
	if i.Boot.ID != "" {
		i.Earlier = slices.Insert(i.Earlier, 0, i.Boot)
		i.Earlier = i.Earlier[:min(len(i.Earlier), MaxEarlierBoots)]
	}
	i.Boot, i.Revision = boot, revision
	i.Records = slices.DeleteFunc(i.Records, func(r Record) bool { return r.Store == ActiveStore })
}

// Process returns a new process with the privileges of caller.
func (h *Host) Process(caller Caller) *Process {
	p := &Process{host: h, caller: caller}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		p.closed.Store(true)
		return p
	}
	h.processes[p] = struct{}{}
	return p
}

// HasTokens reports whether the tokens of persistent reservations are known: they are not while the
// journal is read only and nobody who may write it has begun the boot.
func (h *Host) HasTokens() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.boot.ID != ""
}

// Close ends all processes, waits for a commit that is under way, and closes the journal. A second
// Close does nothing.
func (h *Host) Close() error {
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return nil
	}
	h.closed = true
	close(h.closing)
	h.noticeLocked()
	var left ending
	for p := range h.processes {
		p.closeLocked(&left)
	}
	h.mu.Unlock()
	h.finish(left)
	h.writer <- struct{}{} // never given back: nobody talks to the journal any more
	for _, c := range h.waiting.take() {
		c.finish(ErrClosed)
	}
	return h.journal.Close()
}

// draw returns 64 random bits. If Config.Rand fails the system's source, which cannot, takes its
// place: a token that can be guessed would be worse than one that cannot be replayed.
func (h *Host) draw() uint64 {
	h.randMu.Lock()
	defer h.randMu.Unlock()
	var bits [8]byte
	if _, err := io.ReadFull(h.rand, bits[:]); err != nil {
		h.log.Warn("Config.Rand failed; crypto/rand takes its place", "error", err)
		h.rand = rand.Reader
		return randomLineage()
	}
	return binary.LittleEndian.Uint64(bits[:])
}

func (h *Host) drawSecret() (secret [32]byte) {
	for i := 0; i < len(secret); i += 8 {
		binary.LittleEndian.PutUint64(secret[i:], h.draw())
	}
	return secret
}

// randomLineage returns 64 bits from the system's source.
func randomLineage() uint64 {
	var bits [8]byte
	rand.Read(bits[:]) // never fails: see crypto/rand
	return binary.LittleEndian.Uint64(bits[:])
}
