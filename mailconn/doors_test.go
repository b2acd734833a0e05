package mailconn

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestSignInsAreSpread: a hundred and fifty that come at once begin one after the other, and few are at it at the same time.
func TestSignInsAreSpread(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := NewDoors(DoorOptions{})
		start := time.Now()
		at, most, done := 0, 0, make(chan time.Duration, 150)
		guard := make(chan struct{}, 1)
		for range 150 {
			go func() {
				leave, err := d.enter(t.Context(), "mail.example.com:993")
				if err != nil {
					t.Error(err)
					return
				}
				began := time.Since(start)
				guard <- struct{}{}
				at++
				most = max(most, at)
				<-guard
				<-time.After(300 * time.Millisecond) // a slow server
				guard <- struct{}{}
				at--
				<-guard
				leave()
				done <- began
			}()
		}
		inFirst := 0
		for range 150 {
			if <-done < time.Second {
				inFirst++
			}
		}
		if most > 4 || inFirst > 20 {
			t.Errorf("%d at once, %d in the first second", most, inFirst)
		}
		if all := time.Since(start); all > 12*time.Second {
			t.Errorf("all were in after %v", all)
		}
	})
}

// TestASilentServerKeepsNobodyOutForLong: those who got stuck behind a door are passed by, and other servers have doors of their own.
func TestASilentServerKeepsNobodyOutForLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := NewDoors(DoorOptions{})
		stuck, over := context.WithCancel(t.Context())
		for range 8 {
			go func() {
				leave, err := d.enter(stuck, "mail.example.com:993")
				if err == nil {
					<-stuck.Done()
					leave()
				}
			}()
		}
		synctest.Wait()
		start := time.Now()
		leave, err := d.enter(t.Context(), "other.example.com:993")
		if err != nil || time.Since(start) != 0 {
			t.Errorf("another server: after %v, %v", time.Since(start), err)
		}
		leave()
		if leave, err = d.enter(t.Context(), "mail.example.com:993"); err != nil || time.Since(start) > 5*time.Second {
			t.Errorf("the same server: after %v, %v", time.Since(start), err)
		}
		leave()
		over()
		synctest.Wait()
		if n := len(d.door("mail.example.com:993").places); n != 0 {
			t.Errorf("%d are still at the door", n)
		}
	})
}

func TestWhoWaitsAtADoorCanLeave(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := NewDoors(DoorOptions{AtOnce: 1, Patience: time.Hour})
		leave, err := d.enter(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := d.enter(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("it waited on: %v", err)
		}
		leave()
		if leave, err = d.enter(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		leave()
		if leave, err = (*Doors)(nil).enter(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		leave()
	})
}
