package machine

import (
	"fmt"

	"golang.org/x/sys/windows"
)

// release returns the name and the version of the system.
func release() string {
	version := windows.RtlGetVersion()
	return fmt.Sprintf("Windows %d.%d.%d", version.MajorVersion, version.MinorVersion, version.BuildNumber)
}
