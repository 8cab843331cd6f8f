package system

import (
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/reservation"
)

const someUUID = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"

func TestBootUUID(t *testing.T) {
	for input, want := range map[string]string{
		someUUID:                               "boot_id:" + someUUID,
		someUUID + "\n":                        "boot_id:" + someUUID,
		strings.ToUpper(someUUID):              "boot_id:" + someUUID, // macOS writes capitals
		"":                                     "",
		"\n":                                   "",
		"0f1e2d3c":                             "",
		strings.ReplaceAll(someUUID, "-", ""):  "",
		someUUID + "0":                         "",
		"0f1e2d3g" + someUUID[8:]:              "",
		someUUID[:8] + "0" + someUUID[9:]:      "",
		"00000000-0000-0000-0000-000000000000": "",
	} {
		id, err := bootUUID("boot_id", input)
		if want == "" {
			require.ErrorIs(t, err, ErrBootUnknown, "input %q", input)
			require.ErrorIs(t, err, reservation.ErrUnsupported)
			require.ErrorIs(t, err, errors.ErrUnsupported)
			require.ErrorContains(t, err, "boot_id")
			continue
		}
		require.NoError(t, err, "input %q", input)
		require.Equal(t, want, id)
	}
}

func FuzzBootUUID(f *testing.F) {
	for _, seed := range []string{someUUID, strings.ToUpper(someUUID) + "\n", "", "x", strings.Repeat("-", 36), "\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, err := bootUUID("source", text)
		if err != nil {
			require.ErrorIs(t, err, ErrBootUnknown)
			return
		}
		require.NoError(t, reservation.Boot{ID: id}.Validate())
		require.Equal(t, strings.ToLower(strings.TrimSpace(text)), strings.TrimPrefix(id, "source:"))
	})
}

func TestBootCountAndTime(t *testing.T) {
	id, err := bootCount("BootId", 4294967295)
	require.NoError(t, err)
	require.Equal(t, "BootId:4294967295", id)
	_, err = bootCount("BootId", 0)
	require.ErrorIs(t, err, ErrBootUnknown)

	id, err = bootTime("boottime", time.Unix(1700000000, 999))
	require.NoError(t, err)
	require.Equal(t, "boottime:1700000000", id)
	_, err = bootTime("boottime", time.Unix(0, 0))
	require.ErrorIs(t, err, ErrBootUnknown)
}

func TestBootIDStaysTheSame(t *testing.T) {
	first, err := BootID()
	if errors.Is(err, ErrBootUnknown) {
		t.Skipf("%s does not tell its boot here: %v", runtime.GOOS, err)
	}
	require.NoError(t, err)
	require.NoError(t, reservation.Boot{ID: first}.Validate())
	second, err := BootID()
	require.NoError(t, err)
	require.Equal(t, first, second)
}
