package reservation

import "fmt"

// Policy is the one table of what Microsoft's documents leave open and nobody has been seen to rely
// on. Each field is one question of docs/semantics.md, by its ID; DefaultPolicy has our answers. A
// finding on a real Windows changes data here, not code.
//
// Fields of type error say which sentinel a refusal wraps; they must not be nil.
type Policy struct {
	// ArgumentsFirst (A26): a bad argument is reported before a missing privilege.
	ArgumentsFirst bool
	// BindOutsideForeign (A2): an associated endpoint binds a port of somebody else's block.
	BindOutsideForeign error
	// BindOutside (A2): an associated endpoint binds any other port outside its block.
	BindOutside error
	// BindExhausted (A3): an associated endpoint binds port 0 and its block is full.
	BindExhausted error
	// AcquireExhausted (A4): no contiguous free block is left for a wildcard acquire.
	AcquireExhausted error
	// ForeignToken (A6): a process associates or releases another process's runtime token.
	ForeignToken error
	// AssociateAgain (A7): a second associate of an unbound endpoint replaces the first; else ErrState.
	AssociateAgain bool
	// ReleaseBound (A9): a block may be released while endpoints are bound from it; else ErrInUse.
	ReleaseBound bool
	// ReleaseElsewhere (A32): any endpoint of the acquiring process may release; else ErrInvalid.
	ReleaseElsewhere bool
	// ReleasePersistent (A10): release of a persistent token.
	ReleasePersistent error
	// DeleteBound (A11): a persistent block may be deleted while endpoints are bound from it; else ErrInUse.
	DeleteBound bool
	// DeleteReservationAsExclusion (A16): deletion of a persistent reservation as if it were an exclusion.
	DeleteReservationAsExclusion error
	// AcquireBound (A17): an endpoint may acquire after it has been bound; else ErrState.
	AcquireBound bool
	// AcquireAcrossProtocols (A20): a specific acquire also conflicts with blocks of the other protocol.
	AcquireAcrossProtocols bool
	// OtherProtocolToken (A21): a token of the other protocol is associated or released.
	OtherProtocolToken error
}

// DefaultPolicy returns the best readings of the evidence there is.
func DefaultPolicy() Policy {
	return Policy{
		ArgumentsFirst:               true,
		BindOutsideForeign:           ErrDenied,
		BindOutside:                  ErrInvalid,
		BindExhausted:                ErrExhausted,
		AcquireExhausted:             ErrExhausted,
		ForeignToken:                 ErrDenied,
		AssociateAgain:               true,
		ReleaseBound:                 true,
		ReleaseElsewhere:             true,
		ReleasePersistent:            ErrInvalid,
		DeleteBound:                  true,
		DeleteReservationAsExclusion: ErrNotFound,
		AcquireBound:                 true,
		AcquireAcrossProtocols:       false,
		OtherProtocolToken:           ErrInvalid,
	}
}

func (p *Policy) validate() error {
	for _, refusal := range []error{
		p.BindOutsideForeign, p.BindOutside, p.BindExhausted, p.AcquireExhausted, p.ForeignToken,
		p.ReleasePersistent, p.DeleteReservationAsExclusion, p.OtherProtocolToken,
	} {
		if refusal == nil {
			return fmt.Errorf("%w: a field of Policy is nil; start from DefaultPolicy", ErrInvalid)
		}
	}
	return nil
}
