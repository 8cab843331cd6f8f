package reservation_test

import "github.com/berthkit/berth/reservation"

// questions has the rows of docs/semantics.md whose answer a policy gives, by their IDs.
var questions = map[string]rule{
	"A2": {script: `
		create udp 50000-50009 as t
		create udp 50010-50019
		open a udp
		associate a t
		bind a 50010                   -> denied
		bind a 50020                   -> invalid`,
		other: func(p *reservation.Policy) {
			p.BindOutsideForeign, p.BindOutside = reservation.ErrInvalid, reservation.ErrDenied
		}, then: `
		create udp 50000-50009 as t
		create udp 50010-50019
		open a udp
		associate a t
		bind a 50010                   -> invalid
		bind a 50020                   -> denied`},
	"A3": {script: `
		create udp 50000 as t
		open a udp
		associate a t
		bind a 0                       -> 50000
		open b udp
		associate b t
		bind b 0                       -> exhausted`,
		other: func(p *reservation.Policy) { p.BindExhausted = reservation.ErrInUse }, then: `
		create udp 50000 as t
		open a udp
		associate a t
		bind a 0                       -> 50000
		open b udp
		associate b t
		bind b 0                       -> in use`},
	"A4": {script: `
		open a udp
		acquire a 0+16385              -> exhausted`,
		other: func(p *reservation.Policy) { p.AcquireExhausted = reservation.ErrInUse }, then: `
		open a udp
		acquire a 0+16385              -> in use`},
	"A6": {script: `
		open a udp by user
		acquire a 50000+1 as t
		open b udp by other
		associate b t                  -> denied
		release b t                    -> denied`,
		other: func(p *reservation.Policy) { p.ForeignToken = reservation.ErrInvalid }, then: `
		open a udp by user
		acquire a 50000+1 as t
		open b udp by other
		associate b t                  -> invalid
		release b t                    -> invalid`},
	"A7": {script: `
		create udp 50000 as t
		create udp 50001 as u
		open a udp
		associate a t
		associate a u                  -> ok
		bind a 0                       -> 50001`,
		other: func(p *reservation.Policy) { p.AssociateAgain = false }, then: `
		create udp 50000 as t
		create udp 50001 as u
		open a udp
		associate a t
		associate a u                  -> out of order
		bind a 0                       -> 50000`},
	"A9": {script: `
		open a udp
		acquire a 50000+10 as t
		associate a t
		bind a 0                       -> 50000
		release a t                    -> ok
		create udp 50001-50009         -> ok
		create udp 50000               -> in use
		close a
		create udp 50000               -> ok`,
		other: func(p *reservation.Policy) { p.ReleaseBound = false }, then: `
		open a udp
		acquire a 50000+10 as t
		associate a t
		bind a 0                       -> 50000
		release a t                    -> in use`},
	"A10": {script: `
		create udp 50000 as t
		open a udp
		release a t                    -> invalid
		list udp                       -> persistent 50000`,
		other: func(p *reservation.Policy) { p.ReleasePersistent = reservation.ErrDenied }, then: `
		create udp 50000 as t
		open a udp
		release a t                    -> denied
		list udp                       -> persistent 50000`},
	"A11": {script: `
		create udp 50000-50001 as t
		open a udp
		associate a t
		bind a 0                       -> 50000
		open b udp
		associate b t
		delete udp 50000-50001         -> ok
		bind b 0                       -> not found
		create udp 50001               -> ok
		create udp 50000               -> in use`,
		other: func(p *reservation.Policy) { p.DeleteBound = false }, then: `
		create udp 50000-50001 as t
		open a udp
		associate a t
		bind a 0                       -> 50000
		delete udp 50000-50001         -> in use
		close a
		delete udp 50000-50001         -> ok`},
	"A16": {script: `
		create udp 50000-50009
		include udp 50000-50009        -> not found
		list udp                       -> persistent 50000-50009`,
		other: func(p *reservation.Policy) { p.DeleteReservationAsExclusion = reservation.ErrDenied }, then: `
		create udp 50000-50009
		include udp 50000-50009        -> denied
		list udp                       -> persistent 50000-50009`},
	"A17": {script: `
		open a udp
		bind a 50100                   -> 50100
		acquire a 50000+10             -> ok`,
		other: func(p *reservation.Policy) { p.AcquireBound = false }, then: `
		open a udp
		bind a 50100                   -> 50100
		acquire a 50000+10             -> out of order`},
	"A20": {script: `
		create tcp 50000-50009
		open a udp
		acquire a 50000+10             -> ok`,
		other: func(p *reservation.Policy) { p.AcquireAcrossProtocols = true }, then: `
		create tcp 50000-50009
		open a udp
		acquire a 50000+10             -> in use
		acquire a 50010+10             -> ok`},
	"A21": {script: `
		create tcp 50000-50009 as t
		open a udp
		associate a t                  -> invalid
		release a t                    -> invalid`,
		other: func(p *reservation.Policy) { p.OtherProtocolToken = reservation.ErrNotFound }, then: `
		create tcp 50000-50009 as t
		open a udp
		associate a t                  -> not found`},
	"A26": {script: `
		create udp 0 by user           -> invalid`,
		other: func(p *reservation.Policy) { p.ArgumentsFirst = false }, then: `
		create udp 0 by user           -> denied`},
	"A32": {script: `
		open a udp by user
		acquire a 50000+1 as t
		open b udp by user
		release b t                    -> ok`,
		other: func(p *reservation.Policy) { p.ReleaseElsewhere = false }, then: `
		open a udp by user
		acquire a 50000+1 as t
		open b udp by user
		release b t                    -> invalid
		release a t                    -> ok`},
}
