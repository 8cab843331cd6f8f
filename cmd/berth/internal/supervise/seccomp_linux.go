package supervise

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// A call is a system call that the kernel has stopped at the filter: struct seccomp_notif of
// <linux/seccomp.h>, 80 bytes, with its struct seccomp_data.
type call struct {
	id        uint64 // names the stopped call in answers; not 0
	thread    uint32 // of the caller, as a number of this process's pid namespace; 0 if it has none there
	flags     uint32
	number    int32  // of the system call, as arch counts them
	arch      uint32 // AUDIT_ARCH_...
	pointer   uint64 // instruction pointer
	arguments [6]uint64
}

// An answer lets a stopped call return: struct seccomp_notif_resp, 24 bytes.
type answer struct {
	id    uint64
	value int64
	errno int32 // negative, or 0
	flags uint32
}

// installFilter puts a filter on the calling thread, and so on all that it starts, and returns the
// listener that stopped calls are received from, and whether a call that was received is interrupted
// by fatal signals alone, as since Linux 5.19. The thread needs no_new_privs or CAP_SYS_ADMIN.
//
// Source: seccomp(2), seccomp_unotify(2).
func installFilter(filter []unix.SockFilter) (listener int, isSteady bool, err error) {
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	install := func(flags uintptr) (int, unix.Errno) {
		fd, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
			unix.SECCOMP_FILTER_FLAG_NEW_LISTENER|flags, uintptr(unsafe.Pointer(&program)))
		return int(fd), errno
	}
	listener, errno := install(unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV)
	isSteady = errno == 0
	if errno == unix.EINVAL {
		listener, errno = install(0)
	}
	if errno != 0 {
		return -1, false, errno
	}
	return listener, isSteady, nil
}

// receive returns the next stopped call. It waits for one. It returns unix.ENOENT if the caller was
// killed meanwhile.
func receive(listener int) (call, error) {
	var received call // the kernel demands that it is zero
	err := ioctl(listener, unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&received))
	return received, err
}

// send answers a stopped call. It returns unix.ENOENT if nobody waits for the answer any more.
func send(listener int, a answer) error {
	return ioctl(listener, unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&a))
}

// isWaiting reports whether the caller still waits in the call. If it does, whatever was learned
// about its process since the call was received was learned about that process.
func isWaiting(listener int, id uint64) bool {
	return ioctl(listener, unix.SECCOMP_IOCTL_NOTIF_ID_VALID, unsafe.Pointer(&id)) == nil
}

// wakeTogether has the kernel wake supervisor and caller on the processor of the other, which goes to
// sleep just then, and not on one that sleeps already. Kernels before Linux 6.6 cannot.
func wakeTogether(listener int) {
	_, _, _ = unix.Syscall(unix.SYS_IOCTL, uintptr(listener), unix.SECCOMP_IOCTL_NOTIF_SET_FLAGS, unix.SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP)
}

func ioctl(fd int, request uintptr, argument unsafe.Pointer) error {
	for {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(argument))
		switch errno {
		case 0:
			return nil
		case unix.EINTR:
		default:
			return errno
		}
	}
}

// readMemory fills buffer from address in the memory of the process of a thread.
func readMemory(thread int, address uint64, buffer []byte) error {
	n, err := unix.ProcessVMReadv(thread,
		[]unix.Iovec{newIovec(buffer)},
		[]unix.RemoteIovec{{Base: uintptr(address), Len: len(buffer)}}, 0)
	if err == nil && n != len(buffer) {
		return unix.EFAULT
	}
	return err
}

func newIovec(buffer []byte) unix.Iovec {
	vector := unix.Iovec{Base: &buffer[0]}
	vector.SetLen(len(buffer))
	return vector
}

// addressOf returns where variable lies in this process's memory, for another one to read it.
func addressOf(variable *uint64) uint64 { return uint64(uintptr(unsafe.Pointer(variable))) }
