package store

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/berthkit/berth/pool"
)

// MaxSize is the largest file that a store may be, in bytes. 65,535 records of each protocol with
// the longest labels take about 45 MB.
const MaxSize = 64 << 20

// A reading is what one file was found to hold.
type reading struct {
	content *content
	metas   [2]metaPage
	torn    *Damage // one of the two meta pages is damaged, so a later commit than the content's may have been lost
	crash   bool    // and it looks as if a power cut did it
	pages   uint64  // pages in use, free ones among them
	free    uint64  // pages in use that nothing refers to
}

// meta returns the meta page that counts.
func (r *reading) meta() metaPage { return newer(r.metas) }

func newer(metas [2]metaPage) metaPage {
	if metas[1].txid > metas[0].txid {
		return metas[1]
	}
	return metas[0]
}

// live returns how many pages the content needs about.
func (r *reading) live() uint64 { return r.pages - r.free }

// after orders two readings: the later one was committed, or rewritten, later.
func (c *content) after(other *content) bool {
	if c.generation != other.generation {
		return c.generation > other.generation
	}
	return c.revision.Number > other.revision.Number
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

// readFile reads and verifies all of a file, without mapping it. Anything wrong with the bytes is a
// *Damage without path, or ErrVersion; what the system says about reading them is a *Damage as
// well, since a disk that cannot read its sectors is a damaged one.
func readFile(file io.ReaderAt, size int64) (*reading, []byte, error) {
	if size > MaxSize {
		damage := damagef("", "%d bytes, a store has at most %d", size, MaxSize)
		damage.cause = ErrTooLarge
		return nil, nil, damage
	}
	var start [2 * pageSize]byte
	n, err := file.ReadAt(start[:min(size, int64(len(start)))], 0)
	if err != nil && err != io.EOF {
		return nil, nil, damagef("", "cannot be read: %v", err)
	}
	metas, torn, err := readMetas(start[:n])
	if err != nil {
		return nil, nil, err
	}
	length := newer(metas).highWater * pageSize
	if length > uint64(size) {
		return nil, nil, damagef("", "it ends after %d of %d bytes", size, length)
	}
	data := make([]byte, length)
	copy(data, start[:])
	if n, err := file.ReadAt(data[2*pageSize:], 2*pageSize); n < len(data)-2*pageSize {
		return nil, nil, damagef("", "cannot be read: %v", err)
	}
	r, err := decodePages(data, metas, torn)
	return r, data, err
}

// decodePages verifies the pages and decodes what they hold.
func decodePages(data []byte, metas [2]metaPage, torn *Damage) (*reading, error) {
	meta := newer(metas)
	d := &decoder{verifier: newVerifier(data), content: &content{}}
	if damage := d.root(meta.root); damage != nil {
		return nil, versionOr(damage)
	}
	if damage := d.freelist(meta.freelist); damage != nil {
		return nil, damage
	}
	if damage := d.finish(); damage != nil {
		return nil, versionOr(damage)
	}
	r := &reading{content: d.content, metas: metas, torn: torn, pages: meta.highWater}
	if torn != nil {
		bad := 1 - meta.txid%2
		r.crash = looksTorn(data[bad*pageSize:(bad+1)*pageSize], bad, meta)
	}
	for _, used := range d.used {
		if !used {
			r.free++
		}
	}
	return r, nil
}

// versionOr returns ErrVersion instead of the damage where that is the reason: a newer format is no damage.
func versionOr(damage *Damage) error {
	if errors.Is(damage.cause, ErrVersion) {
		return damage.cause
	}
	return damage
}

// A decoder turns verified pages into a content.
type decoder struct {
	*verifier
	content *content
	header  *header
	buckets [3][]byte // values of the buckets in the root bucket, in the order of their names
	backing []entry
	labels  []byte   // of all records, one after the other
	ends    []uint32 // where the label of each record ends in labels
}

var bucketNames = [3]string{bucketMeta, bucketTCP, bucketUDP}

// root walks the root bucket, which has exactly our three buckets, and then those. The meta bucket
// comes first, since the header keys the digest.
func (d *decoder) root(id uint64) *Damage {
	found := 0
	damage := d.tree(id, nil, nil, 0, func(e *element) *Damage {
		if found == len(bucketNames) || !e.bucket || string(e.key) != bucketNames[found] {
			return damagef("root bucket", "unexpected entry %.32q", e.key)
		}
		d.buckets[found] = e.value
		found++
		return nil
	})
	if damage == nil && found < len(bucketNames) {
		damage = damagef("root bucket", "bucket %s is missing", bucketNames[found])
	}
	if damage == nil {
		damage = d.bucket(bucketMeta, d.buckets[0], d.metaEntry)
	}
	if damage == nil && d.header == nil {
		damage = damagef("bucket meta", "the header is missing")
	}
	if damage != nil {
		return damage
	}
	d.content.revision, d.content.generation = d.header.revision, d.header.generation
	for _, w := range d.content.metaWrites() {
		d.content.digest = d.content.digest.plus(digestOf(d.header.revision.Lineage, w.space, w.key, w.value))
	}
	capacity := min(d.header.records, 2*pool.MaxPort, uint32(len(d.data)/recordFixed))
	d.backing, d.ends = make([]entry, 0, capacity), make([]uint32, 0, capacity)
	for i, protocol := range pool.Protocols() {
		damage := d.bucket(bucketNames[1+i], d.buckets[1+i], func(e *element) *Damage { return d.record(protocol, e) })
		if damage != nil {
			return damage
		}
	}
	return nil
}

func (d *decoder) metaEntry(e *element) *Damage {
	var err error
	switch key := string(e.key); {
	case e.bucket:
		err = fmt.Errorf("unexpected bucket")
	case key == keyHeader:
		var h header
		h, err = decodeHeader(e.value)
		d.header = &h
	case key == keyBoots:
		d.content.boots, err = decodeBoots(e.value)
	case key == keyDynamic:
		d.content.dynamic, err = decodeDynamic(e.value)
	default:
		err = fmt.Errorf("unexpected entry")
	}
	return entryDamage(fmt.Sprintf("entry %.32q", e.key), err)
}

func (d *decoder) record(protocol pool.Protocol, e *element) *Damage {
	if e.bucket || len(d.backing) == cap(d.backing) {
		return damagef(fmt.Sprintf("bucket %v", protocol), "unexpected entry %.32q", e.key)
	}
	d.backing = d.backing[:len(d.backing)+1]
	last := &d.backing[len(d.backing)-1]
	label, err := last.decode(protocol, e.key, e.value)
	if err != nil {
		return entryDamage(fmt.Sprintf("record %v %x", protocol, e.key), err)
	}
	if n := len(d.backing); n > 1 && d.backing[n-2].Protocol == protocol && d.backing[n-2].Range.Last() >= last.Range.First() {
		return damagef(fmt.Sprintf("record %v %v", protocol, last.Range), "it overlaps %v", d.backing[n-2].Range)
	}
	if last.commit > d.header.revision.Number {
		return damagef(fmt.Sprintf("record %v %v", protocol, last.Range), "it is of commit %d, the header of commit %d", last.commit, d.header.revision.Number)
	}
	d.labels = append(d.labels, label...)
	d.ends = append(d.ends, uint32(len(d.labels)))
	d.content.digest = d.content.digest.plus(digestOf(d.header.revision.Lineage, protocol, e.key, e.value))
	return nil
}

func entryDamage(where string, err error) *Damage {
	if err == nil {
		return nil
	}
	damage := damagef(where, "%v", err)
	if errors.Is(err, ErrVersion) {
		damage.cause = err
	}
	return damage
}

// finish gives the records their labels and checks the whole against the header.
func (d *decoder) finish() *Damage {
	if int(d.header.records) != len(d.backing) {
		return damagef("header", "it counts %d records, there are %d", d.header.records, len(d.backing))
	}
	if d.header.digest != d.content.digest {
		return damagef("header", "the digest is not that of the records")
	}
	labels, start := string(d.labels), uint32(0)
	pointers := make([]*entry, len(d.backing))
	for i := range d.backing {
		d.backing[i].Label, start = labels[start:d.ends[i]], d.ends[i]
		if err := validateRecord(d.backing[i].Record); err != nil {
			return damagef(fmt.Sprintf("record %v %v", d.backing[i].Protocol, d.backing[i].Range), "%v", err)
		}
		pointers[i] = &d.backing[i]
	}
	border := slices.IndexFunc(pointers, func(e *entry) bool { return e.Protocol != pool.TCP })
	if border < 0 {
		border = len(pointers)
	}
	d.content.entries = [2][]*entry{slices.Clip(pointers[:border]), slices.Clip(pointers[border:])}
	return nil
}

// sameAs reports whether two contents are one and the same commit.
func (c *content) sameAs(other *content) bool {
	return c.header() == other.header()
}
