package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Backup writes the store's content to a new file at to, whole, durable and verified, while the
// store may be in use. The backup is one file in the store's own format; it holds the boot's secret,
// so it is readable by its owner alone. It returns ErrExist if to is there already.
func Backup(ctx context.Context, path, to string) error {
	if err := backup(ctx, path, to); err != nil {
		return fmt.Errorf("back up store: %w", err)
	}
	return nil
}

func backup(ctx context.Context, path, to string) (err error) {
	s, err := Open(ctx, path, &Options{ReadOnly: true, AllowNetworkFilesystem: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	directoryPath, name, err := locate(to)
	if err != nil {
		return err
	}
	// A backup may go to any directory, a shared one or one on a server: it is made with a new name
	// and never opened in place.
	d, err := openAnyDirectory(directoryPath)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	for _, name := range []string{name, name + newSuffix} { // the directory is not ours: nothing there is removed
		if there, err := d.exists(name); err != nil {
			return err
		} else if there {
			return fmt.Errorf("%w: %s; choose another name or remove it", ErrExist, d.file(name))
		}
	}
	temporary, err := writeNew(d, name, s.content.Load())
	if err != nil {
		return err
	}
	if err := linkNew(d, temporary, name); err != nil {
		return errors.Join(err, d.remove(temporary))
	}
	return nil
}

// Restore makes the store at path hold what the backup at from holds, under a new lineage. The
// backup is verified before anything is changed, and the former files are kept beside the store
// under quarantine names. A crash meanwhile leaves the former content or the restored one, whole.
// Restore makes the directory and a store where there is none.
//
// Errors: a *DamageError if the backup is damaged; a *BusyError if another process holds the store;
// and those of [Open] about the path.
func Restore(ctx context.Context, path, from string) error {
	if err := restore(ctx, path, from); err != nil {
		return fmt.Errorf("restore store: %w", err)
	}
	return nil
}

func restore(ctx context.Context, path, from string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c, err := readBackup(from)
	if err != nil {
		return err
	}
	return install(ctx, path, c)
}

// readBackup reads and verifies a single file.
func readBackup(path string) (_ *content, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, unsafePath(path, "is not a regular file", "name the file that berth store backup wrote")
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	r, err := readFile(file, info.Size(), true)
	var damage *Damage
	if errors.As(err, &damage) || err == nil && r.torn != nil {
		if damage == nil {
			damage = r.torn
		}
		damage.Path = path
		return nil, &DamageError{Damages: []Damage{*damage}, Advice: "nothing was changed; take another backup, or see what berth store salvage can read of it"}
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r.content, nil
}

// install makes c the content of the store at path, whatever was there, under a new lineage and a
// generation that outranks what was there.
func install(ctx context.Context, path string, c *content) error {
	lineage, err := newLineage(nil)
	if err != nil {
		return err
	}
	options := (*Options)(nil).orDefault()
	return withLock(ctx, path, options, true, func(d *directory, lock *lockFile, name string) error {
		generation, err := lastGeneration(d, names(name))
		if err != nil {
			return err
		}
		fresh := c.renewed(lineage, max(generation, c.generation)+1)
		var temporary [2]string
		for i, name := range names(name) {
			if temporary[i], err = writeNew(d, name, fresh); err != nil {
				return err // the next one to hold the lock removes what was written
			}
		}
		// One after the other: while one is being replaced the other is whole.
		for i, name := range names(name) {
			if err := exchange(d, temporary[i], name); err != nil {
				return err
			}
		}
		return lock.markInitialised()
	})
}

// lastGeneration returns the highest generation of the files that can be read, 0 if none can.
func lastGeneration(d *directory, names [2]string) (generation uint64, err error) {
	for _, name := range names { // a crash may have left a second name of a file that was being created
		if err := d.remove(name + newSuffix); err != nil {
			return 0, err
		}
	}
	findings, err := examine(d, names, os.O_RDONLY, nil)
	if err != nil {
		return 0, err
	}
	closeFindings(findings)
	for _, f := range findings {
		if f.reading != nil {
			generation = max(generation, f.reading.header.generation)
		}
	}
	return generation, nil
}

// exchange gives a new file its name; the file that had it is kept aside.
func exchange(d *directory, temporary, name string) error {
	if _, err := d.quarantine(name, time.Now()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return d.replace(temporary, name)
}

// openAnyDirectory opens a directory whoever may write to it.
func openAnyDirectory(path string) (*directory, error) {
	root, err := os.OpenRoot(filepath.Clean(path))
	if err != nil {
		return nil, err
	}
	handle, err := root.Open(".")
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return &directory{root, handle, path}, nil
}
