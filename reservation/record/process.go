package record

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"syscall"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/pool/poolbench/trace"
	"github.com/berthkit/berth/reservation"
)

// API returns a process that does what api does and has its calls recorded. No call fails or waits
// for the trace to be written to its end: [Recorder.Close] tells of errors.
func (r *Recorder) API(api reservation.API) reservation.API {
	return &process{API: api, recorder: r, endpoints: map[*endpoint]struct{}{}, held: map[reservation.Token]heldBlock{}}
}

// A process records the calls of another one.
type process struct {
	reservation.API
	recorder *Recorder

	mu        sync.Mutex
	endpoints map[*endpoint]struct{} // open ones
	held      map[reservation.Token]heldBlock
}

// A heldBlock is a runtime reservation.
type heldBlock struct {
	rng reservation.Range
	by  *endpoint
}

func (p *process) CreatePersistent(ctx context.Context, protocol reservation.Protocol, r reservation.Range, label string) (reservation.Token, error) {
	token, err := p.API.CreatePersistent(ctx, protocol, r, label)
	p.recorder.created(protocol, r, err)
	return token, err
}

func (p *process) AddExclusion(ctx context.Context, protocol reservation.Protocol, r reservation.Range, store reservation.ExclusionStore) error {
	err := p.API.AddExclusion(ctx, protocol, r, store)
	p.recorder.created(protocol, r, err)
	return err
}

func (p *process) LookupPersistent(ctx context.Context, protocol reservation.Protocol, r reservation.Range) (reservation.Token, error) {
	token, err := p.API.LookupPersistent(ctx, protocol, r)
	p.recorder.write(trace.Who, protocol, r)
	return token, err
}

func (p *process) DeletePersistent(ctx context.Context, protocol reservation.Protocol, r reservation.Range) error {
	err := p.API.DeletePersistent(ctx, protocol, r)
	p.recorder.deleted(protocol, r, err)
	return err
}

func (p *process) DeleteExclusion(ctx context.Context, protocol reservation.Protocol, r reservation.Range, store reservation.ExclusionStore) error {
	err := p.API.DeleteExclusion(ctx, protocol, r, store)
	p.recorder.deleted(protocol, r, err)
	return err
}

// created writes a call that was to make a block of certain ports.
func (r *Recorder) created(protocol reservation.Protocol, rng reservation.Range, err error) {
	r.write(trace.Overlaps, protocol, rng)
	switch {
	case err == nil:
		r.write(trace.Insert, protocol, rng)
	case isInTheWay(err):
		r.write(trace.Who, protocol, rng)
	}
}

// deleted writes a call that was to end a block. The engine looks for it and finds it, or not.
func (r *Recorder) deleted(protocol reservation.Protocol, rng reservation.Range, err error) {
	switch {
	case err == nil:
		r.write(trace.Delete, protocol, rng)
	case errors.Is(err, reservation.ErrNotFound):
		r.write(trace.Who, protocol, rng)
	}
}

// isInTheWay reports whether a call was refused for a block.
func isInTheWay(err error) bool {
	var refused *reservation.Error
	return errors.As(err, &refused) && refused.Conflict != nil && refused.Conflict.Block != nil
}

func (p *process) Open(ctx context.Context, protocol reservation.Protocol) (reservation.Endpoint, error) {
	inner, err := p.API.Open(ctx, protocol)
	if err != nil {
		return nil, err
	}
	e := &endpoint{Endpoint: inner, process: p, protocol: protocol, held: map[reservation.Token]struct{}{}}
	p.mu.Lock()
	p.endpoints[e] = struct{}{}
	p.mu.Unlock()
	if tagger, tags := inner.(reservation.SocketTagger); tags {
		return &taggingEndpoint{e, tagger}, nil
	}
	return e, nil
}

// Close writes that everything ends which the process has.
func (p *process) Close() error {
	p.mu.Lock()
	endpoints := p.endpoints
	p.endpoints = map[*endpoint]struct{}{}
	p.mu.Unlock()
	for e := range endpoints {
		e.end()
	}
	return p.API.Close()
}

// An endpoint records the calls of another one.
type endpoint struct {
	reservation.Endpoint
	process  *process
	protocol reservation.Protocol

	held map[reservation.Token]struct{} // guarded by the process's mu

	mu         sync.Mutex
	associated bool
	port       uint16 // bound outside of every block; 0 if none
}

var _ reservation.KeptEndpoint = (*endpoint)(nil)

// Kept implements [reservation.KeptEndpoint]: nil where the endpoint underneath keeps nothing.
func (e *endpoint) Kept() reservation.KeptBlock {
	if kept, may := e.Endpoint.(reservation.KeptEndpoint); may {
		return kept.Kept()
	}
	return nil
}

// A taggingEndpoint is an endpoint on a system that must see the sockets.
type taggingEndpoint struct {
	*endpoint
	tagger reservation.SocketTagger
}

func (e *taggingEndpoint) TagSocket(socket syscall.RawConn) error { return e.tagger.TagSocket(socket) }

func (e *endpoint) Acquire(ctx context.Context, request reservation.Request) (reservation.Reservation, error) {
	acquired, err := e.Endpoint.Acquire(ctx, request)
	r := e.process.recorder
	if request.First != 0 {
		rng, _ := pool.RangeFrom(request.First, request.Count) // invalid if the request is
		r.created(e.protocol, rng, err)
	} else if err == nil || errors.Is(err, reservation.ErrExhausted) {
		within := request.Within
		if !within.IsValid() {
			within = reservation.DefaultDynamic
		}
		r.find(e.protocol, request.Count, within, request.Align)
		if err == nil {
			r.write(trace.Insert, e.protocol, acquired.Range)
		}
	}
	if err == nil {
		e.process.hold(acquired, e)
	}
	return acquired, err
}

func (p *process) hold(acquired reservation.Reservation, by *endpoint) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held[acquired.Token] = heldBlock{acquired.Range, by}
	by.held[acquired.Token] = struct{}{}
}

func (e *endpoint) Release(ctx context.Context, token reservation.Token) error {
	err := e.Endpoint.Release(ctx, token)
	if err == nil {
		e.process.letGo(token, e.protocol)
	}
	return err
}

// letGo writes that a runtime reservation ends, if it has not been written yet.
func (p *process) letGo(token reservation.Token, protocol reservation.Protocol) {
	p.mu.Lock()
	block, held := p.held[token]
	if held {
		delete(p.held, token)
		delete(block.by.held, token)
	}
	p.mu.Unlock()
	if held {
		p.recorder.write(trace.Delete, protocol, block.rng)
	}
}

func (e *endpoint) Associate(ctx context.Context, token reservation.Token) error {
	err := e.Endpoint.Associate(ctx, token)
	if err == nil {
		e.mu.Lock()
		e.associated = true
		e.mu.Unlock()
	}
	return err
}

func (e *endpoint) Bind(ctx context.Context, port uint16, try reservation.TryBind) (uint16, error) {
	bound, err := e.Endpoint.Bind(ctx, port, try)
	e.mu.Lock()
	defer e.mu.Unlock()
	r := e.process.recorder
	switch {
	case e.associated && port != 0:
		r.write(trace.Who, e.protocol, pool.RangeOf(port))
	case e.associated:
	case port != 0:
		r.write(trace.Overlaps, e.protocol, pool.RangeOf(port))
		if isInTheWay(err) {
			r.write(trace.Who, e.protocol, pool.RangeOf(port))
		}
	case err == nil || errors.Is(err, reservation.ErrExhausted):
		r.find(e.protocol, 1, reservation.DefaultDynamic, 1)
	}
	if err == nil && !e.associated && e.port == 0 {
		e.port = bound
		r.bind(e.protocol, bound)
	}
	return bound, err
}

// Close writes that everything ends which the endpoint has, then ends it: so nobody who gets its
// ports next is written before.
func (e *endpoint) Close() error {
	e.process.mu.Lock()
	delete(e.process.endpoints, e)
	e.process.mu.Unlock()
	e.end()
	return e.Endpoint.Close()
}

// end writes the end of what the endpoint has, once.
func (e *endpoint) end() {
	e.mu.Lock()
	port := e.port
	e.port = 0
	e.mu.Unlock()
	if port != 0 {
		e.process.recorder.unbind(e.protocol, port)
	}
	for _, token := range e.process.heldBy(e) {
		e.process.letGo(token, e.protocol)
	}
}

func (p *process) heldBy(e *endpoint) []reservation.Token {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Collect(maps.Keys(e.held))
}
