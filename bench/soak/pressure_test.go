package soak

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headrace/headrace/bench/internal/load"
	"github.com/headrace/headrace/bench/internal/site"
	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
)

const floodBytes = 1 << 10 // of a message

// flood sends ten times as much as is handled.
type flood struct {
	to      *channel.ExecutorChannel[[]byte]
	every   time.Duration // a message of a producer
	length  time.Duration
	running sync.WaitGroup

	sent, handled, dropped, rejected atomic.Uint64
	other                            atomic.Pointer[error] // an outcome that is none of these
	most                             atomic.Int64          // under way at once
}

// produce sends messages to destinations of its own.
func (f *flood) produce(producer int) {
	start := time.Now()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for n := 0; time.Since(start) < f.length; <-tick.C {
		for n < int(time.Since(start)/f.every) && time.Since(start) < f.length {
			f.send(message.Raw{Destination: fmt.Sprint(producer, n%4), Payload: make([]byte, floodBytes)})
			n++
		}
	}
}

func (f *flood) send(m message.Raw) {
	f.sent.Add(1)
	m.Done = message.NewCompletion(message.Handled, f.settle)
	m.Done.Release(f.to.Handle(context.Background(), m))
	now := f.to.Stats().UnderWay
	for most := f.most.Load(); now > most && !f.most.CompareAndSwap(most, now); most = f.most.Load() {
	}
}

func (f *flood) settle(err error) {
	switch {
	case err == nil:
		f.handled.Add(1)
	case errors.Is(err, message.ErrDropped):
		f.dropped.Add(1)
	case errors.Is(err, channel.ErrFull):
		f.rejected.Add(1)
	default:
		f.other.Store(&err)
	}
}

// A producer that is ten times as fast as the handlers fills the queue to its
// bound and no further, memory stays as it is, and each message's fate is told
// and counted.
func TestR11BackPressure(t *testing.T) {
	const capacity, workers, takes, producers = 256, 4, time.Millisecond, 4
	for name, overflow := range map[string]channel.Overflow{
		"Block": channel.Block, "Reject": channel.Reject, "DropOldest": channel.DropOldest,
	} {
		t.Run(name, func(t *testing.T) {
			c := channel.NewExecutorChannel(channel.Config[[]byte]{Workers: workers, MaxWorkers: workers, Capacity: capacity, Overflow: overflow})
			defer c.Close()
			channel.SubscribeFunc(c, func(context.Context, message.Raw) error {
				<-time.After(takes)
				return nil
			})
			f := &flood{to: c, every: takes / workers / 10 * producers, length: phase(time.Second, time.Minute)}
			for p := range producers {
				f.running.Go(func() { f.produce(p) })
			}
			plateau(t, f.length, capacity*floodBytes)
			f.running.Wait()
			if err := c.Shutdown(context.Background()); err != nil {
				t.Fatal(err)
			}
			sent, handled, dropped, rejected := f.sent.Load(), f.handled.Load(), f.dropped.Load(), f.rejected.Load()
			t.Logf("%d sent: %d handled, %d dropped, %d rejected; %d under way at most", sent, handled, dropped, rejected, f.most.Load())
			if err := f.other.Load(); err != nil {
				t.Errorf("a message ended with %v", *err)
			}
			if most := f.most.Load(); most > capacity || most < capacity/2 {
				t.Errorf("%d were under way, want at most %d, and nearly that", most, capacity)
			}
			if s := c.Stats(); handled+dropped+rejected != sent || s.Handled != handled || s.Dropped != dropped || s.Rejected != rejected {
				t.Errorf("they do not add up: %+v", s)
			}
			if (dropped > 0) != (overflow == channel.DropOldest) || (dropped+rejected > 0) == (overflow == channel.Block) {
				t.Errorf("that is not what %s does", name)
			}
		})
	}
}

// plateau lets the time pass and expects as much memory at its end as in its middle, but
// for what may be under way at one of them.
func plateau(t *testing.T, length time.Duration, underWay int64) {
	t.Helper()
	<-time.After(length / 2)
	middle := heapAfterGC()
	<-time.After(length / 2)
	end := heapAfterGC()
	t.Logf("%d KB of heap in the middle, %d at the end", middle>>10, end>>10)
	if end > middle+middle/20+underWay+1<<20 {
		t.Errorf("%d KB of heap in the middle and %d at the end", middle>>10, end>>10)
	}
}

// A client that is faster than its handler is not read from any more: what it
// has sent waits with the client, and is handled in the end.
func TestR11BackPressureOfAClient(t *testing.T) {
	for _, scheme := range schemes {
		t.Run(scheme, func(t *testing.T) {
			const most = 64 + 64/4 // of a session: its mailbox, and what a worker takes from it in one go
			const bodyBytes = 16 << 10
			s := here(t, site.Config{})
			next := 0
			handler.Consume(s.Node.Router, "/slow/{n}", func(_ context.Context, r handler.Request[[]byte]) error {
				if r.PathValue("n") != strconv.Itoa(next) {
					return message.Errorf(message.CodeInvalid, "want %d", next)
				}
				next++
				<-time.After(4 * time.Millisecond) // for which the slowest machine's client is fast enough
				return nil
			})
			c := must(load.Connect(s.URL(scheme), load.Options{}))(t)
			defer c.Close()
			length, sent := phase(500*time.Millisecond, time.Minute), make(chan error, 1)
			go func() {
				var err error
				body := strings.Repeat("x", bodyBytes)
				for start, n := time.Now(), 0; err == nil && time.Since(start) < length; n++ {
					err = c.Publish("/app/slow/"+strconv.Itoa(n), body)
				}
				sent <- err
			}()
			stop, watched := make(chan struct{}), make(chan int64)
			go func() { watched <- watch(stop, func() int64 { return s.Node.Stats().Inbound.UnderWay }) }()
			plateau(t, length, most*bodyBytes)
			if err := <-sent; err != nil {
				t.Fatal(err)
			}
			if err := c.Disconnect(); err != nil { // after the last message
				t.Fatal(err)
			}
			close(stop)
			peak := <-watched
			t.Logf("%d messages handled, at most %d under way", next, peak)
			if peak > most || peak < most/2 {
				t.Errorf("%d of a client's messages were under way, want at most %d, and nearly that", peak, most)
			}
		})
	}
}

// watch looks at a number several hundred times a second and returns the largest.
func watch(stop <-chan struct{}, now func() int64) (most int64) {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return most
		case <-tick.C:
			most = max(most, now())
		}
	}
}
