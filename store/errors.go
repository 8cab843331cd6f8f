package store

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// The conditions that a store's calls end in, beside those of package reservation (ErrStale,
// ErrInvalid, ErrDenied, ErrClosed) and those of the operating system. The text of every error
// starts with its condition.
var (
	// ErrMissing is a path where no store is and nothing says that one ever was. It wraps fs.ErrNotExist.
	ErrMissing = fmt.Errorf("no store here: %w", fs.ErrNotExist)
	// ErrExist is a path where a store cannot be created because one is or was there. It wraps fs.ErrExist.
	ErrExist = fmt.Errorf("a store is already here: %w", fs.ErrExist)
	// ErrDamaged is a store whose bytes cannot be trusted. It comes as a [*DamageError].
	ErrDamaged = errors.New("damaged")
	// ErrBusy is a store that another process, or another Open of this one, holds. It comes as a [*BusyError].
	ErrBusy = errors.New("busy")
	// ErrUnsafePath is a path that others could tamper with or that a store must not be on: a
	// symbolic link, a hard link, a device, another user's file, a directory that others may write,
	// a network file system.
	ErrUnsafePath = errors.New("unsafe path")
	// ErrFailed is a store whose files could not be written and could not be replaced by new ones.
	// It is read-only until a later Commit manages to replace them.
	ErrFailed = errors.New("store failed")
	// ErrVersion is a file that a newer version of this program wrote, or a computer of the other
	// byte order. It is left untouched.
	ErrVersion = errors.New("version")
	// ErrTooLarge is a file of more than [MaxSize] bytes, or a commit that would make it one.
	ErrTooLarge = errors.New("too large")
)

// A Damage is one thing that is wrong with one file.
type Damage struct {
	Path  string `json:"path"`  // the file
	Where string `json:"where"` // the part of it: "meta page 1", "page 17", "record udp 50000"; empty for the whole file
	What  string `json:"what"`  // what is wrong there

	cause error // a further condition that holds: ErrVersion, ErrTooLarge
}

func (d Damage) String() string {
	if d.Where == "" {
		return d.Path + ": " + d.What
	}
	return d.Path + ": " + d.Where + ": " + d.What
}

// A DamageError tells what is damaged, where, and what to do. It wraps [ErrDamaged]. The files are
// as they were found.
type DamageError struct {
	Damages []Damage // what is wrong, file by file; never empty
	Advice  string   // what to do next
}

func (e *DamageError) Error() string {
	var b strings.Builder
	b.WriteString(ErrDamaged.Error())
	separator := ": "
	for _, damage := range e.Damages {
		b.WriteString(separator + damage.String())
		separator = "; "
	}
	if e.Advice != "" {
		b.WriteString("; " + e.Advice)
	}
	return b.String()
}

// Unwrap returns [ErrDamaged], and [ErrTooLarge] for a file that is damaged by being too large.
func (e *DamageError) Unwrap() []error {
	causes := []error{ErrDamaged}
	for _, damage := range e.Damages {
		if damage.cause != nil {
			causes = append(causes, damage.cause)
		}
	}
	return causes
}

// A BusyError tells who holds a store. It wraps [ErrBusy].
type BusyError struct {
	Path    string // the store
	PID     int    // the holder's process number; 0 if it could not be read
	Program string // the holder's program; empty if it could not be read
}

func (e *BusyError) Error() string {
	holder := "another process"
	switch {
	case e.PID != 0 && e.Program != "":
		holder = fmt.Sprintf("%s (pid %d)", e.Program, e.PID)
	case e.PID != 0:
		holder = fmt.Sprintf("process %d", e.PID)
	}
	return fmt.Sprintf("%v: %s is held by %s; wait for it to finish or stop it", ErrBusy, e.Path, holder)
}

// Unwrap returns [ErrBusy].
func (e *BusyError) Unwrap() error { return ErrBusy }

// damagef returns a finding without its path, which the caller that knows the file adds.
func damagef(where, format string, args ...any) *Damage {
	return &Damage{Where: where, What: fmt.Sprintf(format, args...)}
}

// Error makes a Damage travel as an error inside the package.
func (d *Damage) Error() string { return ErrDamaged.Error() + ": " + d.String() }

// Unwrap returns [ErrDamaged].
func (d *Damage) Unwrap() error { return ErrDamaged }

func unsafePath(path, reason, advice string) error {
	return fmt.Errorf("%w: %s %s; %s", ErrUnsafePath, path, reason, advice)
}
