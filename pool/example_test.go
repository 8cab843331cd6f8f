package pool_test

import (
	"fmt"

	"github.com/berthkit/berth/pool"
)

func ExampleParseRange() {
	for _, text := range []string{"50000-50099", "50000+100", "50000", "50099-50000", "65530+10"} {
		r, err := pool.ParseRange(text)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(r, r.Count())
	}
	// Output:
	// 50000-50099 100
	// 50000-50099 100
	// 50000 1
	// invalid range "50099-50000": the last port is below the first; did you mean 50000-50099?
	// invalid range "65530+10": it runs past port 65535; at most 6 ports fit from 65530 on
}

func ExamplePool() {
	ports := pool.New[string]()
	ports.Insert(pool.MustParseRange("50000-50099"), "media")
	ports.Insert(pool.MustParseRange("50200-50299"), "games")
	ports.MarkInUse(pool.MustParseRange("50100"))

	wanted := pool.MustParseRange("50050-50250")
	fmt.Println("any overlap:", ports.Overlaps(wanted))
	for block, name := range ports.Overlapping(wanted) {
		fmt.Println(block, name)
	}
	free, _ := ports.FindFree(50, pool.Search{Within: pool.MustParseRange("50000-60000")})
	fmt.Println("free:", free)
	// Output:
	// any overlap: true
	// 50000-50099 media
	// 50200-50299 games
	// free: 50101-50150
}

// A snapshot is read without a lock while the pool goes on changing.
func ExamplePool_Clone() {
	ports := pool.New[string]()
	ports.Insert(pool.MustParseRange("50000-50099"), "media")
	snapshot := ports.Clone()
	ports.Delete(pool.MustParseRange("50000-50099"))
	fmt.Println(ports.Len(), snapshot.Len())
	// Output: 0 1
}

// RTP wants a pair of ports, the first of which is even.
func ExamplePortSet_FindFree() {
	var taken pool.PortSet
	taken.Add(pool.MustParseRange("50000-50002"))
	pair, ok := taken.FindFree(2, pool.Search{Within: pool.MustParseRange("50000-50999"), Align: 2})
	fmt.Println(pair, ok)
	next, ok := taken.FindFree(2, pool.Search{Within: pool.MustParseRange("50000-50999"), Align: 2, From: 50998})
	fmt.Println(next, ok)
	_, ok = taken.FindFree(2, pool.Search{Within: pool.MustParseRange("50000-50003")})
	fmt.Println(ok)
	// Output:
	// 50004-50005 true
	// 50998-50999 true
	// false
}
