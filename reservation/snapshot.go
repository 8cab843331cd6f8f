package reservation

import (
	"context"
	"slices"

	"github.com/berthkit/berth/pool"
)

// A snapshot is what readers see: the blocks at one revision of the journal. It never changes, but
// for the public marks of its blocks.
type snapshot struct {
	bootID  string // of the boot that the journal is in; empty if none has begun
	earlier []Boot
	dynamic map[Protocol]Range
	blocks  map[Protocol]*pool.Pool[*block]
}

// view returns a snapshot of the journal's present revision. It waits for the journal only if
// another host has changed it.
func (h *Host) view(ctx context.Context) (*snapshot, error) {
	if err := h.current(ctx); err != nil {
		return nil, err
	}
	return h.publish(), nil
}

// publish returns a snapshot of the blocks as they are.
func (h *Host) publish() *snapshot {
	if s := h.published.Load(); s != nil {
		return s
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.published.Load(); s != nil {
		return s
	}
	s := &snapshot{
		bootID: h.begun, earlier: h.earlier,
		dynamic: make(map[Protocol]Range), blocks: make(map[Protocol]*pool.Pool[*block]),
	}
	for _, space := range h.spaces {
		s.dynamic[space.protocol] = space.dynamic
		s.blocks[space.protocol] = space.blocks.Clone()
	}
	h.published.Store(s)
	return s
}

// current makes sure that the blocks are those of the journal's present revision.
func (h *Host) current(ctx context.Context) error {
	revision, err := h.journal.Revision(ctx)
	if err != nil {
		return err
	}
	if revision == *h.revision.Load() {
		return nil
	}
	return h.refresh(ctx)
}

// currentBut is current for a call that is about the block which find, under mu, returns: a runtime
// reservation is this host's alone, so the journal cannot say anything about it.
func (h *Host) currentBut(ctx context.Context, find func() *block) error {
	h.mu.Lock()
	b := find()
	h.mu.Unlock()
	if b != nil && b.kind == Runtime {
		return nil
	}
	return h.current(ctx)
}

// refresh brings the blocks up to the journal's present revision. It takes its turn with the
// commits, for a journal that is ahead of us may be so by our own commit.
func (h *Host) refresh(ctx context.Context) error {
	select {
	case h.writer <- struct{}{}:
		defer func() { <-h.writer }()
	case <-h.closing:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	if revision, err := h.journal.Revision(ctx); err != nil || revision == *h.revision.Load() {
		return err
	}
	return h.reload(ctx)
}

// reload takes over what other hosts have committed. The caller holds writer.
func (h *Host) reload(ctx context.Context) error {
	image, err := h.journal.Load(ctx)
	if err != nil {
		return err
	}
	h.adopt(image)
	return nil
}

// adopt makes the blocks those of image. Blocks that are in both stay the same, so that endpoints
// associated with them stay so.
//
// If the journal's boot is another than ours (it is read only and nobody has begun ours yet, or
// another boot has begun since) its secret and its active exclusions mean nothing to us.
func (h *Host) adopt(image *Image) {
	for _, record := range h.merge(image) {
		h.log.Warn("another host reserved ports of a runtime reservation of ours; it counts when ours ends",
			"protocol", record.Protocol, "range", record.Range)
	}
}

// advanceLocked says that the blocks are now those of revision. It comes last: a reader without mu
// that sees the revision sees the blocks.
func (h *Host) advanceLocked(revision Revision) {
	h.published.Store(nil)
	h.revision.Store(&revision)
	h.noticeLocked()
}

// merge does adopt's work and returns the records that have to wait.
func (h *Host) merge(image *Image) (hidden []Record) {
	ours := image.Boot
	if ours.ID != h.bootID {
		ours = Boot{}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	defer h.advanceLocked(image.Revision)
	h.begun, h.earlier = image.Boot.ID, image.Earlier
	sameBoot := h.maker != nil && h.boot == ours
	if !sameBoot {
		h.boot = ours
		h.maker = h.newMaker()
	}
	kept := make(map[Record]bool)
	if sameBoot { // otherwise nothing stays
		for _, record := range image.Records {
			kept[key(record)] = true
		}
	}
	for _, space := range h.spaces {
		space.dynamic, space.hidden = space.initial, nil
		if dynamic, set := image.Dynamic[space.protocol]; set {
			space.dynamic = dynamic
		}
		var gone []*block
		for _, b := range space.blocks.All() {
			if b.kind != Runtime && (!sameBoot || !kept[b.key()]) {
				gone = append(gone, b)
			}
		}
		for _, b := range gone {
			h.removeLocked(b)
		}
	}
	for _, record := range image.Records {
		if record.Store == ActiveStore && ours.ID == "" {
			continue
		}
		space := h.spaces.of(record.Protocol)
		if b, present := space.blocks.Get(record.Range); present && b.key() == key(record) {
			continue
		}
		if !h.insertRecordLocked(space, record) {
			hidden = append(hidden, record)
		}
	}
	return hidden
}

// newMaker returns the maker of the boot's tokens. Where no boot has begun it makes tokens for
// runtime reservations only, from a secret that dies with the host.
func (h *Host) newMaker() *tokenMaker {
	if h.boot.ID == "" {
		return newTokenMaker(Boot{Secret: h.secret})
	}
	return newTokenMaker(h.boot)
}

// insertRecordLocked makes a block of a record that is durable. A runtime block of ours may stand in
// its way if another host committed the record without seeing our sockets; the runtime block is
// alive, so the record waits for its end.
func (h *Host) insertRecordLocked(space *portSpace, record Record) bool {
	b := &block{
		protocol: record.Protocol, rng: record.Range, kind: record.Kind, store: record.Store,
		label: record.Label, created: record.Created, serial: record.Serial,
	}
	if b.kind == Persistent && h.boot.ID != "" {
		b.token = h.maker.token(b.protocol, b.rng, b.serial)
	}
	b.public.Store(true)
	if !h.insertLocked(b) {
		space.hidden = append(space.hidden, record)
		return false
	}
	return true
}

func (h *Host) unhideLocked(space *portSpace) {
	hidden := space.hidden
	space.hidden = nil
	for _, record := range hidden {
		h.insertRecordLocked(space, record)
	}
}

// key is what makes two records the same reservation.
func key(r Record) Record {
	return Record{Protocol: r.Protocol, Range: r.Range, Kind: r.Kind, Store: r.Store, Serial: r.Serial}
}

func (b *block) key() Record {
	return Record{Protocol: b.protocol, Range: b.rng, Kind: b.kind, Store: b.store, Serial: b.serial}
}

// isStale reports whether token named one of the reservations in an earlier boot. It tries them all,
// which only a call that fails anyway has to wait for.
func (s *snapshot) isStale(token Token) bool {
	return slices.ContainsFunc(s.earlier, func(boot Boot) bool {
		maker := newTokenMaker(boot)
		for protocol, blocks := range s.blocks {
			for r, b := range blocks.All() {
				if b.kind == Persistent && maker.token(protocol, r, b.serial) == token {
					return true
				}
			}
		}
		return false
	})
}
