package system

import "golang.org/x/sys/unix"

func systemBootID() (string, error) {
	text, err := unix.Sysctl("kern.bootsessionuuid")
	if err != nil {
		return "", err
	}
	return bootUUID("bootsessionuuid", text)
}
