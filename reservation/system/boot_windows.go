package system

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/windows"
)

// The kernel maps one page of facts, KUSER_SHARED_DATA, at the same address into every process. Its
// member BootId is "incremented for each boot attempt by the OS loader".
//
// https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/ntddk/ns-ntddk-kuser_shared_data
const bootCountAddress = 0x7FFE0000 + 0x2C4

func systemBootID() (string, error) {
	var count [4]byte
	var n uintptr
	// Our own memory, read through the system: a page that is not there is an error, not a crash.
	err := windows.ReadProcessMemory(windows.CurrentProcess(), bootCountAddress, &count[0], uintptr(len(count)), &n)
	if err != nil {
		return "", err
	}
	if int(n) != len(count) {
		return "", fmt.Errorf("only %d bytes of BootId could be read", n)
	}
	return bootCount("BootId", binary.LittleEndian.Uint32(count[:]))
}
