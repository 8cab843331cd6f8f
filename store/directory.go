package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// A directory is the opened directory that a store lies in. Everything happens relative to the
// handle, so renaming or replacing a part of the path cannot lead a later step elsewhere.
type directory struct {
	root   *os.Root
	handle *os.File // the same directory, for what os.Root does not do
	path   string   // as given, for messages and to see whether it still leads here
}

// openDirectory opens and checks the directory at path, which must exist.
func openDirectory(path string, allowNetwork bool) (*directory, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	handle, err := root.Open(".")
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	d := &directory{root, handle, path}
	info, err := handle.Stat()
	if err == nil {
		err = checkDirectory(path, info)
	}
	if err == nil && !allowNetwork {
		err = d.checkFilesystem()
	}
	if err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

// makeDirectory makes the directory at path and those above it that are missing, for the owner
// alone whatever the umask.
func makeDirectory(path string) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if parent := filepath.Dir(path); parent != path {
		if err := makeDirectory(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return os.Chmod(path, 0o700)
}

func (d *directory) checkFilesystem() error {
	name, err := networkFilesystem(d.handle)
	if err != nil {
		return fmt.Errorf("ask for the file system of %s: %w", d.path, err)
	}
	if name != "" {
		return unsafePath(d.path, "is on "+name+", where locks and flushes are not dependable",
			"use a directory on a local disk, or allow network file systems explicitly")
	}
	return nil
}

func (d *directory) close() error { return errors.Join(d.handle.Close(), d.root.Close()) }

// file returns the full path of a name in the directory, for messages.
func (d *directory) file(name string) string { return filepath.Join(d.path, name) }

// exists reports whether a name is there, whatever it names: a dangling link counts.
func (d *directory) exists(name string) (bool, error) {
	_, err := d.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// open opens a regular file of ours without following links or waiting for a FIFO, and checks it.
// links is how many names the file may have.
func (d *directory) open(name string, flags int) (*os.File, error) {
	before, err := d.root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if err := checkFile(d.file(name), before); err != nil {
		return nil, err
	}
	file, err := d.root.OpenFile(name, flags|openFlags, 0)
	if err != nil {
		return nil, err
	}
	after, err := file.Stat()
	if err == nil {
		err = checkFile(d.file(name), after)
	}
	if err == nil && !os.SameFile(before, after) {
		err = unsafePath(d.file(name), "was replaced while it was opened", "find out by what, and try again")
	}
	if err == nil {
		err = checkLinks(d.file(name), file, after)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// checkFile refuses what is not a regular file of ours.
func checkFile(path string, info fs.FileInfo) error {
	switch mode := info.Mode(); {
	case mode&fs.ModeSymlink != 0:
		return unsafePath(path, "is a symbolic link", "name the file that it leads to")
	case mode.IsDir():
		return unsafePath(path, "is a directory", "name a file in it, such as "+filepath.Join(path, "berth.db"))
	case !mode.IsRegular():
		return unsafePath(path, "is not a regular file", "name another path")
	}
	return checkOwner(path, info, "chmod 600 "+path)
}

func checkDirectory(path string, info fs.FileInfo) error {
	return checkOwner(path, info, "use a directory of your own, or chmod go-w "+path)
}

// create makes a new file for the owner alone, whatever the umask. Whatever has the name is
// removed first: names that are created are this package's own, and its lock is held.
func (d *directory) create(name string) (*os.File, error) {
	if err := d.remove(name); err != nil {
		return nil, err
	}
	file, err := d.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL|openFlags, 0o600)
	if err != nil {
		return nil, err
	}
	if err := restrict(file); err != nil {
		return nil, errors.Join(err, file.Close(), d.remove(name))
	}
	return file, nil
}

// remove removes a name, if it is there.
func (d *directory) remove(name string) error {
	if err := d.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// replace gives a file another name, instead of what had that name, and makes it durable.
func (d *directory) replace(from, to string) error {
	if err := failpoint("rename", to); err != nil {
		return err
	}
	if err := d.root.Rename(from, to); err != nil {
		return err
	}
	return d.sync()
}

// sync makes changes of names durable.
func (d *directory) sync() error {
	if err := failpoint("directory-sync", d.path); err != nil {
		return err
	}
	return syncDirectory(d.handle)
}

// quarantine moves a file out of the way, to a name that says when, and returns the new name.
// Nothing is ever overwritten: a taken name is passed over.
func (d *directory) quarantine(name string, now time.Time) (string, error) {
	stamp := name + ".damaged-" + now.UTC().Format("20060102T150405Z")
	aside := stamp
	for i := 2; ; i++ {
		taken, err := d.exists(aside)
		if err != nil {
			return "", err
		}
		if !taken {
			return aside, d.replace(name, aside)
		}
		aside = fmt.Sprintf("%s-%d", stamp, i)
	}
}

func severalNames(path string, names uint64) error {
	return unsafePath(path, fmt.Sprintf("has %d names (hard links)", names), "remove the other names or copy the file")
}

// glanceByStat is glance by what the standard library offers.
func glanceByStat(path string, file *os.File, opened fs.FileInfo) (same bool, size int64, err error) {
	now, err := os.Lstat(path)
	if err != nil {
		return false, 0, err
	}
	size = now.Size()
	if runtime.GOOS == "windows" { // which brings sizes in a directory up to date when a file is closed
		if size, err = file.Seek(0, io.SeekEnd); err != nil {
			return false, 0, err
		}
	}
	return os.SameFile(now, opened), size, checkLinks(path, file, now)
}
