package store

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"slices"
	"time"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
)

// A Salvaged is what [Salvage] could read. Its JSON form is described in docs/file-format.md; a
// person may edit it before [Rebuild].
type Salvaged struct {
	Path     string                       `json:"path"`
	Whole    bool                         `json:"whole"` // the records are all there are: one file was whole
	Dynamic  map[pool.Protocol]pool.Range `json:"dynamic,omitempty"`
	Records  []SalvagedRecord             `json:"records"`  // by protocol and first port, disjoint
	Doubtful []SalvagedRecord             `json:"doubtful"` // sound records that may have been deleted or replaced since
	Problems []Damage                     `json:"problems"` // what is wrong with the files
}

// A SalvagedRecord is a record whose checksum holds, and where it was found.
type SalvagedRecord struct {
	Protocol pool.Protocol `json:"protocol"`
	Range    pool.Range    `json:"range"`
	Kind     string        `json:"kind"`            // "persistent" or "exclusion"
	Store    string        `json:"store,omitempty"` // of an exclusion: "persistent" or "active"
	Label    string        `json:"label,omitempty"`
	Created  time.Time     `json:"created"`
	Serial   uint64        `json:"serial,string"`
	Commit   uint64        `json:"commit,omitempty"` // number of the commit that wrote it: the higher is the newer
	File     string        `json:"file,omitempty"`
	Offset   int64         `json:"offset,omitempty"` // in the file; 0 where the whole file was sound
}

// Salvage reads, without changing or locking anything, every record whose checksum holds from both
// files of the store at path, whatever state they are in. If one is whole its content is the
// result. Otherwise records count that lie on pages which the newest sound meta page leads to; other
// sound records are listed as doubtful, since a deleted record lies on its page until that is used
// again. Boots are left out: the next one begins with a new secret.
//
// The error is about the path: fs.ErrNotExist if neither file is there.
func Salvage(ctx context.Context, path string) (*Salvaged, error) {
	s, err := salvage(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("salvage store: %w", err)
	}
	return s, nil
}

func salvage(ctx context.Context, path string) (_ *Salvaged, err error) {
	directoryPath, name, err := locate(path)
	if err != nil {
		return nil, err
	}
	d, err := openAnyDirectory(directoryPath)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	s := &Salvaged{Path: path, Records: []SalvagedRecord{}, Doubtful: []SalvagedRecord{}, Problems: []Damage{}}
	var wrecks []wreck
	for _, name := range names(name) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		w, err := readWreck(d, name)
		if errors.Is(err, fs.ErrNotExist) {
			s.Problems = append(s.Problems, Damage{Path: d.file(name), What: "it is missing"})
			continue
		}
		if err != nil {
			return nil, err
		}
		wrecks = append(wrecks, w)
		if w.damage != nil {
			s.Problems = append(s.Problems, *w.damage)
		}
	}
	if len(wrecks) == 0 {
		return nil, missing(path)
	}
	if best := wholest(wrecks); best != nil {
		s.takeContent(best)
		s.takeScattered(wrecks, best.header.revision.Number)
	} else {
		s.takeScattered(wrecks, 0)
	}
	return s, nil
}

// A wreck is a file as far as it can be read.
type wreck struct {
	path    string
	data    []byte
	reading *reading // nil unless the file is sound
	damage  *Damage  // what is wrong with it
}

func readWreck(d *directory, name string) (w wreck, err error) {
	w.path = d.file(name)
	info, err := d.root.Lstat(name)
	if err != nil {
		return w, err
	}
	if !info.Mode().IsRegular() {
		return w, unsafePath(w.path, "is not a regular file", "name another path")
	}
	file, err := d.root.OpenFile(name, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return w, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	w.data = make([]byte, min(info.Size(), MaxSize))
	n, err := file.ReadAt(w.data, 0)
	w.data = w.data[:n]
	if err != nil && err != io.EOF {
		w.damage = &Damage{Path: w.path, What: fmt.Sprintf("cannot be read after %d bytes: %v", n, err)}
	}
	r, err := readFile(bytes.NewReader(w.data), int64(n), true)
	switch {
	case err == nil:
		w.reading = r
		if r.torn != nil {
			w.damage = &Damage{Path: w.path, Where: r.torn.Where, What: r.torn.What}
		}
	case w.damage == nil:
		w.damage = &Damage{Path: w.path, What: err.Error()}
		if damage := (*Damage)(nil); errors.As(err, &damage) {
			w.damage = &Damage{Path: w.path, Where: damage.Where, What: damage.What}
		}
	}
	return w, nil
}

// wholest returns the latest reading of those that are sound, nil if none is.
func wholest(wrecks []wreck) (best *reading) {
	for _, w := range wrecks {
		r := w.reading
		if r != nil && (best == nil || r.header.after(best.header) || best.torn != nil && r.torn == nil && !best.header.after(r.header)) {
			best = r
		}
	}
	return best
}

// takeContent takes what a sound file holds.
func (s *Salvaged) takeContent(r *reading) {
	s.Whole = r.torn == nil
	for _, protocol := range pool.Protocols() {
		for _, e := range r.content.entries[slot(protocol)] {
			s.Records = append(s.Records, newSalvagedRecord(*e, "", 0))
		}
		if dynamic := r.content.dynamic[slot(protocol)]; dynamic.IsValid() {
			if s.Dynamic == nil {
				s.Dynamic = map[pool.Protocol]pool.Range{}
			}
			s.Dynamic[protocol] = dynamic
		}
	}
}

// takeScattered looks at every byte of the files for records of a later commit than that. Where
// records overlap the newest counts, unless it lies on a page that nothing leads to.
func (s *Salvaged) takeScattered(wrecks []wreck, after uint64) {
	type found struct {
		SalvagedRecord
		linked bool
	}
	var all []found
	for _, w := range wrecks {
		linked := linkedPages(w.data)
		for e, offset := range scanRecords(w.data) {
			if e.commit > after {
				all = append(all, found{newSalvagedRecord(e, w.path, int64(offset)), after == 0 && linked(offset/pageSize)})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b found) int {
		if a.linked != b.linked && a.linked {
			return -1
		} else if a.linked != b.linked {
			return 1
		}
		return cmp.Compare(b.Commit, a.Commit)
	})
	type identity struct {
		protocol       pool.Protocol
		ports          pool.Range
		serial, commit uint64
	}
	seen := map[identity]bool{}
	taken := map[pool.Protocol]*pool.PortSet{pool.TCP: {}, pool.UDP: {}}
	for _, f := range all {
		id := identity{f.Protocol, f.Range, f.Serial, f.Commit}
		switch {
		case seen[id]:
		case f.linked && !taken[f.Protocol].Overlaps(f.Range):
			taken[f.Protocol].Add(f.Range)
			s.Records = append(s.Records, f.SalvagedRecord)
		default:
			s.Doubtful = append(s.Doubtful, f.SalvagedRecord)
		}
		seen[id] = true
	}
	for _, records := range [][]SalvagedRecord{s.Records, s.Doubtful} {
		slices.SortFunc(records, func(a, b SalvagedRecord) int {
			return cmp.Or(cmp.Compare(a.Protocol, b.Protocol), a.Range.Compare(b.Range), cmp.Compare(b.Commit, a.Commit))
		})
	}
}

// scanRecords yields every valid record in the bytes and its offset, wherever it lies: bbolt puts a
// key directly before its value.
func scanRecords(data []byte) iter.Seq2[entry, int] {
	return func(yield func(entry, int) bool) {
		for at := 0; at+2+recordFixed+checksumSize <= len(data); at++ {
			value := data[at+2:]
			if value[0] != formatVersion || reservation.Kind(value[1]) != reservation.Persistent && reservation.Kind(value[1]) != reservation.Exclusion {
				continue
			}
			length := recordFixed + int(value[recordFixed-1]) + checksumSize
			if length > len(value) {
				continue
			}
			for _, protocol := range pool.Protocols() {
				var e entry
				if _, err := unseal(protocol, data[at:at+2], value[:length]); err != nil {
					continue
				}
				label, err := e.decode(protocol, data[at:at+2], value[:length])
				if err != nil {
					continue
				}
				e.Label = string(label)
				if e.Validate() == nil && !yield(e, at) {
					return
				}
			}
		}
	}
}

// linkedPages tells which pages the newest sound meta page leads to, as far as the pages on the way
// can be read. Without a sound meta page every page may be one.
func linkedPages(data []byte) func(page int) bool {
	if len(data) < 2*pageSize {
		return func(int) bool { return true }
	}
	metas, _, err := readMetas(data)
	if err != nil {
		return func(int) bool { return true }
	}
	v := newVerifier(data[:len(data)/pageSize*pageSize])
	v.follow(newer(metas).root)
	return func(page int) bool { return page < len(v.used) && v.used[page] }
}

// follow marks a page and those that it leads to as used. Damage ends the way at that page.
func (v *verifier) follow(id uint64) {
	page, count, damage := v.page(id, flagBranch|flagLeaf)
	if damage != nil {
		if id < uint64(len(v.used)) {
			v.used[id] = true
		}
		return
	}
	if order.Uint16(page[8:]) == flagBranch {
		for i := range count {
			if _, child, damage := branchElement(id, page, count, i); damage == nil {
				v.follow(child)
			}
		}
		return
	}
	_ = leaf("", page, count, nil, nil, func(e *element) *Damage {
		if e.bucket && len(e.value) == bucketHeaderSize {
			v.follow(order.Uint64(e.value))
		}
		return nil
	})
}

func newSalvagedRecord(e entry, file string, offset int64) SalvagedRecord {
	r := SalvagedRecord{
		Protocol: e.Protocol, Range: e.Range, Kind: e.Kind.String(), Label: e.Label, Created: e.Created,
		Serial: e.Serial, Commit: e.commit, File: file, Offset: offset,
	}
	if e.Kind == reservation.Exclusion {
		r.Store = e.Record.Store.String()
	}
	return r
}

// record is the reverse. The error wraps reservation.ErrInvalid.
func (r *SalvagedRecord) record() (reservation.Record, error) {
	record := reservation.Record{Protocol: r.Protocol, Range: r.Range, Label: r.Label, Created: r.Created, Serial: r.Serial}
	switch r.Kind {
	case reservation.Persistent.String():
		record.Kind = reservation.Persistent
	case reservation.Exclusion.String():
		record.Kind = reservation.Exclusion
	default:
		return record, fmt.Errorf("%w: %v %v: kind %q, want persistent or exclusion", reservation.ErrInvalid, r.Protocol, r.Range, r.Kind)
	}
	switch r.Store {
	case "", reservation.PersistentStore.String():
	case reservation.ActiveStore.String():
		record.Store = reservation.ActiveStore
	default:
		return record, fmt.Errorf("%w: %v %v: store %q, want persistent or active", reservation.ErrInvalid, r.Protocol, r.Range, r.Store)
	}
	return record, nil
}

// Rebuild makes the store at path hold the records of salvaged, not the doubtful ones, under a new
// lineage. The former files are kept beside it under quarantine names. It returns an error that
// wraps reservation.ErrInvalid, and changes nothing, if a record is not valid or two overlap;
// otherwise its errors are those of [Restore].
func Rebuild(ctx context.Context, path string, salvaged *Salvaged) error {
	if err := rebuild(ctx, path, salvaged); err != nil {
		return fmt.Errorf("rebuild store: %w", err)
	}
	return nil
}

func rebuild(ctx context.Context, path string, salvaged *Salvaged) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if salvaged == nil {
		return fmt.Errorf("%w: nothing was salvaged", reservation.ErrInvalid)
	}
	c, err := salvaged.content()
	if err != nil {
		return err
	}
	return install(ctx, path, c)
}

// content makes a content of the records, checked like those of any commit.
func (s *Salvaged) content() (*content, error) {
	var edits []reservation.Edit
	for protocol, r := range s.Dynamic {
		edits = append(edits, reservation.Edit{Op: reservation.EditDynamic, Record: reservation.Record{Protocol: protocol, Range: r}})
	}
	for i := range s.Records {
		record, err := s.Records[i].record()
		if err != nil {
			return nil, err
		}
		edits = append(edits, reservation.Edit{Op: reservation.EditPut, Record: record})
	}
	c, _, err := (&content{}).apply(edits)
	return c, err
}
