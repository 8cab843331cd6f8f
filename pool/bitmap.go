package pool

import "math/bits"

// The 65,536 bits lie in 16 pages of 64 words of 64 bits, so a port's highest 4 bits name its page,
// the next 6 its word and the lowest 6 its bit.
const (
	wordBits  = 64
	pageWords = 64
	pageBits  = pageWords * wordBits
	pageCount = 16
	wordCount = pageCount * pageWords
)

// A page holds 4,096 bits. A page that more than one bitmap points to never changes.
type page [pageWords]uint64

// emptyPage stands in a bitmap that is not empty where no bit was ever set, so that readers need not
// guess whether there is a page. Nobody owns it, so nobody writes to it.
var emptyPage page

// A bitmap is a set of ports with a summary in two steps: which words have a bit, which pages have
// one. The zero bitmap is empty. Bit 0 is never set, since port 0 is no port.
//
// Clones share pages. A bitmap changes only pages that it owns and copies the others first, so a
// clone costs the size of this struct, whatever is in it.
type bitmap struct {
	pages    [pageCount]*page  // all nil until the first bit is set, none nil from then on
	summary  [pageCount]uint64 // bit w of summary[p]: word w of page p is not zero
	nonEmpty uint64            // bit p: summary[p] is not zero
	length   int               // number of bits set
	owned    uint16            // bit p: nobody else points to pages[p]; only writers look at it
}

// word returns word number w of the whole, 0 to 1023.
func (b *bitmap) word(w uint) uint64 {
	p := b.pages[w/pageWords%pageCount]
	if p == nil {
		return 0
	}
	return p[w%pageWords]
}

// taken returns word number w of the whole with port 0 taken, which is never free.
func (b *bitmap) taken(w uint) uint64 {
	if w == 0 {
		return b.word(0) | 1
	}
	return b.word(w)
}

// Masks of the bits on one side of a bit, with it and without it. They serve words of ports and words
// of the summary alike, since a page has as many words as a word has bits.
func from(bit uint) uint64   { return ^uint64(0) << (bit % wordBits) }
func after(bit uint) uint64  { return ^uint64(1) << (bit % wordBits) }
func upTo(bit uint) uint64   { return ^after(bit) }
func before(bit uint) uint64 { return ^from(bit) }

// overlaps reports whether a bit from first to last is set. It looks at two words, two words of the
// summary and the word above it, so the width does not matter. It gathers before it decides: which
// way a branch goes is hard to guess here, and a wrong guess costs more than a few words.
func (b *bitmap) overlaps(first, last uint16) bool {
	firstWord, lastWord := uint(first)/wordBits, uint(last)/wordBits
	if firstWord == lastWord {
		return b.word(firstWord)&from(uint(first))&upTo(uint(last)) != 0
	}
	firstPage, lastPage := firstWord/pageWords%pageCount, lastWord/pageWords%pageCount
	if b.nonEmpty&after(firstPage)&before(lastPage) != 0 {
		return true
	}
	found := b.word(firstWord)&from(uint(first)) | b.word(lastWord)&upTo(uint(last))
	if firstPage == lastPage {
		return found|b.summary[firstPage]&after(firstWord)&before(lastWord) != 0
	}
	return found|b.summary[firstPage]&after(firstWord)|b.summary[lastPage]&before(lastWord) != 0
}

// firstSet returns the lowest bit from first to last that is set.
func (b *bitmap) firstSet(first, last uint16) (uint16, bool) {
	w := uint(first) / wordBits
	if x := b.word(w) & from(uint(first)); x != 0 {
		return lowest(w, x, last)
	}
	p := w / pageWords
	words := b.summary[p%pageCount] & after(w)
	if words == 0 {
		later := b.nonEmpty & after(p)
		if later == 0 {
			return 0, false
		}
		p = uint(bits.TrailingZeros64(later))
		words = b.summary[p%pageCount]
	}
	w = p*pageWords + uint(bits.TrailingZeros64(words))
	return lowest(w, b.word(w), last)
}

// lastWord returns the highest word up to bit last that has a bit set up to there, and those bits of
// it; no bits if there is none.
func (b *bitmap) lastWord(last uint16) (uint, uint64) {
	w := uint(last) / wordBits
	if x := b.word(w) & upTo(uint(last)); x != 0 {
		return w, x
	}
	p := w / pageWords
	words := b.summary[p%pageCount] & before(w)
	if words == 0 {
		earlier := b.nonEmpty & before(p)
		if earlier == 0 {
			return 0, 0
		}
		p = uint(bits.Len64(earlier)) - 1
		words = b.summary[p%pageCount]
	}
	w = p*pageWords + uint(bits.Len64(words)) - 1
	return w, b.word(w)
}

// lowest returns the lowest bit of x, which is word w or a part of it, unless it lies above last.
func lowest(w uint, x uint64, last uint16) (uint16, bool) {
	bit := w*wordBits + uint(bits.TrailingZeros64(x))
	return uint16(bit), bit <= uint(last)
}

// firstClear returns the lowest bit from first to last that is not set.
func (b *bitmap) firstClear(first, last uint16) (uint16, bool) {
	mask := from(uint(first))
	for w := uint(first) / wordBits; w <= uint(last)/wordBits; w++ {
		if x := ^b.word(w) & mask; x != 0 {
			return lowest(w, x, last)
		}
		mask = ^uint64(0)
	}
	return 0, false
}

// fill sets the bits of r, which is valid.
func (b *bitmap) fill(r Range) {
	if b.pages[0] == nil {
		for number := range b.pages {
			b.pages[number] = &emptyPage
		}
	}
	for number, last := pagesOf(r); number <= last; number++ {
		span := spanOf(r, number)
		p := b.writable(number)
		for w := span.first; w <= span.last; w++ {
			b.put(p, number, w, p[w]|span.mask(w))
		}
	}
}

// empty clears the bits of r, which is valid.
func (b *bitmap) empty(r Range) {
	for number, last := pagesOf(r); number <= last; number++ {
		span := spanOf(r, number)
		if b.summary[number]&from(span.first)&upTo(span.last) == 0 {
			continue
		}
		p := b.writable(number)
		for w := span.first; w <= span.last; w++ {
			b.put(p, number, w, p[w]&^span.mask(w))
		}
	}
}

// put stores a word and keeps the summaries and the length.
func (b *bitmap) put(p *page, number, w uint, x uint64) {
	b.length += bits.OnesCount64(x) - bits.OnesCount64(p[w])
	p[w] = x
	if x != 0 {
		b.summary[number] |= 1 << w
	} else {
		b.summary[number] &^= 1 << w
	}
	if b.summary[number] != 0 {
		b.nonEmpty |= 1 << number
	} else {
		b.nonEmpty &^= 1 << number
	}
}

// writable returns a page that nobody else points to.
func (b *bitmap) writable(number uint) *page {
	if b.owned&(1<<number) == 0 {
		p := new(page)
		*p = *b.pages[number]
		b.pages[number] = p
		b.owned |= 1 << number
	}
	return b.pages[number]
}

// share gives up all pages, so that a copy of the struct becomes a clone.
func (b *bitmap) share() { b.owned = 0 }

// rangesSet calls yield with the maximal runs of set bits within r, in order.
func (b *bitmap) rangesSet(r Range, yield func(Range) bool) {
	if !r.IsValid() {
		return
	}
	for first, ok := b.firstSet(r.first, r.last); ok; {
		end, found := b.firstClear(first, r.last)
		if !found {
			yield(Range{first, r.last})
			return
		}
		if !yield(Range{first, end - 1}) {
			return
		}
		first, ok = b.firstSet(end, r.last)
	}
}

// rangesClear calls yield with the maximal runs of clear bits within r, in order.
func (b *bitmap) rangesClear(r Range, yield func(Range) bool) {
	if !r.IsValid() {
		return
	}
	for first, ok := b.firstClear(r.first, r.last); ok; {
		end, found := b.firstSet(first, r.last)
		if !found {
			yield(Range{first, r.last})
			return
		}
		if !yield(Range{first, end - 1}) {
			return
		}
		first, ok = b.firstClear(end, r.last)
	}
}

// A span is the part of a range that lies in one page: its words from first to last.
type span struct {
	first, last uint
	head, tail  uint64 // the bits of the range in the first word, and in the last
}

// mask returns the bits of word w that belong to the range.
func (s *span) mask(w uint) uint64 {
	mask := ^uint64(0)
	if w == s.first {
		mask &= s.head
	}
	if w == s.last {
		mask &= s.tail
	}
	return mask
}

// spanOf returns the part of r, which is valid, in a page that it touches.
func spanOf(r Range, page uint) span {
	start := max(uint(r.first), page*pageBits)
	end := min(uint(r.last), page*pageBits+pageBits-1)
	return span{
		first: start / wordBits % pageWords,
		last:  end / wordBits % pageWords,
		head:  from(start),
		tail:  upTo(end),
	}
}

// pagesOf returns the first and the last page that r touches.
func pagesOf(r Range) (first, last uint) { return uint(r.first) / pageBits, uint(r.last) / pageBits }
