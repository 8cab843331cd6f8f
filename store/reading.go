package store

import (
	"fmt"
	"io"
	"sync"
)

// MaxSize is the largest file that a store may be, in bytes. 65,535 records of each protocol with
// the longest labels take about 45 MB.
const MaxSize = 64 << 20

// A reading is what one file was found to hold.
type reading struct {
	header  header
	content *content // nil if the file was only verified
	torn    *Damage  // why a later commit than the content's may have been lost: see below; nil if none was
	crash   bool     // and it looks as if a power cut did it
	pages   uint64   // pages in use, free ones among them
	free    uint64   // pages in use that nothing refers to

	// A file is torn in one of two ways. Either one of its meta pages is damaged, and the content is that
	// of the other; or both are sound, but the newer one leads to pages that are not those of its commit,
	// and the content is that of the older one.
	interrupted bool // the second way
}

// older returns the meta page of the commit before.
func older(metas [2]metaPage) metaPage {
	if metas[1].txid > metas[0].txid {
		return metas[0]
	}
	return metas[1]
}

// newer returns the meta page that counts.
func newer(metas [2]metaPage) metaPage {
	if metas[1].txid > metas[0].txid {
		return metas[1]
	}
	return metas[0]
}

// live returns how many pages the content needs about.
func (r *reading) live() uint64 { return r.pages - r.free }

// after orders the contents of two files: the later one was committed, or written anew, later.
func (h header) after(other header) bool {
	if h.generation != other.generation {
		return h.generation > other.generation
	}
	return h.revision.Number > other.revision.Number
}

// A scratch is memory that reading a file needs for a moment. It is used again, since a store that
// is shared or watched is read often.
type scratch struct {
	pages  []byte
	labels []byte   // of all records, one after the other
	ends   []uint32 // where the label of each record ends in labels
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// scratchLimit is the largest file whose memory is kept.
const scratchLimit = 8 << 20

func (s *scratch) reset(length int) []byte {
	if cap(s.pages) < length {
		s.pages = make([]byte, length)
	}
	s.labels, s.ends = s.labels[:0], s.ends[:0]
	return s.pages[:length]
}

func (s *scratch) free() {
	if cap(s.pages) <= scratchLimit {
		scratches.Put(s)
	}
}

// readMetas reads and verifies both meta pages. One damaged page is returned as torn; its slot of
// the result is the zero metaPage.
func readMetas(pages []byte) (metas [2]metaPage, torn *Damage, err error) {
	if len(pages) < 2*pageSize {
		if foreignOrder(pages) {
			return metas, nil, foreignOrderError()
		}
		return metas, nil, damagef("", "%d bytes are too short for a store", len(pages))
	}
	meta0, damage0 := parseMeta(pages[:pageSize], 0)
	meta1, damage1 := parseMeta(pages[pageSize:], 1)
	switch {
	case damage0 != nil && damage1 != nil:
		if foreignOrder(pages) || foreignOrder(pages[pageSize:]) {
			return metas, nil, foreignOrderError()
		}
		return metas, nil, damagef(damage0.Where, "%s; %s: %s", damage0.What, damage1.Where, damage1.What)
	case damage0 != nil:
		return [2]metaPage{{}, meta1}, damage0, nil
	case damage1 != nil:
		return [2]metaPage{meta0, {}}, damage1, nil
	case max(meta0.txid, meta1.txid)-min(meta0.txid, meta1.txid) != 1:
		return metas, nil, damagef("meta pages", "transactions %d and %d are not consecutive", meta0.txid, meta1.txid)
	}
	return [2]metaPage{meta0, meta1}, nil, nil
}

func foreignOrderError() error {
	return fmt.Errorf("%w: the file was written on a computer of the other byte order; use berth store salvage there and rebuild here", ErrVersion)
}

// readFile reads and verifies all of a file, without mapping it, and keeps the content if it is
// asked to; verifying alone takes two thirds of the time. Anything wrong with the bytes is a
// *Damage without path, or ErrVersion; what the system says about reading them is a *Damage as
// well, since a disk that cannot read its sectors is a damaged one.
func readFile(file io.ReaderAt, size int64, keep bool) (*reading, error) {
	if size > MaxSize {
		damage := damagef("", "%d bytes, a store has at most %d", size, MaxSize)
		damage.cause = ErrTooLarge
		return nil, damage
	}
	var start [2 * pageSize]byte
	n, err := file.ReadAt(start[:min(size, int64(len(start)))], 0)
	if err != nil && err != io.EOF {
		return nil, damagef("", "cannot be read: %v", err)
	}
	metas, torn, err := readMetas(start[:n])
	if err != nil {
		return nil, err
	}
	length := min(newer(metas).highWater*pageSize, uint64(size)/pageSize*pageSize)
	buffers := scratches.Get().(*scratch)
	defer buffers.free()
	data := buffers.reset(int(length))
	copy(data, start[:])
	if n, err := file.ReadAt(data[2*pageSize:], 2*pageSize); n < len(data)-2*pageSize {
		return nil, damagef("", "cannot be read: %v", err)
	}
	return decodePages(data, metas, torn, keep, buffers)
}
