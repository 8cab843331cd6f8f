package scenario

import (
	"bytes"
	"context"
	"strings"

	"github.com/berthkit/berth/cmd/berth/internal/netsh"
)

// netshCommands is netsh as the process runs it.
var netshCommands = []*command{
	{name: "netsh", acts: byProcess, params: "interface ipv4|ipv6 ...", about: "exclusions and the dynamic range, as in Windows' own program", most: -1, run: runNetsh},
}

func runNetsh(c *call) (*Result, error) {
	args := make([]string, 0, len(c.arguments))
	for _, word := range c.arguments {
		args = append(args, word.Text)
	}
	var printed bytes.Buffer
	shell := netsh.Shell{
		Lend:   netsh.On(c.process.Process),
		Output: &printed,
		Policy: netsh.Policy{HidePersistent: c.player.settings.machine.Netsh.HidePersistent},
	}
	result := &Result{value: "exit 0", err: shell.Run(context.Background(), args)}
	if netsh.ExitCode(result.err) != 0 {
		result.refusal = "exit 1"
	}
	result.Output = lines(strings.ReplaceAll(printed.String(), "\r\n", "\n"))
	return result, nil
}
