package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
)

// bbolt maps its file and trusts what it sees: a damaged page can make it panic, fault, answer
// wrongly or never return. So every byte that bbolt would follow is verified here first, on a plain
// copy of the file in memory. What is checked, page by page, is listed in docs/file-format.md.

// The layout of a bbolt file. Numbers have the byte order of the computer that wrote them.
const (
	pageSize       = 4096
	pageHeaderSize = 16

	flagBranch   = 0x01
	flagLeaf     = 0x02
	flagMeta     = 0x04
	flagFreelist = 0x10

	branchElementSize = 16
	leafElementSize   = 16
	elementIsBucket   = 0x01
	bucketHeaderSize  = 16

	metaMagic    = 0xED0CDAED
	metaVersion  = 2
	metaSize     = 64
	metaChecksum = 56 // offset of the checksum, which covers what is before it
	noFreelist   = ^uint64(0)

	firstDataPage = 2
	maxDepth      = 16 // 2 keys a page at least: 65,535 entries fit many times over
	maxTxid       = 1 << 62
)

var order = binary.NativeEndian

// A metaPage is what one of the two meta pages says. The one with the higher transaction number counts.
type metaPage struct {
	root      uint64 // page of the root bucket
	freelist  uint64 // page of the free list; noFreelist if it is not kept in the file
	highWater uint64 // pages in use are below it
	txid      uint64
}

// parseMeta verifies meta page number id, 0 or 1.
func parseMeta(page []byte, id uint64) (metaPage, *Damage) {
	where := fmt.Sprintf("meta page %d", id)
	if len(page) < pageHeaderSize+metaSize {
		return metaPage{}, damagef(where, "the file ends before it")
	}
	meta := page[pageHeaderSize : pageHeaderSize+metaSize]
	hash := fnv.New64a()
	hash.Write(meta[:metaChecksum])
	m := metaPage{order.Uint64(meta[16:]), order.Uint64(meta[32:]), order.Uint64(meta[40:]), order.Uint64(meta[48:])}
	switch {
	case order.Uint64(page) != id || order.Uint16(page[8:]) != flagMeta:
		return m, damagef(where, "wrong page header")
	case order.Uint32(meta) != metaMagic:
		return m, damagef(where, "wrong magic number")
	case hash.Sum64() != order.Uint64(meta[metaChecksum:]):
		return m, damagef(where, "wrong checksum")
	case order.Uint32(meta[4:]) != metaVersion:
		return m, damagef(where, "bbolt format %d, want %d", order.Uint32(meta[4:]), metaVersion)
	case order.Uint32(meta[8:]) != pageSize:
		return m, damagef(where, "page size %d, want %d", order.Uint32(meta[8:]), pageSize)
	case m.txid > maxTxid || m.txid%2 != id:
		return m, damagef(where, "transaction %d does not belong there", m.txid)
	case m.highWater <= firstDataPage || m.highWater > MaxSize/pageSize:
		return m, damagef(where, "%d pages in use", m.highWater)
	}
	return m, nil
}

// looksTorn reports whether a damaged meta page is what a power cut leaves of one that was being
// written: its fixed part is right, and it is of the transaction before or after that of the other
// page. A disk writes a sector whole or not at all, so this is rare.
func looksTorn(page []byte, id uint64, other metaPage) bool {
	meta := page[pageHeaderSize : pageHeaderSize+metaSize]
	root, high, txid := order.Uint64(meta[16:]), order.Uint64(meta[40:]), order.Uint64(meta[48:])
	return order.Uint64(page) == id && order.Uint16(page[8:]) == flagMeta &&
		order.Uint32(meta) == metaMagic && order.Uint32(meta[4:]) == metaVersion && order.Uint32(meta[8:]) == pageSize &&
		root >= firstDataPage && root < high && high <= MaxSize/pageSize && (txid+1 == other.txid || txid == other.txid+1)
}

// foreignOrder reports whether a page is the meta page of a computer of the other byte order.
func foreignOrder(page []byte) bool {
	magic := make([]byte, 4)
	order.PutUint32(magic, metaMagic)
	return len(page) >= pageHeaderSize+4 &&
		page[16] == magic[3] && page[17] == magic[2] && page[18] == magic[1] && page[19] == magic[0]
}

// An element is one key and value of a leaf page.
type element struct {
	bucket     bool
	key, value []byte
}

// A verifier walks the pages of one file in memory. It visits every page at most once, so it ends
// whatever the bytes are.
type verifier struct {
	data []byte // the pages below the high-water mark
	used []bool // pages visited so far
}

func newVerifier(data []byte) *verifier {
	v := &verifier{data, make([]bool, len(data)/pageSize)}
	v.used[0], v.used[1] = true, true
	return v
}

func pageName(id uint64) string { return fmt.Sprintf("page %d", id) }

// page claims a page and its overflow pages and verifies its header.
func (v *verifier) page(id uint64, flag uint16) ([]byte, int, *Damage) {
	high := uint64(len(v.used))
	if id < firstDataPage || id >= high {
		return nil, 0, damagef(pageName(id), "it is outside the %d pages in use", high)
	}
	page := v.data[id*pageSize:]
	flags, count, overflow := order.Uint16(page[8:]), order.Uint16(page[10:]), uint64(order.Uint32(page[12:]))
	if order.Uint64(page) != id {
		return nil, 0, damagef(pageName(id), "it calls itself page %d", order.Uint64(page))
	}
	if flags&flag == 0 || flags&(flags-1) != 0 {
		return nil, 0, damagef(pageName(id), "unexpected kind of page %#x", flags)
	}
	if overflow >= high-id {
		return nil, 0, damagef(pageName(id), "its %d overflow pages run past the pages in use", overflow)
	}
	for i := id; i <= id+overflow; i++ {
		if v.used[i] {
			return nil, 0, damagef(pageName(i), "it is used twice")
		}
		v.used[i] = true
	}
	return page[:(overflow+1)*pageSize], int(count), nil
}

// tree verifies the tree below a page and calls visit for each element, in order of keys.
// Keys are at least low and, unless high is nil, below high.
func (v *verifier) tree(id uint64, low, high []byte, depth int, visit func(*element) *Damage) *Damage {
	if depth > maxDepth {
		return damagef(pageName(id), "it is more than %d pages deep", maxDepth)
	}
	page, count, damage := v.page(id, flagBranch|flagLeaf)
	if damage != nil {
		return damage
	}
	if count == 0 && (depth > 0 || order.Uint16(page[8:]) == flagBranch) {
		return damagef(pageName(id), "it is empty")
	}
	if order.Uint16(page[8:]) == flagLeaf {
		return leaf(pageName(id), page, count, low, high, visit)
	}
	return v.branch(id, page, count, low, high, depth, visit)
}

func (v *verifier) branch(id uint64, page []byte, count int, low, high []byte, depth int, visit func(*element) *Damage) *Damage {
	key, child, damage := branchElement(id, page, count, 0)
	if damage != nil {
		return damage
	}
	if bytes.Compare(key, low) < 0 {
		return damagef(pageName(id), "its first key is too low")
	}
	for i := 1; i <= count; i++ {
		next, nextChild := high, uint64(0)
		if i < count {
			if next, nextChild, damage = branchElement(id, page, count, i); damage != nil {
				return damage
			}
			if high != nil && bytes.Compare(next, high) >= 0 {
				return damagef(pageName(id), "key %d is too high", i)
			}
		}
		if next != nil && bytes.Compare(key, next) >= 0 {
			return damagef(pageName(id), "key %d is out of order", i)
		}
		if damage := v.tree(child, key, next, depth+1, visit); damage != nil {
			return damage
		}
		key, child = next, nextChild
	}
	return nil
}

// branchElement returns key and child page of element i.
func branchElement(id uint64, page []byte, count, i int) (key []byte, child uint64, damage *Damage) {
	start := pageHeaderSize + i*branchElementSize
	if pageHeaderSize+count*branchElementSize > len(page) {
		return nil, 0, damagef(pageName(id), "its %d elements do not fit in it", count)
	}
	element := page[start : start+branchElementSize]
	position, size := uint64(order.Uint32(element)), uint64(order.Uint32(element[4:]))
	from := uint64(start) + position
	if from < uint64(pageHeaderSize+count*branchElementSize) || from+size > uint64(len(page)) || size == 0 {
		return nil, 0, damagef(pageName(id), "key %d is outside the page", i)
	}
	return page[from : from+size], order.Uint64(element[8:]), nil
}

// leaf verifies the elements of a leaf page, which may be an inline one, and visits them.
func leaf(name string, page []byte, count int, low, high []byte, visit func(*element) *Damage) *Damage {
	elements := uint64(pageHeaderSize + count*leafElementSize)
	if elements > uint64(len(page)) {
		return damagef(name, "its %d elements do not fit in it", count)
	}
	var e element
	for i := range count {
		start := pageHeaderSize + i*leafElementSize
		head := page[start : start+leafElementSize]
		flags := order.Uint32(head)
		from := uint64(start) + uint64(order.Uint32(head[4:]))
		middle := from + uint64(order.Uint32(head[8:]))
		end := middle + uint64(order.Uint32(head[12:]))
		if from < elements || end > uint64(len(page)) || middle == from {
			return damagef(name, "element %d is outside the page", i)
		}
		if flags > elementIsBucket {
			return damagef(name, "element %d is of unknown kind %#x", i, flags)
		}
		key := page[from:middle]
		if c := bytes.Compare(key, low); c < 0 || c == 0 && i > 0 {
			return damagef(name, "key %d is out of order", i)
		}
		e = element{flags == elementIsBucket, key, page[middle:end]}
		if damage := visit(&e); damage != nil {
			return damage
		}
		low = key
	}
	if high != nil && count > 0 && bytes.Compare(low, high) >= 0 {
		return damagef(name, "its last key is too high")
	}
	return nil
}

// bucket verifies the tree of a bucket by its value in the root bucket.
func (v *verifier) bucket(name string, value []byte, visit func(*element) *Damage) *Damage {
	where := "bucket " + name
	if len(value) < bucketHeaderSize {
		return damagef(where, "its header has %d bytes", len(value))
	}
	if root := order.Uint64(value); root != 0 {
		if len(value) != bucketHeaderSize {
			return damagef(where, "it has pages of its own and an inline page")
		}
		return v.tree(root, nil, nil, 0, visit)
	}
	page := value[bucketHeaderSize:]
	if len(page) < pageHeaderSize || order.Uint64(page) != 0 || order.Uint16(page[8:]) != flagLeaf || order.Uint32(page[12:]) != 0 {
		return damagef(where, "wrong header of its inline page")
	}
	return leaf(where, page, int(order.Uint16(page[10:])), nil, nil, visit)
}

// freelist verifies the list of free pages, which bbolt follows if the file has one. This package
// writes none, bbolt's own tools do. It is called last: listed pages must not be in use.
func (v *verifier) freelist(id uint64) *Damage {
	if id == noFreelist {
		return nil
	}
	page, count, damage := v.page(id, flagFreelist)
	if damage != nil {
		return damage
	}
	ids := page[pageHeaderSize:]
	if count == 0xFFFF { // the count does not fit: it is in the first element
		if n := order.Uint64(ids); n <= uint64(len(ids)/8-1) {
			count, ids = int(n), ids[8:]
		}
	}
	if count > len(ids)/8 {
		return damagef(pageName(id), "its %d elements do not fit in it", count)
	}
	var previous uint64
	for ; count > 0; count-- {
		free := order.Uint64(ids)
		if free <= previous || free < firstDataPage || free >= uint64(len(v.used)) || v.used[free] {
			return damagef(pageName(id), "it lists page %d as free", free)
		}
		previous, ids = free, ids[8:]
	}
	return nil
}
