// Package record writes down what a program asks of its reservation engine, as a trace that cores can be
// compared on: see package [trace]. A program that wants to know which core suits its load wraps its
// process once and goes on as before:
//
//	recorder := record.NewRecorder(file)
//	computer := recorder.API(computer)
//	// …
//	err := recorder.Close()
//
// Each call is written as the questions and changes that it means for the blocks of ports:
//
//	CreatePersistent, AddExclusion     overlaps, then insert; or who, if a block is in the way
//	LookupPersistent                   who
//	DeletePersistent, DeleteExclusion  delete; or who, if there is no such block
//	Acquire                            as for CreatePersistent; find, then insert, if the engine chooses
//	Release, Close                     delete
//	Bind, not associated               overlaps, then insert of a block of one port until Close; find
//	                                   in the default dynamic range before, if the engine chooses
//	Bind, associated                   who, of a port that is named; nothing otherwise
//
// What others do at the same time is not in the trace, and calls that overlap in time may be written
// in another order than they happened. What does not fit then is left out, and counted.
package record

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/pool/poolbench/trace"
	"github.com/berthkit/berth/reservation"
)

// A Recorder writes the trace of one program. It is safe for concurrent use.
type Recorder struct {
	mu      sync.Mutex
	out     *trace.Writer
	written int // operations
	leftOut int // operations that did not fit
	bound   map[boundPort]*binding
	err     error // of the writer; nothing is written from then on
}

// NewRecorder returns a recorder that writes to w. Close it at the end.
func NewRecorder(w io.Writer) *Recorder {
	return &Recorder{out: trace.NewWriter(w), bound: map[boundPort]*binding{}}
}

// Blocks writes the blocks that are there already, as insertions. Call it first, with what List of
// the engine returns.
func (r *Recorder) Blocks(blocks []reservation.Block) {
	for _, b := range blocks {
		r.write(trace.Insert, b.Protocol, b.Range)
	}
}

// Comment writes a comment into the trace.
func (r *Recorder) Comment(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = r.out.Comment(text)
	}
}

// Close writes out what is buffered, and returns the first error of the writer underneath. It does
// not close that one. The recorder may go on.
func (r *Recorder) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil && r.leftOut > 0 {
		r.err = r.out.Comment(fmt.Sprintf("left out, since calls overlapped in time: %d", r.leftOut))
		r.leftOut = 0
	}
	if r.err == nil {
		r.err = r.out.Flush()
	}
	return r.err
}

// Written returns how many operations are in the trace.
func (r *Recorder) Written() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.written
}

// write writes an operation on a range. Malformed ones are questions that no core is ever asked.
func (r *Recorder) write(verb trace.Verb, protocol reservation.Protocol, rng reservation.Range) {
	if protocol.IsValid() && rng.IsValid() {
		r.put(trace.Operation{Verb: verb, Protocol: protocol, Range: rng})
	}
}

func (r *Recorder) find(protocol reservation.Protocol, count int, within reservation.Range, align int) {
	if protocol.IsValid() && count >= 1 && count <= pool.MaxPort && align <= pool.MaxPort {
		r.put(trace.Operation{Verb: trace.Find, Protocol: protocol, Range: within, Count: count, Align: max(1, align)})
	}
}

func (r *Recorder) put(op trace.Operation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.putLocked(op)
}

// putLocked reports whether the operation is in the trace.
func (r *Recorder) putLocked(op trace.Operation) bool {
	if r.err != nil {
		return false
	}
	switch err := r.out.Write(op); {
	case err == nil:
		r.written++
		return true
	case errors.Is(err, pool.ErrInvalid):
		r.leftOut++
	default:
		r.err = err
	}
	return false
}

// A boundPort is a port that sockets are bound to outside of every block.
type boundPort struct {
	protocol reservation.Protocol
	port     uint16
}

// A binding is a block of one port in the trace.
type binding struct {
	sockets int
	written bool
}

// bind notes that a socket has a port.
func (r *Recorder) bind(protocol reservation.Protocol, port uint16) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := boundPort{protocol, port}
	b := r.bound[key]
	if b == nil {
		leftOut := r.leftOut
		b = &binding{written: r.putLocked(trace.Operation{Verb: trace.Insert, Protocol: protocol, Range: pool.RangeOf(port)})}
		r.leftOut = leftOut // a port of an exclusion may be bound: it is in a block already
		r.bound[key] = b
	}
	b.sockets++
}

// unbind notes that a socket has given its port back.
func (r *Recorder) unbind(protocol reservation.Protocol, port uint16) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := boundPort{protocol, port}
	b := r.bound[key]
	if b.sockets--; b.sockets > 0 {
		return
	}
	delete(r.bound, key)
	if b.written {
		r.putLocked(trace.Operation{Verb: trace.Delete, Protocol: protocol, Range: pool.RangeOf(port)})
	}
}
