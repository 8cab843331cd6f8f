package pool

import (
	"math/bits"
	"slices"
)

// An index finds a block by any of its ports in a few loads, whatever the number of blocks: a bitmap
// has the first ports, and for each of its words there is a list of the blocks that begin there, in
// order. The number of bits below a block's own is its place in the list. The zero index is empty.
//
// Like bitmaps, clones share pages and lists until one of them changes.
type index[V any] struct {
	starts bitmap // the first ports of the blocks
	pages  [pageCount]*indexPage[V]
	owned  uint16 // bit p: nobody else points to pages[p]; only writers look at it
}

type indexPage[V any] struct {
	lists [pageWords][]entry[V]
	owned uint64 // bit w: nobody else points to lists[w]; nothing is said in a page that is not owned
}

// at returns the block that has port. There is one: the last that begins at port or before it.
func (x *index[V]) at(port uint16) *entry[V] {
	w, starts := x.starts.lastWord(port)
	return x.entry(w, bits.OnesCount64(starts)-1)
}

// get returns the block that begins at first. There is one.
func (x *index[V]) get(first uint16) *entry[V] {
	return x.entry(uint(first)/wordBits, x.place(first))
}

// entry returns the block at a place of the list of word w.
func (x *index[V]) entry(w uint, place int) *entry[V] {
	return &x.pages[w/pageWords%pageCount].lists[w%pageWords][place]
}

// place returns how many blocks begin in the word of first, below it.
func (x *index[V]) place(first uint16) int {
	return bits.OnesCount64(x.starts.word(uint(first)/wordBits) & before(uint(first)))
}

// insert adds a block.
func (x *index[V]) insert(e entry[V]) {
	list := x.writable(e.block.first)
	*list = slices.Insert(*list, x.place(e.block.first), e)
	x.starts.fill(RangeOf(e.block.first))
}

// delete removes the block that begins at first. There is one.
func (x *index[V]) delete(first uint16) {
	list := x.writable(first)
	place := x.place(first)
	*list = slices.Delete(*list, place, place+1)
	x.starts.empty(RangeOf(first))
}

// writable returns the list of the word of first, which nobody else points to.
func (x *index[V]) writable(first uint16) *[]entry[V] {
	w := uint(first) / wordBits
	number := w / pageWords
	p := x.pages[number]
	if x.owned&(1<<number) == 0 {
		p = new(indexPage[V])
		if shared := x.pages[number]; shared != nil {
			p.lists = shared.lists
		}
		x.pages[number] = p
		x.owned |= 1 << number
	}
	list := &p.lists[w%pageWords]
	if p.owned&(1<<(w%pageWords)) == 0 {
		*list = append(make([]entry[V], 0, len(*list)+1), *list...)
		p.owned |= 1 << (w % pageWords)
	}
	return list
}

// share gives up all pages, so that a copy of the struct becomes a clone.
func (x *index[V]) share() {
	x.starts.share()
	x.owned = 0
}
