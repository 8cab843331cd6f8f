package reservation

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

// ValidateLabel reports whether label may name a reservation: at most 255 bytes of UTF-8 without
// control characters, so that it can be shown in a terminal and in a log as it is. The error wraps
// ErrInvalid.
func ValidateLabel(label string) error {
	if len(label) > MaxLabel {
		return fmt.Errorf("%w: the label has %d bytes, at most %d are allowed", ErrInvalid, len(label), MaxLabel)
	}
	if !utf8.ValidString(label) {
		return fmt.Errorf("%w: the label %q is not UTF-8", ErrInvalid, label)
	}
	for _, char := range label {
		// Format characters (Cf) include those that turn the direction of text around.
		if unicode.IsControl(char) || unicode.In(char, unicode.Cf, unicode.Zl, unicode.Zp) {
			return fmt.Errorf("%w: the label %q has the control character %U", ErrInvalid, label, char)
		}
	}
	return nil
}
