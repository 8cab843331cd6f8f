package pool

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzPool runs a program on a pool and on the reference. An instruction has 6 bytes: what to do,
// an alignment, and two numbers that mean first port and count, or where to search.
func FuzzPool(f *testing.F) {
	instruction := func(op, align byte, a, b uint16) []byte {
		return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16([]byte{op, align}, a), b)
	}
	program := func(instructions ...[]byte) (all []byte) {
		for _, i := range instructions {
			all = append(all, i...)
		}
		return all
	}
	f.Add(program(instruction(0, 0, 50000, 100), instruction(1, 0, 50000, 100), instruction(5, 2, 49990, 50)))
	f.Add(program(instruction(0, 0, 1, 65535), instruction(2, 0, 65535, 1), instruction(5, 1, 1, 1)))
	f.Add(program(instruction(2, 0, 63, 3), instruction(4, 0, 0, 0), instruction(3, 0, 64, 1), instruction(5, 2, 1, 4032)))
	f.Fuzz(func(t *testing.T, program []byte) {
		pool, slow := New[int](), new(slowPool)
		clone, slowClone := pool.Clone(), slow.clone()
		for step := 0; len(program) >= 6 && step < 40; step++ {
			op, align := program[0]%6, int(program[1])
			a, b := binary.BigEndian.Uint16(program[2:]), binary.BigEndian.Uint16(program[4:])
			program = program[6:]
			r, err := RangeFrom(a, int(b))
			if err != nil {
				require.Zero(t, r)
			}
			switch op {
			case 0:
				require.Equal(t, slow.insert(r, step), pool.Insert(r, step))
			case 1:
				want, wantFound := slow.delete(r)
				got, found := pool.Delete(r)
				require.Equal(t, wantFound, found)
				require.Equal(t, want, got)
			case 2:
				pool.MarkInUse(r)
				slow.inUse.put(r, true)
			case 3:
				pool.ClearInUse(r)
				slow.inUse.put(r, false)
			case 4:
				clone, slowClone = pool.Clone(), slow.clone()
				pool, clone = clone, pool
				slow, slowClone = slowClone, slow
			case 5:
				search := Search{From: a, Align: align}
				want, wantFound := slow.taken().find(int(b), search)
				got, found := pool.FindFree(int(b), search)
				require.Equal(t, wantFound, found)
				require.Equal(t, want, got)
			}
			require.Equal(t, len(slow.overlapping(r)) > 0, pool.Overlaps(r))
		}
		checkPool(t, pool)
		comparePools(t, slow, pool, AllPorts)
		comparePools(t, slowClone, clone, AllPorts)
	})
}
