package machine

import "golang.org/x/sys/unix"

// processor returns the name of the processor as the kernel gives it.
func processor() string {
	name, err := unix.Sysctl("hw.model")
	if err != nil {
		return ""
	}
	return name
}
