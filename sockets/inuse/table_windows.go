package inuse

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/windows"

	"github.com/berthkit/berth/reservation"
)

var (
	iphlpapi            = windows.NewLazySystemDLL("iphlpapi.dll")
	getExtendedUDPTable = iphlpapi.NewProc("GetExtendedUdpTable")
	getExtendedTCPTable = iphlpapi.NewProc("GetExtendedTcpTable")
)

const (
	udpTableOwnerPID    = 1 // UDP_TABLE_OWNER_PID
	tcpTableOwnerPIDAll = 5 // TCP_TABLE_OWNER_PID_ALL

	// extendedTableAttempts is how often a table that outgrows its buffer is asked for again.
	extendedTableAttempts = 8
)

// readTable reads the system's tables of both address families.
func readTable(ctx context.Context, protocol reservation.Protocol, within reservation.Range, visit visitor) error {
	call, class, ipv4, ipv6 := getExtendedUDPTable, uintptr(udpTableOwnerPID), extendedUDP4, extendedUDP6
	if protocol == reservation.TCP {
		call, class, ipv4, ipv6 = getExtendedTCPTable, tcpTableOwnerPIDAll, extendedTCP4, extendedTCP6
	}
	table, err := readExtendedTable(ctx, call, windows.AF_INET, class)
	if err != nil {
		return err
	}
	if err := ipv4.parse(table, within, visit); err != nil {
		return err
	}
	table, err = readExtendedTable(ctx, call, windows.AF_INET6, class)
	if errors.Is(err, windows.ERROR_NOT_SUPPORTED) {
		return nil // no IPv6
	}
	if err != nil {
		return err
	}
	return ipv6.parse(table, within, visit)
}

// readExtendedTable calls
//
//	DWORD GetExtendedUdpTable(PVOID pUdpTable, PDWORD pdwSize, BOOL bOrder, ULONG ulAf, UDP_TABLE_CLASS TableClass, ULONG Reserved)
//
// or its namesake for TCP, with a buffer that grows until the table fits.
//
// Source: https://learn.microsoft.com/en-us/windows/win32/api/iphlpapi/nf-iphlpapi-getextendedudptable
func readExtendedTable(ctx context.Context, call *windows.LazyProc, family, class uintptr) ([]byte, error) {
	if err := call.Find(); err != nil {
		return nil, err
	}
	size := uint32(32 << 10)
	for attempt := 1; ; attempt++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		table := make([]byte, size)
		code, _, _ := call.Call(uintptr(unsafe.Pointer(&table[0])), uintptr(unsafe.Pointer(&size)), 0, family, class, 0)
		switch err := windows.Errno(code); {
		case code == 0:
			return table, nil
		case err == windows.ERROR_INSUFFICIENT_BUFFER && attempt < extendedTableAttempts:
			size = max(size, uint32(len(table))) + 4<<10 // and room for sockets that come meanwhile
		default:
			return nil, os.NewSyscallError(call.Name, err)
		}
	}
}

// findOwners finds the names of processes.
func findOwners(ctx context.Context, pids map[uint32]bool) map[uint32]process {
	found := make(map[uint32]process, len(pids))
	for pid := range pids {
		if ctx.Err() != nil {
			break
		}
		found[pid] = process{pid: pid, name: programName(pid)}
	}
	return found
}

// programName returns the file name of a process's program, empty if this user may not see it.
func programName(pid uint32) string {
	handle, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, pid)
	if err != nil {
		return ""
	}
	defer windows.CloseHandle(handle)
	path := make([]uint16, windows.MAX_LONG_PATH)
	size := uint32(len(path))
	if err := windows.QueryFullProcessImageName(handle, 0, &path[0], &size); err != nil {
		return ""
	}
	return filepath.Base(windows.UTF16ToString(path[:size]))
}
