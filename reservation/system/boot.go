package system

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/berthkit/berth/reservation"
)

// ErrBootUnknown is what [BootID] returns, wrapped, where the system does not tell one boot from the
// next. Options.BootID helps there. It wraps [reservation.ErrUnsupported].
var ErrBootUnknown = fmt.Errorf("this system does not tell which boot it is in: %w", reservation.ErrUnsupported)

// BootID returns the identity of this computer's present boot. It stays the same until the computer
// restarts, and never comes back after. It comes from
//
//	Linux      /proc/sys/kernel/random/boot_id, which containers share with their host
//	macOS      sysctl kern.bootsessionuuid
//	Windows    the BootId that the kernel shows to every process, from Windows 10 on
//	BSD        sysctl kern.boottime; setting the clock moves it, which then counts as a new boot
//
// and starts with the name of its source. Elsewhere, and where the source is hidden, the error wraps
// [ErrBootUnknown].
func BootID() (string, error) {
	id, err := systemBootID()
	if err != nil && !errors.Is(err, ErrBootUnknown) {
		return "", fmt.Errorf("%w: %w", ErrBootUnknown, err)
	}
	return id, err
}

// bootUUID reads the UUID that Linux and macOS give a boot.
func bootUUID(source, text string) (string, error) {
	text = strings.ToLower(strings.TrimSpace(text))
	const form = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"
	valid := len(text) == len(form)
	for i := 0; valid && i < len(form); i++ {
		if form[i] == '-' {
			valid = text[i] == '-'
		} else {
			valid = strings.IndexByte("0123456789abcdef", text[i]) >= 0
		}
	}
	switch {
	case !valid:
		return "", fmt.Errorf("%w: %s says %.80q, which is no UUID", ErrBootUnknown, source, text)
	case strings.Trim(text, "0-") == "":
		return "", fmt.Errorf("%w: %s says the nil UUID", ErrBootUnknown, source)
	}
	return source + ":" + text, nil
}

// bootCount reads the counter that Windows increments at every boot.
func bootCount(source string, count uint32) (string, error) {
	if count == 0 {
		return "", fmt.Errorf("%w: %s is 0, as on Windows before 10", ErrBootUnknown, source)
	}
	return source + ":" + strconv.FormatUint(uint64(count), 10), nil
}

// bootTime reads the time of the boot. Whole seconds only: the fraction wanders while a clock is slewed.
func bootTime(source string, boot time.Time) (string, error) {
	if boot.Unix() <= 0 {
		return "", fmt.Errorf("%w: %s says %d", ErrBootUnknown, source, boot.Unix())
	}
	return source + ":" + strconv.FormatInt(boot.Unix(), 10), nil
}
