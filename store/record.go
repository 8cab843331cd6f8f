package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
)

// The format of what is inside the buckets; docs/file-format.md describes it. Numbers are
// big-endian, so that the order of keys is the order of ports.
const (
	formatVersion = 1

	bucketMeta = "meta"
	bucketTCP  = "tcp"
	bucketUDP  = "udp"

	keyHeader  = "header"
	keyBoots   = "boots"
	keyDynamic = "dynamic"

	recordFixed  = 1 + 1 + 1 + 2 + 8 + 8 + 8 + 4 + 1 // up to the label
	checksumSize = 4
	headerSize   = 1 + 8 + 8 + 8 + 8 + 4 + 16 + checksumSize
)

// A space is what a bucket holds: an IANA protocol number, or 0 for the meta bucket. Checksums and
// digests cover it, so that an entry is valid in its own bucket only.
type space = pool.Protocol

const spaceMeta space = 0

// A slot numbers the protocols from 0, for arrays.
func slot(protocol pool.Protocol) int {
	if protocol == pool.TCP {
		return 0
	}
	return 1
}

func bucketName(s space) string {
	switch s {
	case pool.TCP:
		return bucketTCP
	case pool.UDP:
		return bucketUDP
	}
	return bucketMeta
}

// An entry is a record and the commit that wrote it, which tells salvage which of two versions is newer.
type entry struct {
	reservation.Record
	commit uint64
}

func (e *entry) key() []byte { return portKey(e.Range.First()) }

const portKeySize = 2

func portKey(port uint16) []byte { return binary.BigEndian.AppendUint16(nil, port) }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum is the CRC-32C of the space, the key and the value before the checksum.
func checksum(s space, key, payload []byte) uint32 {
	// The first bytes are too few for the processor's instruction to pay off.
	crc := ^uint32(0)
	crc = castagnoli[byte(crc)^byte(s)] ^ crc>>8
	for _, c := range key {
		crc = castagnoli[byte(crc)^c] ^ crc>>8
	}
	return crc32.Update(^crc, castagnoli, payload)
}

// seal appends the checksum.
func seal(s space, key, payload []byte) []byte {
	return binary.BigEndian.AppendUint32(payload, checksum(s, key, payload))
}

// unseal returns the value without its checksum, once that holds and the format version is ours. The
// checksum does not tell where the key ends and the value begins, so the keys of ports must have their
// length.
func unseal(s space, key, value []byte) ([]byte, error) {
	switch {
	case len(value) < 1+checksumSize:
		return nil, fmt.Errorf("%d bytes are too few", len(value))
	case s != spaceMeta && len(key) != portKeySize:
		return nil, errLength
	}
	payload, sum := value[:len(value)-checksumSize], value[len(value)-checksumSize:]
	if checksum(s, key, payload) != binary.BigEndian.Uint32(sum) {
		return nil, errChecksum
	}
	return payload, checkVersion(payload)
}

var (
	errChecksum = errors.New("wrong checksum")
	errLength   = errors.New("wrong length")
)

func checkVersion(payload []byte) error {
	if payload[0] != formatVersion {
		return fmt.Errorf("%w: format %d, this program knows format %d; use a newer berth", ErrVersion, payload[0], formatVersion)
	}
	return nil
}

func (e *entry) encode() []byte {
	b := make([]byte, 0, recordFixed+len(e.Label)+checksumSize)
	b = append(b, formatVersion, byte(e.Kind), byte(e.Store))
	b = binary.BigEndian.AppendUint16(b, e.Range.Last())
	b = binary.BigEndian.AppendUint64(b, e.commit)
	b = binary.BigEndian.AppendUint64(b, e.Serial)
	b = binary.BigEndian.AppendUint64(b, uint64(e.Created.Unix()))
	b = binary.BigEndian.AppendUint32(b, uint32(e.Created.Nanosecond()))
	b = append(b, byte(len(e.Label)))
	b = append(b, e.Label...)
	return seal(e.Protocol, e.key(), b)
}

// decode reads a record into e, all but its label, which it returns: whoever decodes many makes one
// string of all labels. It does not look at the checksum.
func (e *entry) decode(protocol pool.Protocol, key, value []byte) (label []byte, err error) {
	if len(key) != portKeySize || len(value) < recordFixed+checksumSize || len(value) != recordFixed+int(value[recordFixed-1])+checksumSize {
		return nil, errLength
	}
	payload := value[:len(value)-checksumSize]
	if payload[0] != formatVersion {
		return nil, checkVersion(payload)
	}
	first, last := binary.BigEndian.Uint16(key), binary.BigEndian.Uint16(payload[3:])
	nanosecond := binary.BigEndian.Uint32(payload[29:])
	if nanosecond >= 1e9 {
		return nil, fmt.Errorf("%d nanoseconds in a second", nanosecond)
	}
	e.Range, err = pool.RangeFrom(first, int(last)-int(first)+1)
	if err != nil {
		return nil, fmt.Errorf("ports %d to %d are no range", first, last)
	}
	e.Protocol = protocol
	e.Kind = reservation.Kind(payload[1])
	e.Store = reservation.ExclusionStore(payload[2])
	e.commit = binary.BigEndian.Uint64(payload[5:])
	e.Serial = binary.BigEndian.Uint64(payload[13:])
	e.Created = time.Unix(int64(binary.BigEndian.Uint64(payload[21:])), int64(nanosecond)).UTC()
	return payload[recordFixed:], nil
}

// validateRecord is Record.Validate with the label apart, and fast for nearly all records: opening
// a store validates every one.
func validateRecord(r *reservation.Record, label []byte) error {
	if r.Kind == reservation.Persistent && r.Store == reservation.PersistentStore && r.Protocol.IsValid() && r.Range.IsValid() &&
		len(label) <= reservation.MaxLabel && isPlain(label) {
		return nil
	}
	whole := *r
	whole.Label = string(label)
	return whole.Validate()
}

func isPlain(label []byte) bool {
	for _, c := range label {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

// A header describes the whole content; every commit writes it.
type header struct {
	revision   reservation.Revision
	generation uint64 // times that the files were rewritten; (generation, number) orders the copies
	records    uint32
	digest     digest
}

// A position says which state of which store something is about.
type position struct{ lineage, generation, number uint64 }

func (h header) position() position {
	return position{h.revision.Lineage, h.generation, h.revision.Number}
}

// after reports whether p is a later state of the same store than other.
func (p position) after(other position) bool {
	if p.lineage != other.lineage {
		return false
	}
	return p.generation > other.generation || p.generation == other.generation && p.number > other.number
}

// encode writes the header for one of the two files: transaction is bbolt's number of the
// transaction that writes it, so that a meta page cannot lead to another one's tree.
func (h header) encode(transaction uint64) []byte {
	b := make([]byte, 0, headerSize)
	b = append(b, formatVersion)
	b = binary.BigEndian.AppendUint64(b, transaction)
	b = binary.BigEndian.AppendUint64(b, h.revision.Lineage)
	b = binary.BigEndian.AppendUint64(b, h.generation)
	b = binary.BigEndian.AppendUint64(b, h.revision.Number)
	b = binary.BigEndian.AppendUint32(b, h.records)
	b = binary.BigEndian.AppendUint64(b, h.digest.a)
	b = binary.BigEndian.AppendUint64(b, h.digest.b)
	return seal(spaceMeta, []byte(keyHeader), b)
}

func decodeHeader(value []byte) (h header, transaction uint64, err error) {
	b, err := unseal(spaceMeta, []byte(keyHeader), value)
	if err != nil {
		return h, 0, err
	}
	if len(value) != headerSize {
		return h, 0, errLength
	}
	h.revision.Lineage = binary.BigEndian.Uint64(b[9:])
	h.generation = binary.BigEndian.Uint64(b[17:])
	h.revision.Number = binary.BigEndian.Uint64(b[25:])
	h.records = binary.BigEndian.Uint32(b[33:])
	h.digest = digest{binary.BigEndian.Uint64(b[37:]), binary.BigEndian.Uint64(b[45:])}
	if h.revision == (reservation.Revision{}) {
		return h, 0, fmt.Errorf("no revision")
	}
	return h, binary.BigEndian.Uint64(b[1:]), nil
}

// encodeBoots writes the boots, the present one first; none is an empty list.
func encodeBoots(boots []reservation.Boot) []byte {
	b := []byte{formatVersion, byte(len(boots))}
	for _, boot := range boots {
		b = append(b, byte(len(boot.ID)))
		b = append(b, boot.ID...)
		b = append(b, boot.Secret[:]...)
	}
	return seal(spaceMeta, []byte(keyBoots), b)
}

func decodeBoots(value []byte) ([]reservation.Boot, error) {
	b, err := unseal(spaceMeta, []byte(keyBoots), value)
	if err != nil {
		return nil, err
	}
	if len(b) < 2 || b[1] > 1+reservation.MaxEarlierBoots {
		return nil, fmt.Errorf("wrong number of boots")
	}
	boots, rest := make([]reservation.Boot, b[1]), b[2:]
	for i := range boots {
		if len(rest) < 1 || len(rest) < 1+int(rest[0])+len(boots[i].Secret) || rest[0] == 0 {
			return nil, errLength
		}
		end := 1 + int(rest[0])
		boots[i].ID = string(rest[1:end])
		end += copy(boots[i].Secret[:], rest[end:])
		rest = rest[end:]
	}
	if len(rest) != 0 {
		return nil, fmt.Errorf("%d bytes too many", len(rest))
	}
	return boots, nil
}

// encodeDynamic writes the dynamic ranges that are set, by protocol number.
func encodeDynamic(dynamic [2]pool.Range) []byte {
	b := []byte{formatVersion}
	for _, protocol := range pool.Protocols() {
		if r := dynamic[slot(protocol)]; r.IsValid() {
			b = append(b, byte(protocol))
			b = binary.BigEndian.AppendUint16(b, r.First())
			b = binary.BigEndian.AppendUint16(b, r.Last())
		}
	}
	return seal(spaceMeta, []byte(keyDynamic), b)
}

func decodeDynamic(value []byte) (dynamic [2]pool.Range, err error) {
	b, err := unseal(spaceMeta, []byte(keyDynamic), value)
	if err != nil {
		return dynamic, err
	}
	var previous pool.Protocol
	for b = b[1:]; len(b) > 0; b = b[5:] {
		if len(b) < 5 {
			return dynamic, errLength
		}
		protocol, first, last := pool.Protocol(b[0]), binary.BigEndian.Uint16(b[1:]), binary.BigEndian.Uint16(b[3:])
		r, err := pool.RangeFrom(first, int(last)-int(first)+1)
		if err != nil || !protocol.IsValid() || protocol <= previous {
			return dynamic, fmt.Errorf("%v %d-%d is no dynamic range", protocol, first, last)
		}
		if err := reservation.ValidateDynamic(r); err != nil {
			return dynamic, err
		}
		dynamic[slot(protocol)], previous = r, protocol
	}
	return dynamic, nil
}
