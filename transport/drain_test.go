package transport_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/transport"
)

// leaver notes when it is asked to leave, and why.
type leaver struct {
	*peer
	left func(reason error)
}

func (l leaver) Drain(reason error) {
	l.left(reason)
	l.conn.Close(reason)
}

// departures is a server with n clients that read all they are sent, and when each
// was let go.
func departures(t *testing.T, n int, c transport.DrainConfig) (s *transport.Server, gone func() (at, retry []time.Duration), stop func()) {
	s = transport.NewServer(transport.Config{Drain: c, Logger: slog.New(slog.DiscardHandler)})
	ln, began := newPipes(), time.Now()
	var mu sync.Mutex
	var at, retry []time.Duration
	note := func(reason error) {
		var why *transport.ShutdownError
		if !errors.As(reason, &why) || !errors.Is(reason, transport.ErrShutdown) || message.EndReason(reason) != "drain" {
			t.Errorf("let go with %v", reason)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		at, retry = append(at, time.Since(began)), append(retry, why.RetryAfter)
	}
	var served sync.WaitGroup
	served.Go(func() {
		s.Serve(ln, transport.StreamConfig{}, func(c *transport.Conn) transport.Protocol {
			return leaver{&peer{conn: c, closed: make(chan error, 1)}, note}
		})
	})
	for range n {
		near, far := net.Pipe()
		ln.conns <- far
		served.Go(func() {
			io.Copy(io.Discard, near)
			near.Close()
		})
	}
	synctest.Wait()
	return s, func() (_, _ []time.Duration) { mu.Lock(); defer mu.Unlock(); return at, retry }, func() { s.Close(); served.Wait() }
}

// Clients are let go in batches, and asked to come back one after the other.
func TestDrainInBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, gone, stop := departures(t, 50, transport.DrainConfig{Batch: 20, Interval: 250 * time.Millisecond, Return: 10})
		defer stop()
		if err := s.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		at, retry := gone()
		if len(at) != 50 {
			t.Fatalf("%d were let go", len(at))
		}
		for i := range at {
			if want := time.Duration(i/20) * 250 * time.Millisecond; at[i] != want {
				t.Errorf("client %d left at %v, want %v", i, at[i], want)
			}
			if got, want := at[i]+retry[i], max(at[i], time.Duration(i)*100*time.Millisecond); got != want {
				t.Errorf("client %d comes back at %v, want %v", i, got, want)
			}
		}
		if st := s.Stats(); st.Closed["drain"] != 50 || st.Open != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// The clients of a drain are those of the defaults where nothing is said: 200 each
// 250 ms, back at 400 a second; however many there are, within 30 s.
func TestDrainDefaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, gone, stop := departures(t, 1000, transport.DrainConfig{})
		defer stop()
		if err := s.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		at, retry := gone()
		if at[199] != 0 || at[200] != 250*time.Millisecond || at[999] != time.Second {
			t.Errorf("left at %v, %v, %v", at[199], at[200], at[999])
		}
		if got := at[999] + retry[999]; got != 999*time.Second/400 {
			t.Errorf("the last comes back at %v", got)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		s, gone, stop := departures(t, 100, transport.DrainConfig{Return: 1})
		defer stop()
		if err := s.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, retry := gone(); slices.Max(retry) > 30*time.Second || slices.Max(retry) < 29*time.Second {
			t.Errorf("the last is asked to wait %v", slices.Max(retry))
		}
	})
}

// Batches grow where half of the time that Shutdown has would not do.
func TestDrainWithinItsTime(t *testing.T) {
	for name, c := range map[string]struct {
		drain transport.DrainConfig
		last  time.Duration
	}{
		"little time": {transport.DrainConfig{Batch: 1, Interval: time.Second}, 4 * time.Second}, // 5 rounds of 20
		"enough":      {transport.DrainConfig{Batch: 50, Interval: time.Second}, time.Second},
		"all at once": {transport.DrainConfig{Batch: -1, Interval: time.Second}, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, gone, stop := departures(t, 100, c.drain)
			defer stop()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			if err := s.Shutdown(ctx); err != nil {
				t.Fatal(err)
			}
			if at, _ := gone(); len(at) != 100 || slices.Max(at) != c.last {
				t.Errorf("%s: %d let go, the last at %v, want %v", name, len(at), slices.Max(at), c.last)
			}
		})
	}
}

// Until its turn has come a client goes on as before; what is left when the time is
// over is cut, and counted as that.
func TestDrainGoesOnMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, gone, stop := departures(t, 10, transport.DrainConfig{Batch: 2, Interval: time.Minute})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Shutdown(ctx) }()
		time.Sleep(90 * time.Second)
		if at, _ := gone(); len(at) != 4 || s.Stats().Open != 6 {
			t.Errorf("%d let go, %d open", len(at), s.Stats().Open)
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		stop()
		if st := s.Stats(); st.Closed["drain"] != 4 || st.Closed["shutdown"] != 6 {
			t.Errorf("%v", st.Closed)
		}
	})
}
