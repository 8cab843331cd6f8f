package store

import (
	"encoding/binary"
	"math/bits"
)

// A digest is the sum, lane by lane modulo 2^64, of a 128-bit hash of every entry. A sum can be
// kept up to date entry by entry, so a commit updates it without reading the others, and it tells
// a set of entries from the same set with one missing, added, older or newer.
//
// The hash is keyed by the store's lineage. It protects against accidents, not against somebody who
// can write the file: that one could write the digest as well.
type digest struct{ a, b uint64 }

func (d digest) plus(other digest) digest  { return digest{d.a + other.a, d.b + other.b} }
func (d digest) minus(other digest) digest { return digest{d.a - other.a, d.b - other.b} }

// Odd constants with well-mixed bits: the fractions of pi and of the golden ratio.
const (
	mixA = 0x9e3779b97f4a7c15
	mixB = 0x243f6a8885a308d3
)

// digestOf hashes one entry: space, key (at most 8 bytes) and value, checksum included. It takes the
// value in words of 8 bytes, big-endian, the last filled up with zeros, two at a time.
func digestOf(lineage uint64, s space, key, value []byte) digest {
	var name uint64
	for _, c := range key {
		name = name<<8 | uint64(c)
	}
	name ^= uint64(len(value))<<40 ^ uint64(s)<<56
	a := fold(lineage^mixB^name, mixA)
	b := fold(bits.RotateLeft64(lineage, 32)^mixA^name, mixB)
	for ; len(value) >= 16; value = value[16:] {
		x, y := binary.BigEndian.Uint64(value), binary.BigEndian.Uint64(value[8:])
		a, b = fold(x^mixA, y^a), fold(x+mixB, y+b)
	}
	var rest [16]byte
	copy(rest[:], value)
	x, y := binary.BigEndian.Uint64(rest[:]), binary.BigEndian.Uint64(rest[8:])
	return digest{fold(x^mixA, y^a), fold(x+mixB, y+b)}
}

// fold multiplies to 128 bits and folds the halves together.
func fold(x, y uint64) uint64 {
	high, low := bits.Mul64(x, y)
	return high ^ low
}
