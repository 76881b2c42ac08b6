package stompadapter_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter"
	"github.com/headrace/headrace/stompadapter/frame"
)

// slow takes every message with a payload over; they arrive at the channel.
func slow(n int) (*inbound, chan message.Raw) {
	taken := make(chan message.Raw, n)
	return &inbound{on: func(ctx context.Context, m message.Raw) error {
		if m.Kind == message.KindData {
			m.Done.Hold()
			taken <- m
		}
		return accept(ctx, m)
	}}, taken
}

func take(taken chan message.Raw, n int) (ms []message.Raw) {
	for range n {
		ms = append(ms, <-taken)
	}
	return ms
}

func TestReceiptsComeInFrameOrder(t *testing.T) {
	const n = 200
	in, taken := slow(n)
	c := serve(t, in, stompadapter.Config{}, true).connect()
	var want []string
	for i := range n {
		c.send(send("/a", fmt.Sprint(i)))
		want = append(want, fmt.Sprint(i))
	}
	ms := take(taken, n)
	rand.Shuffle(n, func(i, j int) { ms[i], ms[j] = ms[j], ms[i] })
	for _, m := range ms {
		go m.Done.Release(nil)
	}
	if got := c.receipts(n); !slices.Equal(got, want) {
		t.Errorf("receipts %v", got)
	}
}

func TestReceiptImpliesEarlierFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, taken := slow(2)
		c := serve(t, in, stompadapter.Config{}).connect()
		c.send("SEND\ndestination:/silent\n\n\x00" + send("/a", "r") + "DISCONNECT\nreceipt:bye\n\n\x00")
		ms := take(taken, 2)
		got := make(chan string, 2)
		go func() {
			for f, ok := c.next(); ok; f, ok = c.next() {
				got <- f.Header.Get("receipt-id")
			}
			close(got)
		}()
		ms[1].Done.Release(nil)
		synctest.Wait()
		if len(got) != 0 {
			t.Fatalf("receipt %s before an earlier frame was handled", <-got)
		}
		ms[0].Done.Release(nil)
		for _, want := range []string{"r", "bye", ""} {
			if r := <-got; r != want {
				t.Errorf("receipt %q, want %q", r, want)
			}
		}
	})
}

func TestErrorComesAfterEarlierReceipts(t *testing.T) {
	in, taken := slow(3)
	c := serve(t, in, stompadapter.Config{}).connect()
	c.send(send("/1", "1"), send("/2", "2"), send("/3", "3"))
	ms := take(taken, 3)
	ms[2].Done.Release(nil) // would be a receipt
	ms[1].Done.Release(errors.New("failed"))
	ms[0].Done.Release(nil)
	c.receipts(1)
	if f := c.wantError("internal error"); f.Header.Get("receipt-id") != "2" {
		t.Errorf("receipt-id %q", f.Header.Get("receipt-id"))
	}
}

func TestEmptyReceiptIsEchoed(t *testing.T) {
	c := serve(t, new(inbound), stompadapter.Config{}).connect()
	c.send(send("/a", ""))
	f := c.want(frame.Receipt)
	if id, ok := f.Header.Lookup("receipt-id"); id != "" || !ok {
		t.Errorf("RECEIPT %v", f.Header)
	}
}

// TestPendingIsBounded sends more than may be under way.
func TestPendingIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, taken := slow(10)
		s := serve(t, in, stompadapter.Config{MaxPending: 4})
		c := s.connect()
		var frames string
		for i := range 10 {
			frames += send("/a", fmt.Sprint(i))
		}
		c.send(frames)
		synctest.Wait()
		if len(taken) != 4 {
			t.Fatalf("%d frames under way, want 4", len(taken))
		}
		for range 10 {
			(<-taken).Done.Release(nil)
			c.receipts(1)
		}
		c.send(frames)
		synctest.Wait() // and Close ends a session that waits
	})
}
