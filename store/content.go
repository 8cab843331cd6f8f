package store

import (
	"fmt"
	"slices"
	"strings"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
)

// A content is everything that a store holds, in memory. It is never changed once others may see
// it: a commit makes the next one.
type content struct {
	revision   reservation.Revision
	generation uint64
	entries    [2][]*entry // by slot, ordered by first port, disjoint
	boots      []reservation.Boot
	dynamic    [2]pool.Range // by slot; zero where none is set
	digest     digest
	attempted  uint64 // number of the last commit that failed: a reader may have seen it, so it is not used again
}

// A write is one change of the file that an edit stands for: a value to put, or nil to delete.
type write struct {
	space space
	key   []byte
	value []byte
}

func (c *content) header() header {
	return header{c.revision, c.generation, uint32(len(c.entries[0]) + len(c.entries[1])), c.digest}
}

// image returns the content as the engine wants it; the caller may change what it gets.
func (c *content) image() *reservation.Image {
	image := &reservation.Image{
		Revision: c.revision,
		Dynamic:  map[pool.Protocol]pool.Range{},
		Records:  make([]reservation.Record, 0, len(c.entries[0])+len(c.entries[1])),
	}
	if len(c.boots) > 0 {
		image.Boot, image.Earlier = c.boots[0], slices.Clone(c.boots[1:])
	}
	for _, protocol := range pool.Protocols() {
		if r := c.dynamic[slot(protocol)]; r.IsValid() {
			image.Dynamic[protocol] = r
		}
		for _, e := range c.entries[slot(protocol)] {
			image.Records = append(image.Records, e.Record)
		}
	}
	return image
}

// apply returns the content after the edits, and what to write to the file, its header excepted. It
// refuses, with an error that wraps reservation.ErrInvalid, what could not be read back.
func (c *content) apply(edits []reservation.Edit) (*content, []write, error) {
	next := *c
	next.revision.Number = max(c.revision.Number, c.attempted) + 1
	for _, protocol := range pool.Protocols() {
		if i := slot(protocol); slices.ContainsFunc(edits, func(e reservation.Edit) bool { return e.Record.Protocol == protocol }) {
			next.entries[i] = append(make([]*entry, 0, len(c.entries[i])+len(edits)), c.entries[i]...)
		}
	}
	writes := make([]write, 0, len(edits)+1)
	for i := range edits {
		w, err := next.applyOne(&edits[i])
		if err != nil {
			return nil, nil, fmt.Errorf("edit %d of %d: %w", i+1, len(edits), err)
		}
		writes = append(writes, w)
	}
	return &next, writes, nil
}

func (c *content) applyOne(edit *reservation.Edit) (write, error) {
	switch edit.Op {
	case reservation.EditPut:
		return c.put(edit.Record)
	case reservation.EditDelete:
		return c.delete(edit.Record.Protocol, edit.Record.Range)
	case reservation.EditBoot:
		return c.begin(edit.Boot)
	case reservation.EditDynamic:
		return c.setDynamic(edit.Record.Protocol, edit.Record.Range)
	}
	return write{}, fmt.Errorf("%w: edit operation %d", reservation.ErrInvalid, edit.Op)
}

// put adds a record.
func (c *content) put(record reservation.Record) (write, error) {
	if err := record.Validate(); err != nil {
		return write{}, err
	}
	record.Created = record.Created.Round(0).UTC()
	record.Label = strings.Clone(record.Label)
	e := &entry{record, c.revision.Number}
	entries := &c.entries[slot(e.Protocol)]
	at, _ := find(*entries, e.Range.First())
	for _, neighbour := range (*entries)[max(at-1, 0):min(at+1, len(*entries))] {
		if neighbour.Range.Overlaps(e.Range) {
			return write{}, fmt.Errorf("%w: %v %v overlaps the record of %v", reservation.ErrInvalid, e.Protocol, e.Range, neighbour.Range)
		}
	}
	*entries = slices.Insert(*entries, at, e)
	w := write{e.Protocol, e.key(), e.encode()}
	c.digest = c.digest.plus(digestOf(c.revision.Lineage, w.space, w.key, w.value))
	return w, nil
}

// delete removes the record of exactly that range.
func (c *content) delete(protocol pool.Protocol, r pool.Range) (write, error) {
	if !protocol.IsValid() || !r.IsValid() {
		return write{}, fmt.Errorf("%w: delete of %v %v", reservation.ErrInvalid, protocol, r)
	}
	entries := &c.entries[slot(protocol)]
	at, found := find(*entries, r.First())
	if !found || (*entries)[at].Range != r {
		return write{}, fmt.Errorf("%w: no record of %v %v to delete", reservation.ErrInvalid, protocol, r)
	}
	e := (*entries)[at]
	c.digest = c.digest.minus(digestOf(c.revision.Lineage, protocol, e.key(), e.encode()))
	*entries = slices.Delete(*entries, at, at+1)
	return write{protocol, e.key(), nil}, nil
}

// begin makes boot the present one.
func (c *content) begin(boot reservation.Boot) (write, error) {
	if err := boot.Validate(); err != nil {
		return write{}, err
	}
	before := encodeBoots(c.boots)
	earlier := c.boots[:min(len(c.boots), reservation.MaxEarlierBoots)]
	boots := append([]reservation.Boot{boot}, earlier...)
	w := c.exchange(keyBoots, len(c.boots) > 0, before, encodeBoots(boots))
	c.boots = boots
	return w, nil
}

func (c *content) setDynamic(protocol pool.Protocol, r pool.Range) (write, error) {
	if !protocol.IsValid() {
		return write{}, fmt.Errorf("%w: a dynamic range of %v", reservation.ErrInvalid, protocol)
	}
	if err := reservation.ValidateDynamic(r); err != nil {
		return write{}, err
	}
	before, set := encodeDynamic(c.dynamic), c.dynamic != [2]pool.Range{}
	c.dynamic[slot(protocol)] = r
	return c.exchange(keyDynamic, set, before, encodeDynamic(c.dynamic)), nil
}

// exchange replaces a value of the meta bucket in the digest.
func (c *content) exchange(key string, present bool, before, after []byte) write {
	if present {
		c.digest = c.digest.minus(digestOf(c.revision.Lineage, spaceMeta, []byte(key), before))
	}
	c.digest = c.digest.plus(digestOf(c.revision.Lineage, spaceMeta, []byte(key), after))
	return write{spaceMeta, []byte(key), after}
}

// writes lists all that a file of this content holds, its header excepted, in order of bucket and key.
func (c *content) writes() []write {
	writes := append(make([]write, 0, c.header().records+2), c.metaWrites()...)
	for _, entries := range c.entries {
		for _, e := range entries {
			writes = append(writes, write{e.Protocol, e.key(), e.encode()})
		}
	}
	return writes
}

// metaWrites lists what the meta bucket holds beside the header.
func (c *content) metaWrites() (writes []write) {
	if len(c.boots) > 0 {
		writes = append(writes, write{spaceMeta, []byte(keyBoots), encodeBoots(c.boots)})
	}
	if c.dynamic != [2]pool.Range{} {
		writes = append(writes, write{spaceMeta, []byte(keyDynamic), encodeDynamic(c.dynamic)})
	}
	return writes
}

// renewed returns the same content under another lineage and generation, as a restored or rebuilt
// store has it. Commits are counted on, so that no record seems newer than the header.
func (c *content) renewed(lineage, generation uint64) *content {
	next := *c
	next.revision = reservation.Revision{Lineage: lineage, Number: c.revision.Number + 1}
	next.generation = generation
	next.digest = digest{}
	for _, w := range next.writes() {
		next.digest = next.digest.plus(digestOf(lineage, w.space, w.key, w.value))
	}
	return &next
}

// find returns where the entry that starts at first is, or would be.
func find(entries []*entry, first uint16) (int, bool) {
	return slices.BinarySearchFunc(entries, first, func(e *entry, first uint16) int {
		return int(e.Range.First()) - int(first)
	})
}
