package supervise

import (
	"runtime"
	"slices"

	"golang.org/x/sys/unix"
)

// A calling convention is one of the ways in which programs of a processor call the kernel, and the
// numbers that bind and listen have in it.
type convention struct {
	arch       uint32
	binds      []uint32
	listens    []uint32
	socketCall uint32 // the call of all socket calls, of 32-bit x86; 0 if there is none
}

// What the first argument of socketcall means: <linux/net.h>.
const (
	socketCallBind   = 2
	socketCallListen = 4
)

// x32 marks the numbers of x86-64 programs with 32-bit pointers, <asm/unistd.h>.
const x32 = 0x40000000

// conventions lists those of each processor, the native one first. A program of the other one is as
// much a child of the command, so its calls are stopped as well.
var conventions = map[string][]convention{
	"amd64": {
		{arch: unix.AUDIT_ARCH_X86_64, binds: []uint32{49, 49 | x32}, listens: []uint32{50, 50 | x32}},
		{arch: unix.AUDIT_ARCH_I386, binds: []uint32{361}, listens: []uint32{363}, socketCall: 102},
	},
	"arm64": {
		{arch: unix.AUDIT_ARCH_AARCH64, binds: []uint32{200}, listens: []uint32{201}},
		{arch: unix.AUDIT_ARCH_ARM, binds: []uint32{282}, listens: []uint32{284}},
	},
}

// canSupervise reports whether this processor's system calls are known.
func canSupervise() bool { return len(conventions[runtime.GOARCH]) > 0 }

// Where the filter finds things: offsets into struct seccomp_data of <linux/seccomp.h>.
const (
	offsetNumber        = 0
	offsetArch          = 4
	offsetFirstArgument = 16 // its low half, on the little-endian processors that conventions lists
)

// newFilter returns the program that the kernel runs at each system call: it stops bind and listen
// and lets all others pass after a few comparisons.
func newFilter(conventions []convention) []unix.SockFilter {
	stop := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_USER_NOTIF}
	allow := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW}

	filter := []unix.SockFilter{load(offsetArch)}
	for _, c := range conventions {
		body := append([]unix.SockFilter{load(offsetNumber)}, stopAny(append(c.binds, c.listens...), stop)...)
		if c.socketCall != 0 {
			inner := append([]unix.SockFilter{load(offsetFirstArgument)}, stopAny([]uint32{socketCallBind, socketCallListen}, stop)...)
			body = append(body, skipUnless(c.socketCall, len(inner)))
			body = append(body, inner...)
		}
		body = append(body, allow)
		filter = append(filter, skipUnless(c.arch, len(body)))
		filter = append(filter, body...)
	}
	return append(filter, allow)
}

func load(offset uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
}

// skipUnless goes on with the next instruction if the loaded word is value, and skips count otherwise.
func skipUnless(value uint32, count int) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: uint8(count), K: value}
}

// stopAny stops the call if the loaded word is one of values.
func stopAny(values []uint32, stop unix.SockFilter) []unix.SockFilter {
	var filter []unix.SockFilter
	for _, value := range values {
		filter = append(filter, skipUnless(value, 1), stop)
	}
	return filter
}

// isBind reports whether number is that of bind.
func (c convention) isBind(number uint32) bool { return slices.Contains(c.binds, number) }
