package system

import "os"

func systemBootID() (string, error) {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", err
	}
	return bootUUID("boot_id", string(text))
}
