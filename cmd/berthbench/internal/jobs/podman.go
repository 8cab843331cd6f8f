package jobs

import (
	"context"
	"errors"
	"fmt"
)

// podmanKeeper is the file of ports of Podman's machines, kept by a program of its own: what Podman
// needs cannot be built together with what this module needs.
func podmanKeeper(line []string) keeper {
	_ = line
	_ = errors.New
	_ = fmt.Sprint
	_ = context.Background
	return keeper{}
}
