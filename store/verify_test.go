package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	bolt "go.etcd.io/bbolt"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
)

// soundFile returns the bytes of a file with so many records, and their content.
func soundFile(t testing.TB, records int) ([]byte, *content) {
	t.Helper()
	directory := filepath.Join(t.TempDir(), "private")
	require.NoError(t, makeDirectory(directory))
	d, err := openDirectory(directory, true)
	require.NoError(t, err)
	defer func() { require.NoError(t, d.close()) }()
	var edits []reservation.Edit
	for i := range records {
		r, err := pool.RangeFrom(uint16(1+i*10), 5)
		require.NoError(t, err)
		edits = append(edits, reservation.Edit{Op: reservation.EditPut, Record: reservation.Record{
			Protocol: pool.Protocols()[i%2], Range: r, Kind: reservation.Persistent, Serial: uint64(i), Label: fmt.Sprint("block ", i), Created: time.Unix(int64(i), 5),
		}})
	}
	c, _, err := (&content{}).renewed(42, 1).apply(edits)
	require.NoError(t, err)
	require.NoError(t, writeContent(d, "file", c))
	image, err := os.ReadFile(filepath.Join(directory, "file"))
	require.NoError(t, err)
	return image, c
}

func readBytes(image []byte) (*reading, error) {
	return readFile(bytes.NewReader(image), int64(len(image)), true)
}

// A field is a number somewhere in a file.
func putField(image []byte, page uint64, offset int, size int, value uint64) {
	at := image[int(page)*pageSize+offset:]
	switch size {
	case 2:
		order.PutUint16(at, uint16(value))
	case 4:
		order.PutUint32(at, uint32(value))
	case 8:
		order.PutUint64(at, value)
	}
}

// sumMeta makes a meta page's checksum right again.
func sumMeta(image []byte, page int) {
	meta := image[page*pageSize+pageHeaderSize:]
	hash := fnv.New64a()
	hash.Write(meta[:metaChecksum])
	order.PutUint64(meta[metaChecksum:], hash.Sum64())
}

// Each check of the verifier refuses what it is there for, and says where it is.
func TestVerifierChecks(t *testing.T) {
	image, _ := soundFile(t, 400)
	r, err := readBytes(image)
	require.NoError(t, err)
	require.Nil(t, r.torn)
	metas, _, err := readMetas(image)
	require.NoError(t, err)
	live := newer(metas)
	slot := int(live.txid % 2)
	root := live.root
	branch, leafPage := findPage(t, image, flagBranch), findPage(t, image, flagLeaf)
	// The root page is a leaf with the three buckets; its last value is the header of bucket udp.
	position := int(order.Uint32(image[root*pageSize+pageHeaderSize+2*leafElementSize+4:]))
	udpValue := pageHeaderSize + 2*leafElementSize + position + len(bucketUDP)

	both := func(offset, size int, value uint64) func(image []byte) {
		return func(image []byte) {
			for page := range 2 {
				putField(image, uint64(page), pageHeaderSize+offset, size, value)
				sumMeta(image, page)
			}
		}
	}
	one := func(offset, size int, value uint64) func(image []byte) {
		return func(image []byte) {
			putField(image, uint64(slot), pageHeaderSize+offset, size, value)
			sumMeta(image, slot)
		}
	}
	field := func(page uint64, offset, size int, value uint64) func(image []byte) {
		return func(image []byte) { putField(image, page, offset, size, value) }
	}
	for name, test := range map[string]struct {
		spoil func(image []byte)
		want  string
	}{
		"magic":               {both(0, 4, 1), "wrong magic number"},
		"bbolt version":       {both(4, 4, 3), "bbolt format 3"},
		"page size":           {both(8, 4, 8192), "page size 8192"},
		"transaction slot":    {func(image []byte) { bothTransactions(image, 1) }, "does not belong there"},
		"transaction, huge":   {both(48, 8, 1<<63), "does not belong there"},
		"transaction, far":    {one(48, 8, live.txid+2), "not consecutive"},
		"high water, zero":    {both(40, 8, 0), "pages in use"},
		"high water, huge":    {both(40, 8, 1<<40), "pages in use"},
		"high water, beyond":  {one(40, 8, uint64(len(image)/pageSize)+1), "it ends after"},
		"root, meta page":     {one(16, 8, 1), "outside the"},
		"root, beyond":        {one(16, 8, 1<<50), "outside the"},
		"root, other page":    {one(16, 8, leafPage), "root bucket"},
		"free list, beyond":   {one(32, 8, 1<<50), "outside the"},
		"free list, a leaf":   {one(32, 8, leafPage), "unexpected kind"},
		"page number":         {field(leafPage, 0, 8, 99), "calls itself page 99"},
		"page kind, two":      {field(leafPage, 8, 2, flagLeaf|flagBranch), "unexpected kind"},
		"page kind, free":     {field(leafPage, 8, 2, flagFreelist), "unexpected kind"},
		"page kind, swapped":  {field(branch, 8, 2, flagLeaf), "element"},
		"overflow":            {field(leafPage, 12, 4, 1<<31), "overflow pages"},
		"overflow, taken":     {field(branch, 12, 4, 1), "used twice"},
		"count, zero":         {field(branch, 10, 2, 0), "it is empty"},
		"count, huge":         {field(leafPage, 10, 2, 0xFFFE), "do not fit"},
		"branch key, outside": {field(branch, pageHeaderSize, 4, pageSize), "outside the page"},
		"branch key, empty":   {field(branch, pageHeaderSize+4, 4, 0), "outside the page"},
		"branch child, own":   {field(branch, pageHeaderSize+8, 8, branch), "used twice"},
		"branch child, twice": {func(image []byte) {
			child := order.Uint64(image[branch*pageSize+pageHeaderSize+8:])
			putField(image, branch, pageHeaderSize+branchElementSize+8, 8, child)
		}, ""},
		"leaf key, outside":    {field(leafPage, pageHeaderSize+4, 4, pageSize), "outside the page"},
		"leaf value, long":     {field(leafPage, pageHeaderSize+12, 4, 1<<31), "outside the page"},
		"leaf kind":            {field(leafPage, pageHeaderSize, 4, 7), "unknown kind"},
		"leaf bucket":          {field(leafPage, pageHeaderSize, 4, elementIsBucket), "unexpected entry"},
		"bucket root, meta":    {field(root, udpValue, 8, 1), "outside the"},
		"bucket root, itself":  {field(root, udpValue, 8, root), "used twice"},
		"bucket, inline":       {field(root, udpValue, 8, 0), "inline page"},
		"bucket name":          {func(image []byte) { image[int(root)*pageSize+udpValue-1] = 'q' }, "unexpected entry"},
		"record, one bit":      {func(image []byte) { flipInRecord(image, leafPage) }, "wrong checksum"},
		"record gone":          {func(image []byte) { dropElement(image, leafPage) }, ""},
		"truncated":            {nil, "too short"},
		"other byte order":     {func(image []byte) { swapMagic(image) }, "other byte order"},
		"older tree, forged":   {one(48, 8, live.txid), ""},
		"transaction and tree": {func(image []byte) { bothTransactions(image, 2) }, "leads to a tree of"},
	} {
		spoiled := bytes.Clone(image)
		if test.spoil == nil {
			spoiled = spoiled[:100]
		} else {
			test.spoil(spoiled)
		}
		if bytes.Equal(spoiled, image) {
			continue // nothing to forge here
		}
		r, err := readBytes(spoiled)
		if err == nil && r.torn != nil {
			continue // the other meta page is sound, and the file does not count alone
		}
		require.Error(t, err, name)
		require.Contains(t, err.Error(), test.want, name)
	}
}

func findPage(t testing.TB, image []byte, flag uint16) uint64 {
	t.Helper()
	for id := uint64(firstDataPage); id < uint64(len(image)/pageSize); id++ {
		if order.Uint16(image[id*pageSize+8:]) == flag && order.Uint16(image[id*pageSize+10:]) > 3 {
			return id
		}
	}
	for id := uint64(firstDataPage); id < uint64(len(image)/pageSize); id++ {
		if order.Uint16(image[id*pageSize+8:]) == flag && order.Uint16(image[id*pageSize+10:]) > 1 {
			return id
		}
	}
	t.Fatalf("no page of kind %#x", flag)
	return 0
}

func flipInRecord(image []byte, page uint64) {
	at := image[page*pageSize:]
	position := order.Uint32(at[pageHeaderSize+4:])
	at[pageHeaderSize+position+12] ^= 1
}

// dropElement makes a leaf one record shorter, in a way that no structure shows.
func dropElement(image []byte, page uint64) {
	count := order.Uint16(image[page*pageSize+10:])
	putField(image, page, 10, 2, uint64(count-1))
}

func swapMagic(image []byte) {
	for page := range 2 {
		magic := image[page*pageSize+pageHeaderSize:][:4]
		magic[0], magic[1], magic[2], magic[3] = magic[3], magic[2], magic[1], magic[0]
	}
}

// bothTransactions makes both meta pages later; an even difference leaves each in its slot.
func bothTransactions(image []byte, by uint64) {
	for page := range uint64(2) {
		was := order.Uint64(image[int(page)*pageSize+pageHeaderSize+48:])
		putField(image, page, pageHeaderSize+48, 8, was+by)
		sumMeta(image, int(page))
	}
}

// What bbolt's own tools write, a free list included, is read as well; and what was read is what
// was written.
func TestReadsWhatBoltWrites(t *testing.T) {
	image, c := soundFile(t, 400)
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, image, 0o600))
	database, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: time.Second})
	require.NoError(t, err)
	require.NoError(t, database.Update(func(tx *bolt.Tx) error { return putAll(tx, c.header(), nil, 0.5) }))
	require.NoError(t, database.Close())
	image, err = os.ReadFile(path)
	require.NoError(t, err)
	metas, _, err := readMetas(image)
	require.NoError(t, err)
	require.NotEqual(t, uint64(noFreelist), newer(metas).freelist)
	r, err := readBytes(image)
	require.NoError(t, err)
	require.Equal(t, c.header(), r.header)
	require.Equal(t, c.image(), r.content.image())
}

// A newer format is refused as such, not as damage, and nothing is repaired with an older copy.
func TestNewerVersion(t *testing.T) {
	directory := filepath.Join(t.TempDir(), "private")
	path := filepath.Join(directory, "berth.db")
	require.NoError(t, Create(t.Context(), path, nil))
	database, err := bolt.Open(path, 0o600, nil)
	require.NoError(t, err)
	require.NoError(t, database.Update(func(tx *bolt.Tx) error {
		bucket := tx.Bucket([]byte(bucketMeta))
		value := bytes.Clone(bucket.Get([]byte(keyHeader)))
		value[0] = formatVersion + 1
		return bucket.Put([]byte(keyHeader), seal(spaceMeta, []byte(keyHeader), value[:len(value)-checksumSize]))
	}))
	require.NoError(t, database.Close())
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	for _, readOnly := range []bool{false, true} {
		_, err = Open(t.Context(), path, &Options{ReadOnly: readOnly})
		require.ErrorIs(t, err, ErrVersion)
		require.NotErrorIs(t, err, ErrDamaged)
	}
	require.ErrorIs(t, Restore(t.Context(), path, path+copySuffix), ErrVersion)
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, before, after)
}

// The digest does not depend on order, and an entry taken away takes its part away.
func TestDigest(t *testing.T) {
	a := digestOf(1, pool.UDP, []byte{1, 2}, []byte("value of seventeen"))
	b := digestOf(1, pool.TCP, []byte{1, 2}, []byte("value of seventeen"))
	require.NotEqual(t, a, b)
	require.Equal(t, a.plus(b), b.plus(a))
	require.Equal(t, a, a.plus(b).minus(b))
	seen := map[digest]string{}
	for lineage := range uint64(3) {
		for length := range 40 {
			for bit := range 8*length + 1 {
				value := make([]byte, length)
				if bit > 0 {
					value[(bit-1)/8] = 1 << ((bit - 1) % 8)
				}
				name := fmt.Sprint(lineage, length, bit)
				d := digestOf(lineage, pool.UDP, []byte{0, 1}, value)
				require.Empty(t, seen[d], name)
				seen[d] = name
			}
		}
	}
}

// The numbers of the format do not depend on the computer.
func TestKnownEncodings(t *testing.T) {
	e := entry{reservation.Record{
		Protocol: pool.UDP, Range: pool.MustParseRange("50000-50099"), Kind: reservation.Exclusion, Store: reservation.ActiveStore,
		Serial: 7, Label: "hi", Created: time.Unix(1, 2).UTC(),
	}, 9}
	require.Equal(t, "0103"+"01"+"c3b3"+"0000000000000009"+"0000000000000007"+"0000000000000001"+"00000002"+"02"+"6869"+"efd3b05b",
		fmt.Sprintf("%x", e.encode()))
	require.Equal(t, uint32(0xe3069283), checksum('1', []byte("2345678"), []byte("9")), "the check value of CRC-32C")
	require.Equal(t, digest{0xff08ce4334512789, 0x917161d9acb4a21a}, digestOf(3, pool.UDP, e.key(), e.encode()))
	require.Equal(t, binary.BigEndian.Uint16(e.key()), uint16(50000))
}
