package store

import (
	"io/fs"
	"os"

	"golang.org/x/sys/windows"
)

// openFlags is empty: os.Root does not follow reparse points out of the directory, and Windows has
// no FIFOs among its files.
const openFlags = 0

// checkOwner leaves access to the access control list that a file inherits from its directory.
func checkOwner(string, fs.FileInfo, string) error { return nil }

// checkLinks refuses a file that has a second name: somebody could change it through that one.
func checkLinks(path string, file *os.File, _ fs.FileInfo) error {
	var info windows.ByHandleFileInformation
	if err := windows.GetFileInformationByHandle(windows.Handle(file.Fd()), &info); err != nil {
		return err
	}
	if info.NumberOfLinks > 1 {
		return severalNames(path, uint64(info.NumberOfLinks))
	}
	return nil
}

// sameStamp says nothing here: Windows brings size and time in the directory up to date only when
// a file is closed.
func sameStamp(fs.FileInfo, fs.FileInfo) bool { return true }

func restrict(*os.File) error { return nil }

// syncDirectory does nothing: NTFS logs changes of names itself, and a directory cannot be flushed.
func syncDirectory(*os.File) error { return nil }
