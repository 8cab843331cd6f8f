package storetest

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
)

// A model is the obvious journal: every port of every record in a map.
type model struct {
	ports map[pool.Protocol]map[uint16]pool.Range // who holds a port
	boots []string
}

func (m *model) clone() *model {
	next := &model{map[pool.Protocol]map[uint16]pool.Range{}, slices.Clone(m.boots)}
	for _, protocol := range pool.Protocols() {
		next.ports[protocol] = maps.Clone(m.ports[protocol])
	}
	return next
}

// apply does what one edit should do, and reports whether it may.
func (m *model) apply(edit reservation.Edit) bool {
	record := edit.Record
	switch edit.Op {
	case reservation.EditPut:
		for port := range record.Range.Ports() {
			if _, taken := m.ports[record.Protocol][port]; taken {
				return false
			}
		}
		for port := range record.Range.Ports() {
			m.ports[record.Protocol][port] = record.Range
		}
	case reservation.EditDelete:
		if m.ports[record.Protocol][record.Range.First()] != record.Range {
			return false
		}
		for port := range record.Range.Ports() {
			delete(m.ports[record.Protocol], port)
		}
	case reservation.EditBoot:
		m.boots = append([]string{edit.Boot.ID}, m.boots...)
		m.boots = m.boots[:min(len(m.boots), 1+reservation.MaxEarlierBoots)]
	}
	return true
}

// testModel makes random commits, valid and not, and compares with the model after each.
func testModel(t *testing.T, m Medium) {
	j := open(t, m)
	want := &model{ports: map[pool.Protocol]map[uint16]pool.Range{pool.TCP: {}, pool.UDP: {}}}
	edits := rapid.Custom(drawEdit)
	for seed := range 150 {
		drawn := rapid.SliceOfN(edits, 1, 6).Example(seed)
		next, valid := want.clone(), true
		for _, edit := range drawn {
			valid = valid && next.apply(edit)
		}
		base := load(t, j).Revision
		_, err := j.Commit(t.Context(), base, drawn)
		if !valid {
			require.ErrorIs(t, err, reservation.ErrInvalid)
		} else {
			require.NoError(t, err)
			want = next
		}
		requireModel(t, want, load(t, j))
		if seed%30 == 29 {
			j = reopened(t, m, j)
		}
	}
}

// drawEdit draws from few ports, so that edits meet each other.
func drawEdit(t *rapid.T) reservation.Edit {
	protocol := rapid.SampledFrom([]pool.Protocol{pool.TCP, pool.UDP}).Draw(t, "protocol")
	first := rapid.Uint16Range(1, 12).Draw(t, "tenth") * 10
	r, err := pool.RangeFrom(first, rapid.IntRange(1, 15).Draw(t, "count"))
	if err != nil {
		t.Fatal(err)
	}
	record := Record(protocol, r.String())
	op := rapid.SampledFrom([]reservation.EditOp{
		reservation.EditPut, reservation.EditPut, reservation.EditPut, reservation.EditDelete, reservation.EditDelete, reservation.EditBoot,
	}).Draw(t, "op")
	return reservation.Edit{Op: op, Record: record, Boot: reservation.Boot{ID: rapid.StringN(1, 20, 40).Draw(t, "boot")}}
}

func requireModel(t testing.TB, want *model, image *reservation.Image) {
	t.Helper()
	got := map[pool.Protocol]map[uint16]pool.Range{pool.TCP: {}, pool.UDP: {}}
	for _, record := range image.Records {
		require.Equal(t, Record(record.Protocol, record.Range.String()), record)
		for port := range record.Range.Ports() {
			require.NotContains(t, got[record.Protocol], port, "records are disjoint")
			got[record.Protocol][port] = record.Range
		}
	}
	require.Equal(t, want.ports, got)
	var boots []string
	if image.Boot.ID != "" {
		boots = append(boots, image.Boot.ID)
	}
	for _, earlier := range image.Earlier {
		boots = append(boots, earlier.ID)
	}
	require.Equal(t, want.boots, boots)
}
