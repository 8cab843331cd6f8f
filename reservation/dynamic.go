package reservation

import (
	"fmt"

	"github.com/berthkit/berth/pool"
)

// Limits of a dynamic range.
//
// Source: Microsoft KB929851, "The default dynamic port range for TCP/IP has changed".
const (
	MinDynamicFirst = 1025 // lowest first port
	MinDynamicCount = 255  // fewest ports
)

// DefaultDynamic is the dynamic range of either protocol unless another is set.
var DefaultDynamic = pool.MustParseRange("49152-65535")

// ValidateDynamic reports whether r may be a dynamic range. The error wraps ErrInvalid.
func ValidateDynamic(r Range) error {
	switch {
	case !r.IsValid():
		return fmt.Errorf("%w: a dynamic range without ports", ErrInvalid)
	case r.First() < MinDynamicFirst:
		return fmt.Errorf("%w: the dynamic range %s starts below port %d", ErrInvalid, r, MinDynamicFirst)
	case r.Count() < MinDynamicCount:
		return fmt.Errorf("%w: the dynamic range %s has %d ports, at least %d are needed", ErrInvalid, r, r.Count(), MinDynamicCount)
	}
	return nil
}
