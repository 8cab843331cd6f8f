//go:build heavy

package main

import (
	"github.com/hashicorp/nomad/nomad/structs"
	mobybitmap "github.com/moby/moby/v2/daemon/libnetwork/bitmap"
	"k8s.io/kubernetes/pkg/registry/core/service/allocator"

	"github.com/berthkit/berth/cmd/berthbench/internal/cores"
	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/pool/poolbench"
)

const (
	ports      = pool.MaxPort + 1
	portByPort = "asks port by port: it has no call for a range"
)

// heavyCores returns the cores that build everywhere.
func heavyCores() []cores.Entry {
	return []cores.Entry{
		{
			Name: "kubernetes", Module: "k8s.io/kubernetes", New: newKubernetes,
			Description: "the bitmap of the NodePort allocator, a big.Int",
			Properties:  []string{portByPort, "locks itself on every call"},
		},
		{
			Name: "nomad bitmap", Module: "github.com/hashicorp/nomad", New: newNomadBitmap,
			Description: "the bitmap of Nomad's scheduler",
			Properties:  []string{portByPort, "BUSL-1.1"},
		},
		{
			Name: "nomad index", Module: "github.com/hashicorp/nomad", New: newNomadIndex,
			Description: "Nomad's network index: a bitmap for each address",
			Properties:  []string{portByPort, "takes ports as lists", "has no call to give one back: its bitmap is cleared", "BUSL-1.1"},
		},
		{
			Name: "moby bitmap", Module: "github.com/moby/moby/v2", New: newMobyBitmap,
			Description: "the run-length bitmap of Docker's networks",
			Properties:  []string{portByPort},
		},
	}
}

// each calls do with every port of r until it returns false, and reports whether it never did.
func each(r pool.Range, do func(port int) bool) bool {
	for port := int(r.First()); port <= int(r.Last()); port++ {
		if !do(port) {
			return false
		}
	}
	return true
}

type kubernetes struct {
	ports *allocator.AllocationBitmap
}

func newKubernetes() poolbench.Core {
	// The offset is the size of the band that Kubernetes keeps for explicit requests.
	return kubernetes{allocator.NewAllocationMapWithOffset(ports, "0-65535", 128)}
}

func (c kubernetes) Insert(r pool.Range) {
	each(r, func(port int) bool { return must(c.ports.Allocate(port)) })
}

func (c kubernetes) Delete(r pool.Range) {
	each(r, func(port int) bool { return must(true, c.ports.Release(port)) })
}

func (c kubernetes) Overlaps(r pool.Range) bool {
	return !each(r, func(port int) bool { return !c.ports.Has(port) })
}

type nomadBitmap struct {
	bits structs.Bitmap
}

func newNomadBitmap() poolbench.Core { return nomadBitmap{must(structs.NewBitmap(ports))} }

func (c nomadBitmap) Insert(r pool.Range) {
	for port := uint(r.First()); port <= uint(r.Last()); port++ {
		c.bits.Set(port)
	}
}

func (c nomadBitmap) Delete(r pool.Range) {
	for port := uint(r.First()); port <= uint(r.Last()); port++ {
		c.bits.Unset(port)
	}
}

// Overlaps checks each port: IndexesInRange would do the same and make a list of all.
func (c nomadBitmap) Overlaps(r pool.Range) bool {
	for port := uint(r.First()); port <= uint(r.Last()); port++ {
		if c.bits.Check(port) {
			return true
		}
	}
	return false
}

func (c nomadBitmap) Clone() poolbench.Core { return nomadBitmap{must(c.bits.Copy())} }

// nomadAddress is the address whose ports the index keeps.
const nomadAddress = "127.0.0.1"

type nomadIndex struct {
	index *structs.NetworkIndex
}

func newNomadIndex() poolbench.Core {
	c := nomadIndex{structs.NewNetworkIndex()}
	c.index.AddReservedPortsForIP(nil, nomadAddress) // makes the bitmap
	return c
}

func (c nomadIndex) used() nomadBitmap { return nomadBitmap{c.index.UsedPorts[nomadAddress]} }

func (c nomadIndex) Insert(r pool.Range) {
	list := make([]uint64, 0, r.Count())
	for port := range r.Ports() {
		list = append(list, uint64(port))
	}
	if collide, reasons := c.index.AddReservedPortsForIP(list, nomadAddress); collide {
		panic(reasons)
	}
}

func (c nomadIndex) Delete(r pool.Range)        { c.used().Delete(r) }
func (c nomadIndex) Overlaps(r pool.Range) bool { return c.used().Overlaps(r) }
func (c nomadIndex) Clone() poolbench.Core      { return nomadIndex{c.index.Copy()} }

type mobyBitmap struct {
	bits *mobybitmap.Bitmap
}

func newMobyBitmap() poolbench.Core { return mobyBitmap{mobybitmap.New(ports)} }

func (c mobyBitmap) Insert(r pool.Range) {
	each(r, func(port int) bool { return must(true, c.bits.Set(uint64(port))) })
}

func (c mobyBitmap) Delete(r pool.Range) {
	each(r, func(port int) bool { return must(true, c.bits.Unset(uint64(port))) })
}

func (c mobyBitmap) Overlaps(r pool.Range) bool {
	return !each(r, func(port int) bool { return !c.bits.IsSet(uint64(port)) })
}

func (c mobyBitmap) Clone() poolbench.Core { return mobyBitmap{mobybitmap.Copy(c.bits)} }

// must turns a refusal into a panic, which the harness reports as the fault of the core: it asks for
// nothing that may be refused.
func must[V any](value V, err error) V {
	if err != nil {
		panic(err)
	}
	return value
}
