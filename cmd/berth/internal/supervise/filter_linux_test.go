package supervise

import (
	"encoding/binary"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// execute is what the kernel does with a filter: an interpreter of the four instructions that ours has.
func execute(t require.TestingT, filter []unix.SockFilter, number, arch uint32, argument uint64) uint32 {
	data := make([]byte, 64)
	binary.LittleEndian.PutUint32(data[offsetNumber:], number)
	binary.LittleEndian.PutUint32(data[offsetArch:], arch)
	binary.LittleEndian.PutUint64(data[offsetFirstArgument:], argument)
	var word uint32
	for at := 0; at < len(filter); at++ {
		switch instruction := filter[at]; instruction.Code {
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			word = binary.LittleEndian.Uint32(data[instruction.K:])
		case unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K:
			if word == instruction.K {
				at += int(instruction.Jt)
			} else {
				at += int(instruction.Jf)
			}
		case unix.BPF_RET | unix.BPF_K:
			return instruction.K
		default:
			require.Fail(t, "unknown instruction")
		}
	}
	require.Fail(t, "the filter has no end")
	return 0
}

func TestFilterStopsBindAndListenAlone(t *testing.T) {
	type row struct {
		processor    string
		arch         uint32
		bind, listen uint32 // as the tables of system calls have them
	}
	for _, r := range []row{
		{"amd64", unix.AUDIT_ARCH_X86_64, 49, 50},
		{"amd64", unix.AUDIT_ARCH_X86_64, 0x40000031, 0x40000032},
		{"amd64", unix.AUDIT_ARCH_I386, 361, 363},
		{"arm64", unix.AUDIT_ARCH_AARCH64, 200, 201},
		{"arm64", unix.AUDIT_ARCH_ARM, 282, 284},
	} {
		filter := newFilter(conventions[r.processor])
		stopped := map[uint32]bool{}
		for number := range uint32(1000) {
			for _, n := range []uint32{number, number | x32} {
				if execute(t, filter, n, r.arch, 0) == unix.SECCOMP_RET_USER_NOTIF {
					stopped[n] = true
				}
			}
		}
		require.True(t, stopped[r.bind] && stopped[r.listen], "%+v", r)
		if r.arch == unix.AUDIT_ARCH_X86_64 {
			require.Len(t, stopped, 4, "%+v", r)
		} else {
			require.Len(t, stopped, 2, "%+v", r)
		}
	}
	if conventions[runtime.GOARCH] != nil {
		native := conventions[runtime.GOARCH][0]
		require.EqualValues(t, unix.SYS_BIND, native.binds[0])
		require.EqualValues(t, unix.SYS_LISTEN, native.listens[0])
	}
}

// 32-bit x86 has one call for all that concerns sockets; the first argument says which is meant.
func TestFilterLooksIntoSocketCalls(t *testing.T) {
	filter := newFilter(conventions["amd64"])
	for operation := range uint64(32) {
		want := uint32(unix.SECCOMP_RET_ALLOW)
		if operation == 2 || operation == 4 { // SYS_BIND, SYS_LISTEN of <linux/net.h>
			want = unix.SECCOMP_RET_USER_NOTIF
		}
		require.Equal(t, want, execute(t, filter, 102, unix.AUDIT_ARCH_I386, operation), operation)
	}
	require.EqualValues(t, unix.SECCOMP_RET_ALLOW, execute(t, filter, 102, unix.AUDIT_ARCH_X86_64, 2), "getuid")
}

func TestFilterLetsOtherProcessorsPass(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		arch := rapid.Uint32().Filter(func(a uint32) bool {
			return a != unix.AUDIT_ARCH_X86_64 && a != unix.AUDIT_ARCH_I386
		}).Draw(t, "arch")
		got := execute(t, newFilter(conventions["amd64"]), rapid.Uint32().Draw(t, "number"), arch, rapid.Uint64().Draw(t, "argument"))
		require.EqualValues(t, unix.SECCOMP_RET_ALLOW, got)
	})
}
