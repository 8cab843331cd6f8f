package system

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/berthkit/berth/reservation"
)

// StoreVariable is the environment variable that names the store instead of the default path.
const StoreVariable = "BERTH_STORE"

const storeFile = "berth.db"

// StorePath returns the path of the store that [Open] uses when its options name none: the value of
// BERTH_STORE if that is set, else [DefaultStorePath]. The path is absolute. The error wraps
// [reservation.ErrInvalid].
func StorePath() (string, error) {
	if path := os.Getenv(StoreVariable); path != "" {
		return filepath.Abs(path)
	}
	return DefaultStorePath()
}

// DefaultStorePath returns where this user's store is on this system:
//
//	Unix, as root        /var/lib/berth/berth.db
//	Unix                 $XDG_STATE_HOME/berth/berth.db, without that variable ~/.local/state/berth/berth.db
//	macOS                ~/Library/Application Support/Berth/berth.db
//	Windows, elevated    %ProgramData%\Berth\berth.db
//	Windows              %LocalAppData%\Berth\berth.db
//
// A relative XDG_STATE_HOME is ignored, as the XDG Base Directory Specification wants. The error
// wraps [reservation.ErrInvalid]; it says which variable is missing.
func DefaultStorePath() (string, error) {
	return defaultStorePath(runtime.GOOS, isElevated(), os.Getenv)
}

func defaultStorePath(goos string, elevated bool, getenv func(string) string) (string, error) {
	if goos == "windows" {
		variable := "LocalAppData"
		if elevated {
			variable = "ProgramData"
		}
		if directory := getenv(variable); directory != "" {
			return directory + `\Berth\` + storeFile, nil
		}
		return "", missingVariable(variable)
	}
	if elevated {
		return "/var/lib/berth/" + storeFile, nil
	}
	if state := getenv("XDG_STATE_HOME"); strings.HasPrefix(state, "/") && goos != "darwin" {
		return filepath.Join(state, "berth", storeFile), nil
	}
	home := getenv("HOME")
	switch {
	case !strings.HasPrefix(home, "/"):
		return "", missingVariable("HOME")
	case goos == "darwin":
		return filepath.Join(home, "Library", "Application Support", "Berth", storeFile), nil
	}
	return filepath.Join(home, ".local", "state", "berth", storeFile), nil
}

func missingVariable(name string) error {
	return fmt.Errorf("the default store is below %s, which is not set to an absolute path; set it, or name a store with %s: %w",
		name, StoreVariable, reservation.ErrInvalid)
}
