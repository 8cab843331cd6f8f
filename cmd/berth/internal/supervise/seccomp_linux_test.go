package supervise

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// The kernel copies these byte by byte: <linux/seccomp.h>.
func TestStructuresHaveTheKernelsLayout(t *testing.T) {
	var c call
	require.EqualValues(t, 80, unsafe.Sizeof(c))
	require.EqualValues(t, 8, unsafe.Offsetof(c.thread))
	require.EqualValues(t, 16, unsafe.Offsetof(c.number))
	require.EqualValues(t, offsetArch, unsafe.Offsetof(c.arch)-unsafe.Offsetof(c.number))
	require.EqualValues(t, offsetFirstArgument, unsafe.Offsetof(c.arguments)-unsafe.Offsetof(c.number))
	var a answer
	require.EqualValues(t, 24, unsafe.Sizeof(a))
	require.EqualValues(t, 8, unsafe.Offsetof(a.value))
	require.EqualValues(t, 16, unsafe.Offsetof(a.errno))

	size := func(request uintptr) uintptr { return request >> 16 & 0x3fff } // _IOC_SIZE
	require.Equal(t, unsafe.Sizeof(c), size(unix.SECCOMP_IOCTL_NOTIF_RECV))
	require.Equal(t, unsafe.Sizeof(a), size(unix.SECCOMP_IOCTL_NOTIF_SEND))
}

func TestMemoryIsReadWhole(t *testing.T) {
	variable := new(uint64)
	*variable = probeMark
	word := make([]byte, 8)
	require.NoError(t, readMemory(unix.Getpid(), addressOf(variable), word))
	require.Equal(t, "xe-htreb", string(word))
	require.ErrorIs(t, readMemory(unix.Getpid(), 8, word), unix.EFAULT)
}
