package win32_test

import (
	"encoding"
	"encoding/binary"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/win32"
)

type structure interface {
	encoding.BinaryMarshaler
	encoding.BinaryAppender
}

// The layouts of mstcpip.h, which a C compiler gives on x86, x64 and ARM alike.
func TestLayouts(t *testing.T) {
	var (
		ports       win32.INET_PORT_RANGE
		token       win32.INET_PORT_RESERVATION_TOKEN
		instance    win32.INET_PORT_RESERVATION_INSTANCE
		information win32.INET_PORT_RESERVATION_INFORMATION
	)
	require.EqualValues(t, 4, unsafe.Sizeof(ports))
	require.EqualValues(t, 0, unsafe.Offsetof(ports.StartPort))
	require.EqualValues(t, 2, unsafe.Offsetof(ports.NumberOfPorts))
	require.EqualValues(t, 8, unsafe.Sizeof(token))
	require.EqualValues(t, 0, unsafe.Offsetof(token.Token))
	require.EqualValues(t, 16, unsafe.Sizeof(instance))
	require.EqualValues(t, 0, unsafe.Offsetof(instance.Reservation))
	require.EqualValues(t, 8, unsafe.Offsetof(instance.Token))
	require.EqualValues(t, 4, unsafe.Sizeof(information))
	require.EqualValues(t, 0, unsafe.Offsetof(information.OwningPid))
	require.EqualValues(t, 16, unsafe.Sizeof([1]win32.INET_PORT_RESERVATION_INSTANCE{}))
}

func TestBytesAreThoseOfWindows(t *testing.T) {
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		t.Skip("the bytes below are those of a little-endian processor, as all that Windows runs on are")
	}
	held := reservation.Reservation{Range: pool.MustParseRange("52311"), Token: 0x0102030405060708}
	for _, c := range []struct {
		structure structure
		want      []byte
	}{
		{win32.PortRange(held.Range), []byte{0xCC, 0x57, 1, 0}}, // cc570100 is what the registry has for it
		{win32.PortRange(pool.AllPorts), []byte{0, 1, 0xFF, 0xFF}},
		{win32.INET_PORT_RANGE{NumberOfPorts: 1024}, []byte{0, 0, 0, 4}},
		{win32.INET_PORT_RESERVATION_TOKEN{Token: uint64(held.Token)}, []byte{8, 7, 6, 5, 4, 3, 2, 1}},
		{win32.ReservationInstance(held), []byte{0xCC, 0x57, 1, 0, 0, 0, 0, 0, 8, 7, 6, 5, 4, 3, 2, 1}},
		{win32.INET_PORT_RESERVATION_INFORMATION{OwningPid: 4}, []byte{4, 0, 0, 0}},
	} {
		got, err := c.structure.MarshalBinary()
		require.NoError(t, err)
		require.Equal(t, c.want, got)
		appended, err := c.structure.AppendBinary([]byte("x"))
		require.NoError(t, err)
		require.Equal(t, append([]byte("x"), c.want...), appended)
	}
	require.Equal(t, uint16(0x8813), win32.Htons(5000))
	require.Equal(t, uint16(5000), win32.Ntohs(0x8813))
}

// A pointer to a structure may be passed where its bytes are wanted.
func TestMemoryIsWhatMarshalReturns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		instance := win32.INET_PORT_RESERVATION_INSTANCE{
			Reservation: win32.INET_PORT_RANGE{StartPort: rapid.Uint16().Draw(t, "StartPort"), NumberOfPorts: rapid.Uint16().Draw(t, "NumberOfPorts")},
			Token:       win32.INET_PORT_RESERVATION_TOKEN{Token: rapid.Uint64().Draw(t, "Token")},
		}
		marshaled, err := instance.MarshalBinary()
		require.NoError(t, err)
		require.Equal(t, (*[win32.SizeofINET_PORT_RESERVATION_INSTANCE]byte)(unsafe.Pointer(&instance))[:], marshaled)
		port := rapid.Uint16().Draw(t, "port")
		require.Equal(t, port, win32.Ntohs(win32.Htons(port)))
		network := win32.Htons(port)
		require.Equal(t, port, binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&network))[:]))
	})
}

func TestRangeOfStructure(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first, count := rapid.Uint16().Draw(t, "first"), rapid.Uint16().Draw(t, "count")
		p := win32.INET_PORT_RANGE{StartPort: win32.Htons(first), NumberOfPorts: count}
		r, err := p.Range()
		if first == 0 || count == 0 || int(first)+int(count) > 65536 {
			require.ErrorIs(t, err, reservation.ErrInvalid)
			return
		}
		require.NoError(t, err)
		require.Equal(t, first, r.First())
		require.Equal(t, int(count), r.Count())
		require.Equal(t, p, win32.PortRange(r))
	})
	require.Zero(t, win32.PortRange(reservation.Range{}))
}

// FuzzUnmarshal gives any bytes to all four structures: each takes exactly its size, and what it
// took comes out again, padding aside.
func FuzzUnmarshal(f *testing.F) {
	for size := range 18 {
		f.Add(make([]byte, size))
	}
	f.Add([]byte{0xCC, 0x57, 1, 0, 0xAA, 0xAA, 0xAA, 0xAA, 8, 7, 6, 5, 4, 3, 2, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, s := range []struct {
			size int
			into interface {
				structure
				encoding.BinaryUnmarshaler
			}
		}{
			{4, &win32.INET_PORT_RANGE{StartPort: 1, NumberOfPorts: 2}},
			{8, &win32.INET_PORT_RESERVATION_TOKEN{Token: 3}},
			{16, &win32.INET_PORT_RESERVATION_INSTANCE{Token: win32.INET_PORT_RESERVATION_TOKEN{Token: 4}}},
			{4, &win32.INET_PORT_RESERVATION_INFORMATION{OwningPid: 5}},
		} {
			before, err := s.into.MarshalBinary()
			require.NoError(t, err)
			require.Len(t, before, s.size)
			err = s.into.UnmarshalBinary(data)
			after, _ := s.into.MarshalBinary()
			if len(data) != s.size {
				require.ErrorIs(t, err, reservation.ErrInvalid)
				require.Equal(t, before, after, "what is refused changes nothing")
				continue
			}
			require.NoError(t, err)
			want := append([]byte{}, data...)
			if s.size == win32.SizeofINET_PORT_RESERVATION_INSTANCE {
				clear(want[4:8])
			}
			require.Equal(t, want, after)
		}
	})
}

func TestControlCodes(t *testing.T) {
	require.Equal(t, uint32(0x98000064), uint32(win32.SIO_ACQUIRE_PORT_RESERVATION))
	require.Equal(t, uint32(0x98000065), uint32(win32.SIO_RELEASE_PORT_RESERVATION))
	require.Equal(t, uint32(0x98000066), uint32(win32.SIO_ASSOCIATE_PORT_RESERVATION))
	require.Equal(t, uint32(2550136932), uint32(win32.SIO_ACQUIRE_PORT_RESERVATION))
	require.Equal(t, uint32(0xD8000064), uint32(win32.IOC_INOUT|win32.IOC_VENDOR|100), "the spelling that Windows refuses")
}
