package store

import (
	"errors"
	"slices"
	"sync"
	"testing"
)

// TestTicketNumbersAreTakenOnce takes several numbers in each of many transactions at once, of which some fail.
func TestTicketNumbersAreTakenOnce(t *testing.T) {
	both(t, func(t *testing.T, db *DB) {
		var mu sync.Mutex
		var taken []int64
		var wg sync.WaitGroup
		failed := errors.New("as told")
		for i := range 30 {
			wg.Go(func() {
				var mine []int64
				err := db.Update(t.Context(), func(tx *Tx) error {
					mine = nil
					for range 3 {
						n, err := tx.NextNumber(t.Context())
						if err != nil {
							return err
						}
						mine = append(mine, n)
					}
					if i%3 == 0 {
						return failed
					}
					return nil
				})
				if i%3 == 0 {
					if !errors.Is(err, failed) {
						t.Errorf("%v", err)
					}
					return
				}
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				taken = append(taken, mine...)
			})
		}
		wg.Wait()
		slices.Sort(taken)
		if n := len(slices.Compact(slices.Clone(taken))); n != 60 || taken[0] < 1 {
			t.Errorf("%d of 60 numbers are different: %v", n, taken)
		}
		if db.Single() && taken[59] != 60 {
			t.Errorf("transactions that failed have taken numbers: %v", taken)
		}
	})
}
