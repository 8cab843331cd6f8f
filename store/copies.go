package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime/debug"
	"time"

	bolt "go.etcd.io/bbolt"
)

// A store has two files with the same content. Either repairs the other.
const (
	copySuffix = ".copy" // the second file
	newSuffix  = ".new"  // a file that is being written and takes the other's name when it is whole
)

const (
	boltDeadline = 10 * time.Second // for bbolt to open a file of at most MaxSize that was verified
	allocateStep = 256 << 10        // bytes that a file grows by
	fillPercent  = 0.9              // of the pages of a file written anew, which leaves room for a few records
)

// A copyFile is one of the two files, open, verified and, since the first commit, in bbolt's hands.
type copyFile struct {
	directory *directory
	name      string
	file      *os.File    // bbolt's file as well: locked and mapped is the inode that was verified
	info      fs.FileInfo // as it was read: which file it is, and when it was written last
	size      int64       // after our last write
	metas     metaBytes   // after our last write
	database  *bolt.DB    // nil before the first commit
	dead      bool        // the database panicked
}

// openCopy opens and checks a file. Nothing is read yet.
func openCopy(d *directory, name string, flags int) (*copyFile, error) {
	file, err := d.open(name, flags)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &copyFile{directory: d, name: name, file: file, info: info}, nil
}

func (c *copyFile) path() string { return c.directory.file(c.name) }

// read reads and verifies the whole file, and keeps its content if it is asked to.
func (c *copyFile) read(keep bool) (*reading, error) {
	info, err := c.file.Stat()
	if err != nil {
		return nil, err
	}
	c.info = info
	r, err := readFile(c.file, info.Size(), keep)
	if err == nil {
		err = c.remember()
	}
	var damage *Damage
	if errors.As(err, &damage) {
		damage.Path = c.path()
	} else if err == nil && r.torn != nil {
		r.torn.Path = c.path()
	} else if err != nil {
		err = fmt.Errorf("%s: %w", c.path(), err)
	}
	return r, err
}

// remember notes what nobody else may change until our next write.
func (c *copyFile) remember() (err error) {
	// Seeking asks for the size alone. Stat would ask for the time as well, and Linux answers that with
	// a finer time stamp at the next write, which costs it a fifth of a commit.
	if c.size, err = c.file.Seek(0, io.SeekEnd); err != nil {
		return err
	}
	return c.metas.read(c.file)
}

// unchanged reports an error if the path no longer leads to this file, if the file has got another
// name, if it has another size, or if its meta pages are not those of our last commit. bbolt would go
// on writing into a file that nobody can find any more, or over what another program committed. Other
// pages are not looked at: damage there is found at the next open, and put right from the other file.
//
// Before bbolt opens the file nobody at all may have written to it since it was verified: what bbolt
// then meets it reads in goroutines of its own, whose panics nobody can catch.
func (c *copyFile) unchanged() error {
	same, size, err := glance(c.path(), c.file, c.info)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("the file was removed: %w", err)
	case err != nil:
		return err
	case !same:
		return fmt.Errorf("%s was replaced by another file", c.path())
	case size != c.size:
		return fmt.Errorf("%s had %d bytes after the last commit and has %d now", c.path(), c.size, size)
	}
	var now metaBytes
	if err := now.read(c.file); err != nil {
		return err
	}
	written := now != c.metas
	if c.database == nil {
		info, err := c.file.Stat()
		if err != nil {
			return err
		}
		written = written || !sameStamp(info, c.info)
	}
	if written {
		return fmt.Errorf("%s was changed by somebody else", c.path())
	}
	return nil
}

// metaBytes is both meta pages, as far as the second says something.
type metaBytes [pageSize + pageHeaderSize + metaSize]byte

func (m *metaBytes) read(file *os.File) error {
	_, err := file.ReadAt(m[:], 0)
	return err
}

// write commits the writes and the header in one transaction, which is in the file afterwards but not
// yet on disk. What was there before must be on disk already: see Store.writeBoth. A panic or a memory
// fault inside bbolt comes back as an error; the copyFile must be abandoned after any error.
func (c *copyFile) write(h header, writes []write) error {
	if err := failpoint("before-write", c.name); err != nil {
		return err
	}
	if c.database == nil {
		database, err := openDatabase(c.file, boltOptions())
		if err != nil {
			return err
		}
		c.database = database
	}
	err := guard(func() error { return c.update(h, writes) })
	if err != nil {
		c.dead = errors.Is(err, errPanicked)
	}
	return err
}

// flush makes what was written durable.
func (c *copyFile) flush() error {
	if err := failpoint("before-sync", c.name); err != nil {
		return err
	}
	if err := c.database.Sync(); err != nil {
		return fmt.Errorf("flush %s: %w", c.path(), err)
	}
	if err := failpoint("after-sync", c.name); err != nil {
		return err
	}
	return c.remember()
}

// update is bbolt's Update, but for a panic: Update rolls the transaction back then, for which bbolt
// reads the whole file in a goroutine of its own, and what made the first panic makes a second one
// there, which nobody can catch. A transaction that panicked is left as it is, with its database.
func (c *copyFile) update(h header, writes []write) error {
	tx, err := c.database.Begin(true)
	if err != nil {
		return err
	}
	err = putAll(tx, h, writes, bolt.DefaultFillPercent)
	if err == nil {
		err = failpoint("in-transaction", c.name)
	}
	if err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

func putAll(tx *bolt.Tx, h header, writes []write, fill float64) error {
	for _, w := range writes {
		bucket := tx.Bucket([]byte(bucketName(w.space)))
		if bucket == nil {
			return fmt.Errorf("bucket %s is missing", bucketName(w.space))
		}
		bucket.FillPercent = fill
		var err error
		if w.value == nil {
			err = bucket.Delete(w.key)
		} else {
			err = bucket.Put(w.key, w.value)
		}
		if err != nil {
			return err
		}
	}
	return tx.Bucket([]byte(bucketMeta)).Put([]byte(keyHeader), h.encode(uint64(tx.ID())))
}

// close gives the file back. After an error of bbolt use abandon.
func (c *copyFile) close() error {
	if c.dead {
		c.abandon()
		return nil
	}
	file, database := c.file, c.database
	c.file, c.database = nil, nil
	switch {
	case database != nil:
		return guard(database.Close)
	case file != nil:
		return file.Close()
	}
	return nil
}

// abandon lets go of a file after an error. A bbolt that panicked died holding its own locks, so its
// Close would wait for ever: its map of the file is given up, and the file is unlocked and closed
// beneath it.
func (c *copyFile) abandon() {
	if c.database == nil || c.dead {
		_ = unlock(c.file)
		_ = c.file.Close()
	} else {
		_ = guard(c.database.Close)
	}
	c.file, c.database, c.dead = nil, nil, false
}

func boltOptions() bolt.Options {
	return bolt.Options{
		Timeout:        2 * time.Second,
		FreelistType:   bolt.FreelistMapType,
		NoFreelistSync: true, // what is not in the file cannot be damaged; it is found anew at open
		PageSize:       pageSize,
		MaxSize:        MaxSize,
		NoStatistics:   true,
		NoSync:         true, // we flush once, when all is written
	}
}

// openDatabase lets bbolt open exactly this file: its inode, not its name. bbolt is given a
// deadline, and its panics and faults come back as errors.
func openDatabase(file *os.File, options bolt.Options) (*bolt.DB, error) {
	options.OpenFile = func(string, int, os.FileMode) (*os.File, error) { return file, nil }
	type result struct {
		database *bolt.DB
		err      error
	}
	opened := make(chan result, 1)
	go func() {
		var r result
		r.err = guard(func() (err error) {
			r.database, err = bolt.Open(file.Name(), 0o600, &options)
			return err
		})
		opened <- r
	}()
	timer := time.NewTimer(boltDeadline)
	defer timer.Stop()
	select {
	case r := <-opened:
		if r.err != nil {
			return nil, fmt.Errorf("bbolt cannot open %s: %w", file.Name(), r.err)
		}
		r.database.AllocSize = allocateStep
		return r.database, nil
	case <-timer.C:
		return nil, fmt.Errorf("bbolt did not open %s within %v", file.Name(), boltDeadline)
	}
}

var errPanicked = errors.New("bbolt panicked")

// guard turns a panic of f, and a fault on a mapped page, into an error.
func guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errPanicked, p)
		}
	}()
	return f()
}

// writeNew writes a whole file of that content, durable and verified, under a temporary name, and
// returns that name. Its directory entry is not durable yet.
func writeNew(d *directory, name string, c *content) (string, error) {
	temporary := name + newSuffix
	if err := writeContent(d, temporary, c); err != nil {
		return "", errors.Join(fmt.Errorf("write %s: %w", d.file(temporary), err), d.remove(temporary))
	}
	return temporary, nil
}

func writeContent(d *directory, name string, c *content) error {
	if err := failpoint("create-file", name); err != nil {
		return err
	}
	file, err := d.create(name)
	if err != nil {
		return err
	}
	database, err := openDatabase(file, boltOptions())
	if err != nil {
		return errors.Join(err, file.Close())
	}
	err = guard(func() error { return fill(database, c) })
	if err == nil {
		err = failpoint("file-sync", name)
	}
	if err == nil {
		err = database.Sync()
	}
	if err := errors.Join(err, guard(database.Close)); err != nil {
		return err
	}
	return verifyContent(d, name, c)
}

func fill(database *bolt.DB, c *content) error {
	return database.Update(func(tx *bolt.Tx) error {
		for _, name := range bucketNames {
			if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
				return err
			}
		}
		return putAll(tx, c.header(), c.writes(), fillPercent)
	})
}

// verifyContent reads a file back and compares.
func verifyContent(d *directory, name string, c *content) error {
	written, err := openCopy(d, name, os.O_RDONLY)
	if err != nil {
		return err
	}
	r, err := written.read(false)
	if err := errors.Join(err, written.file.Close()); err != nil {
		return err
	}
	if r.torn != nil || r.header != c.header() {
		return fmt.Errorf("%s does not hold what was written to it", written.path())
	}
	return nil
}
