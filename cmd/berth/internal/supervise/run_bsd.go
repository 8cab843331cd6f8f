//go:build unix && !linux

package supervise

import "runtime"

func run(program *Program) (Status, error) {
	switch program.Access {
	case Passed:
		return runPassed(program)
	case Supervised:
		program.release(runtime.GOOS + " has no way to hand them over to a program as it is")
	case Released:
		program.release("")
	}
	return runPlain(program)
}
