package command

import (
	"time"

	"github.com/berthkit/berth/reservation"
)

// The JSON that berth prints with --json. docs/commands.md documents it. Fields may be added; those
// that are here stay as they are.

// portsJSON is a range.
type portsJSON struct {
	First uint16 `json:"first"`
	Last  uint16 `json:"last"`
	Count int    `json:"count"`
}

func encodePorts(r reservation.Range) portsJSON {
	return portsJSON{First: r.First(), Last: r.Last(), Count: r.Count()}
}

// encodeOptionalPorts returns nil, JSON's null, for the zero range.
func encodeOptionalPorts(r reservation.Range) *portsJSON {
	if !r.IsValid() {
		return nil
	}
	ports := encodePorts(r)
	return &ports
}

// blockJSON is a block.
type blockJSON struct {
	Protocol reservation.Protocol `json:"protocol"`
	portsJSON
	Kind    string     `json:"kind"`            // "persistent", "runtime" or "exclusion"
	Store   string     `json:"store,omitempty"` // of an exclusion: "persistent" or "active"
	Label   string     `json:"label"`
	Created *time.Time `json:"created,omitempty"`
	PID     uint32     `json:"pid,omitempty"`
	Program string     `json:"program,omitempty"`
	Token   string     `json:"token,omitempty"` // 0x and 16 digits: as a number it would not fit JavaScript's
}

func encodeBlock(b reservation.Block) blockJSON {
	block := blockJSON{
		Protocol:  b.Protocol,
		portsJSON: encodePorts(b.Range),
		Kind:      b.Kind.String(),
		Label:     b.Label,
		PID:       b.PID,
		Program:   b.Program,
	}
	if b.Kind == reservation.Exclusion {
		block.Store = b.Store.String()
	}
	if !b.Created.IsZero() {
		created := b.Created.UTC()
		block.Created = &created
	}
	return block
}

func encodeBlocks(blocks []reservation.Block) []blockJSON {
	encoded := make([]blockJSON, 0, len(blocks))
	for _, b := range blocks {
		encoded = append(encoded, encodeBlock(b))
	}
	return encoded
}

// tokenJSON is a persistent reservation with its token.
type tokenJSON struct {
	Protocol reservation.Protocol `json:"protocol"`
	portsJSON
	Token string `json:"token"`
}

// foundJSON is a range of a protocol.
type foundJSON struct {
	Protocol reservation.Protocol `json:"protocol"`
	portsJSON
}

// socketJSON is a socket that listen has bound.
type socketJSON struct {
	Protocol reservation.Protocol `json:"protocol"`
	Address  string               `json:"address"`
	Port     uint16               `json:"port"`
}

// holderJSON is a bound port and who has it, as far as the system tells.
type holderJSON struct {
	Port    uint16 `json:"port"`
	PID     uint32 `json:"pid,omitempty"`
	Program string `json:"program,omitempty"`
}

// explanationJSON is the answer of why.
type explanationJSON struct {
	Protocol reservation.Protocol `json:"protocol"`
	portsJSON
	State    string       `json:"state"` // "free", "reserved", "excluded" or "in use"
	Sentence string       `json:"sentence"`
	Blocks   []blockJSON  `json:"blocks"`
	InUse    []holderJSON `json:"in_use"`
	Nearest  *portsJSON   `json:"nearest"` // null if there is none
}
