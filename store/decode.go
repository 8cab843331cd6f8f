package store

import (
	"errors"
	"fmt"
	"slices"

	"github.com/berthkit/berth/pool"
)

// A decoder turns verified pages into a content.
type decoder struct {
	*verifier
	*scratch
	content     *content
	header      *header
	transaction uint64        // that wrote the header
	keep        bool          // make a content
	checksums   bool          // look at the checksum of every record
	buckets     [3][]byte     // values of the buckets in the root bucket, in the order of their names
	records     uint32        // so far
	current     entry         // the record at hand, where none is kept
	endProtocol pool.Protocol // of the record before
	end         uint16        // its last port
	backing     []entry
}

var bucketNames = [3]string{bucketMeta, bucketTCP, bucketUDP}

// decodePages verifies the pages and what they hold, and keeps the content if it is asked to. If they
// do not hold what the newer meta page leads to, but all of what the other leads to, that is the content, and
// the reading is torn. Data may end before the last page in use.
func decodePages(data []byte, metas [2]metaPage, torn *Damage, keep bool, buffers *scratch) (*reading, error) {
	meta := newer(metas)
	r, damage := decodeCommit(data, meta, keep, buffers)
	switch before := older(metas); {
	case damage == nil && torn != nil:
		bad := 1 - meta.txid%2
		r.torn, r.crash = torn, looksTorn(data[bad*pageSize:(bad+1)*pageSize], bad, meta)
	case damage == nil:
	case errors.Is(damage.cause, ErrVersion):
		return nil, damage.cause // a newer format is no damage
	case torn != nil || before.highWater > meta.highWater:
		return nil, damage
	default:
		buffers.labels, buffers.ends = buffers.labels[:0], buffers.ends[:0]
		var earlier *Damage
		if r, earlier = decodeCommit(data, before, keep, buffers); earlier != nil {
			return nil, damage
		}
		r.torn, r.crash, r.interrupted = damage, true, true
	}
	return r, nil
}

// decodeCommit is decodePages for the tree of one meta page.
//
// The digest covers every byte of every entry, so where it holds no record's checksum needs a look;
// where it does not, the checksums tell which record is damaged. A content that is not kept is not
// decoded either: the digest tells whether it is that of the other file.
func decodeCommit(data []byte, meta metaPage, keep bool, buffers *scratch) (*reading, *Damage) {
	if length := meta.highWater * pageSize; length > uint64(len(data)) {
		return nil, damagef("", "it ends after %d of %d bytes", len(data), length)
	}
	data = data[:meta.highWater*pageSize]
	d := &decoder{verifier: newVerifier(data), scratch: buffers, content: &content{}, keep: keep}
	if damage := d.decode(meta); damage != nil {
		precise := &decoder{verifier: newVerifier(data), scratch: buffers, content: &content{}, checksums: true}
		if located := precise.decode(meta); located != nil {
			damage = located
		}
		return nil, damage
	}
	r := &reading{header: *d.header, pages: meta.highWater}
	if keep {
		r.content = d.content
	}
	for _, used := range d.used {
		if !used {
			r.free++
		}
	}
	return r, nil
}

func (d *decoder) decode(meta metaPage) *Damage {
	if damage := d.root(meta.root); damage != nil {
		return damage
	}
	if damage := d.freelist(meta.freelist); damage != nil {
		return damage
	}
	if d.transaction != meta.txid {
		return damagef(fmt.Sprintf("meta page %d", meta.txid%2), "it is of transaction %d and leads to a tree of %d", meta.txid, d.transaction)
	}
	return d.finish()
}

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
	if d.keep {
		d.backing = make([]entry, 0, min(d.header.records, 2*pool.MaxPort, uint32(len(d.data)/recordFixed)))
	}
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
		h, d.transaction, err = decodeHeader(e.value)
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
	if d.records++; e.bucket || d.records > d.header.records || d.keep && len(d.backing) == cap(d.backing) {
		return damagef(fmt.Sprintf("bucket %v", protocol), "unexpected entry %.32q", e.key)
	}
	if d.checksums {
		if _, err := unseal(protocol, e.key, e.value); err != nil {
			return entryDamage(fmt.Sprintf("record %v %x", protocol, e.key), err)
		}
	}
	d.content.digest = d.content.digest.plus(digestOf(d.header.revision.Lineage, protocol, e.key, e.value))
	if !d.keep && !d.checksums {
		return nil
	}
	current := &d.current
	if d.keep {
		d.backing = d.backing[:len(d.backing)+1] // the header's count, which bounds the records, gave it its capacity
		current = &d.backing[len(d.backing)-1]
	}
	label, err := current.decode(protocol, e.key, e.value)
	if err == nil {
		err = validateRecord(&current.Record, label)
	}
	if err != nil {
		return entryDamage(fmt.Sprintf("record %v %x", protocol, e.key), err)
	}
	if d.endProtocol == protocol && d.end >= current.Range.First() {
		return damagef(fmt.Sprintf("record %v %v", protocol, current.Range), "it overlaps the one before, which ends at %d", d.end)
	}
	d.endProtocol, d.end = protocol, current.Range.Last()
	if current.commit > d.header.revision.Number {
		return damagef(fmt.Sprintf("record %v %v", protocol, current.Range), "it is of commit %d, the header of commit %d", current.commit, d.header.revision.Number)
	}
	if d.keep {
		d.labels = append(d.labels, label...)
		d.ends = append(d.ends, uint32(len(d.labels)))
	}
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

// finish checks the whole against the header and gives the records their labels.
func (d *decoder) finish() *Damage {
	if d.header.records != d.records {
		return damagef("header", "it counts %d records, there are %d", d.header.records, d.records)
	}
	if d.header.digest != d.content.digest {
		return damagef("header", "the digest is not that of the records")
	}
	if !d.keep {
		return nil
	}
	labels, start := string(d.labels), uint32(0)
	pointers := make([]*entry, len(d.backing))
	border := len(pointers)
	for i := range d.backing {
		e := &d.backing[i]
		e.Label, start = labels[start:d.ends[i]], d.ends[i]
		pointers[i] = e
		if e.Protocol != pool.TCP {
			border = min(border, i)
		}
	}
	d.content.entries = [2][]*entry{slices.Clip(pointers[:border]), slices.Clip(pointers[border:])}
	return nil
}
