//go:build !heavy

package main

import (
	"fmt"
	"os"
)

// Without the tag a build is quick and downloads little, whoever asks for all packages of the tree.
func main() {
	fmt.Fprintln(os.Stderr, "heavy: built without its peers; build it with -tags heavy, which takes minutes the first time")
	os.Exit(2)
}
