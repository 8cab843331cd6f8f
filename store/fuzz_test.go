package store

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
)

// FuzzVerifier damages a sound file by a program: each 6 bytes of it are an offset (3), what to do
// there (1: xor, set a number of 2, 4 or 8 bytes, copy a page) and an operand (2). Whole files as
// fuzz input would be hundreds of times slower.
func FuzzVerifier(f *testing.F) {
	sound, c := soundFile(f, 60)
	want := c.header()
	f.Add([]byte{})
	f.Add([]byte{0, 0x10, 0x40, 0, 0, 1})
	f.Add([]byte{0, 0x30, 10, 1, 0, 9, 0, 0x40, 0, 4, 0, 2})
	image := make([]byte, len(sound))
	f.Fuzz(func(t *testing.T, program []byte) {
		copy(image, sound)
		for ; len(program) >= 6; program = program[6:] {
			step(image, program[:6])
		}
		sumMeta(image, 0)
		sumMeta(image, 1)
		r, err := readBytes(image)
		if err != nil {
			require.True(t, isDamage(err), err)
			return
		}
		require.Equal(t, want, r.header, "a sound file has the content that it was given")
		require.Equal(t, c.image(), r.content.image())
	})
}

func step(image, program []byte) {
	offset := int(program[0])<<16 | int(program[1])<<8 | int(program[2])
	offset %= len(image) - 8
	operand := binary.BigEndian.Uint16(program[4:])
	switch program[3] % 5 {
	case 0:
		image[offset] ^= byte(operand)
	case 1:
		order.PutUint16(image[offset:], operand)
	case 2:
		order.PutUint32(image[offset:], uint32(operand))
	case 3:
		order.PutUint64(image[offset:], uint64(operand))
	case 4:
		from, to := int(operand)%(len(image)/pageSize), offset/pageSize
		copy(image[to*pageSize:(to+1)*pageSize], image[from*pageSize:(from+1)*pageSize])
	}
}

func isDamage(err error) bool {
	var damage *Damage
	return errors.As(err, &damage)
}

// FuzzRecord decodes any bytes as a record; what decodes is encoded to the same bytes.
func FuzzRecord(f *testing.F) {
	_, c := soundFile(f, 4)
	for _, e := range c.entries[1] {
		f.Add(e.key(), e.encode(), false)
	}
	f.Fuzz(func(t *testing.T, key, value []byte, sealed bool) {
		if sealed && len(value) >= checksumSize {
			value = seal(pool.UDP, key, bytes.Clone(value[:len(value)-checksumSize]))
		}
		if _, err := unseal(pool.UDP, key, value); err != nil {
			return
		}
		var e entry
		label, err := e.decode(pool.UDP, key, value)
		if err != nil {
			return
		}
		e.Label = string(label)
		require.Equal(t, e.Validate() == nil, validateRecord(&reservation.Record{Protocol: e.Protocol, Range: e.Range, Kind: e.Kind, Store: e.Store}, label) == nil)
		require.Equal(t, value, e.encode())
	})
}

// FuzzMeta decodes any bytes as what the meta bucket holds.
func FuzzMeta(f *testing.F) {
	f.Add(encodeBoots([]reservation.Boot{{ID: "boot"}, {ID: "earlier"}}), false)
	f.Add(encodeDynamic([2]pool.Range{pool.MustParseRange("20000-29999"), {}}), false)
	f.Add(header{revision: reservation.Revision{Lineage: 1}}.encode(2), true)
	f.Fuzz(func(t *testing.T, value []byte, sealed bool) {
		sign := func(key string) []byte {
			if !sealed || len(value) < checksumSize {
				return value
			}
			return seal(spaceMeta, []byte(key), bytes.Clone(value[:len(value)-checksumSize]))
		}
		if boots, err := decodeBoots(sign(keyBoots)); err == nil {
			require.Equal(t, sign(keyBoots), encodeBoots(boots))
		}
		if dynamic, err := decodeDynamic(sign(keyDynamic)); err == nil {
			require.Equal(t, sign(keyDynamic), encodeDynamic(dynamic))
		}
		if h, transaction, err := decodeHeader(sign(keyHeader)); err == nil {
			require.Equal(t, sign(keyHeader), h.encode(transaction))
		}
	})
}

// FuzzScan looks for records in any bytes, as salvage does.
func FuzzScan(f *testing.F) {
	image, _ := soundFile(f, 4)
	f.Add(image[:2*pageSize])
	f.Add(image[3*pageSize:])
	f.Fuzz(func(t *testing.T, data []byte) {
		linked := linkedPages(data)
		for e, offset := range scanRecords(data) {
			require.NoError(t, e.Validate())
			require.True(t, bytes.HasPrefix(data[offset+2:], e.encode()))
			_ = linked(offset / pageSize)
		}
	})
}

// FuzzSalvaged reads any JSON as what a person edited.
func FuzzSalvaged(f *testing.F) {
	f.Add([]byte(`{"path":"x","records":[{"protocol":"udp","range":"50000-50099","kind":"persistent","created":"2026-11-22T09:30:00Z","serial":"7"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var salvaged Salvaged
		if json.Unmarshal(text, &salvaged) != nil {
			return
		}
		c, err := salvaged.content()
		if err != nil {
			require.ErrorIs(t, err, reservation.ErrInvalid)
			return
		}
		require.Len(t, c.image().Records, len(salvaged.Records))
	})
}

// FuzzHolder reads any bytes as the text of a lock file.
func FuzzHolder(f *testing.F) {
	f.Add(holder{true, position{5, 1, 17}, 42, "berth \"x\""}.text())
	f.Fuzz(func(t *testing.T, text []byte) {
		h := parseHolder(text)
		if h.pid > 0 {
			require.Equal(t, h, parseHolder(h.text()))
		}
	})
}
