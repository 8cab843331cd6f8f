package command

import (
	"context"
	"errors"
	"io/fs"

	"github.com/berthkit/berth/cmd/berth/internal/netsh"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/store"
)

// The exit codes of berth. docs/commands.md lists them; they do not change.
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2
	exitDenied      = 3
	exitInUse       = 4
	exitNotFound    = 5
	exitDamaged     = 6
	exitBusy        = 7
	exitExhausted   = 8
	exitInterrupted = 130
)

// exitCodes maps conditions to exit codes. The first row that matches counts, so an error that wraps
// two conditions has its code by the order here.
var exitCodes = []struct {
	condition error
	code      int
}{
	{context.Canceled, exitInterrupted},
	{errUsage, exitUsage},
	{store.ErrDamaged, exitDamaged},
	{store.ErrBusy, exitBusy},
	{reservation.ErrExhausted, exitExhausted},
	{reservation.ErrNotFound, exitNotFound},
	{store.ErrMissing, exitNotFound},
	{reservation.ErrInUse, exitInUse},
	{reservation.ErrDenied, exitDenied},
	{reservation.ErrInvalid, exitUsage},
	{fs.ErrPermission, exitDenied},
}

// exitCode returns the exit code of an error, 0 for nil. The commands netsh and exec have exit codes of
// their own.
func exitCode(err error) int {
	if err == nil {
		return exitOK
	}
	var netshEnds *netshFailure
	if errors.As(err, &netshEnds) {
		return netsh.ExitCode(err)
	}
	var execEnds *execFailure
	if errors.As(err, &execEnds) {
		return execEnds.code()
	}
	var status programStatus
	if errors.As(err, &status) {
		return int(status)
	}
	for _, row := range exitCodes {
		if errors.Is(err, row.condition) {
			return row.code
		}
	}
	return exitFailure
}
