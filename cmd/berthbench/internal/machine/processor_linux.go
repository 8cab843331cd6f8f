package machine

import (
	"bytes"
	"os"
	"strings"
)

// processor returns the name of the processor as the kernel gives it.
func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	return nameIn(text)
}

// nameIn finds the name in the text of /proc/cpuinfo, whose keys differ among architectures.
func nameIn(text []byte) string {
	for _, want := range []string{"model name", "cpu model", "Model", "Hardware"} {
		for line := range bytes.Lines(text) {
			key, value, found := strings.Cut(string(line), ":")
			if found && strings.TrimSpace(key) == want && strings.TrimSpace(value) != "" {
				return strings.TrimSpace(value)
			}
		}
	}
	return ""
}
