package reservation_test

import (
	"testing"

	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/store/storetest"
)

func TestMemoryJournal(t *testing.T) {
	storetest.Test(t, func(testing.TB) storetest.Medium {
		journal := reservation.NewMemoryJournal()
		return storetest.Medium{
			Open:   func(testing.TB) reservation.Journal { return journal.Reopen() },
			Shared: true,
		}
	})
}
