package store_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/store"
)

// A store is made once, explicitly. Whoever opens it gets everything at once and commits against
// the revision that it has seen.
func Example() {
	ctx := context.Background()
	directory, err := os.MkdirTemp("", "berth-example-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(directory)
	path := filepath.Join(directory, "berth.db")

	if err := store.Create(ctx, path, nil); err != nil {
		log.Fatal(err)
	}
	s, err := store.Open(ctx, path, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	image, err := s.Load(ctx)
	if err != nil {
		log.Fatal(err)
	}
	_, err = s.Commit(ctx, image.Revision, []reservation.Edit{{
		Op: reservation.EditPut,
		Record: reservation.Record{
			Protocol: pool.UDP, Range: pool.MustParseRange("50000-50099"), Kind: reservation.Persistent,
			Label: "media", Created: time.Now(),
		},
	}})
	if err != nil {
		log.Fatal(err)
	}

	report, err := store.Check(ctx, path)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(report.UDP, "reservation,", report.Files[0].State, "and", report.Files[1].State)
	// Output: 1 reservation, whole and whole
}
