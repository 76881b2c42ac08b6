package channel_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/message"
	"pgregory.net/rapid"
)

// receiveAll takes what waits.
func receiveAll(t *testing.T, c *channel.QueueChannel[int]) []int {
	t.Helper()
	var list []int
	for c.Len() > 0 {
		m, err := c.Receive(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		m.Done.Release(nil)
		list = append(list, m.Payload)
	}
	return list
}

// TestQueueModel: any mix of sends and receives does what it does to a slice.
func TestQueueModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		capacity := rapid.IntRange(1, 20).Draw(t, "capacity")
		policy := rapid.SampledFrom([]channel.Overflow{channel.Reject, channel.DropOldest}).Draw(t, "policy")
		c := channel.NewQueueChannel[int](channel.QueueConfig{Capacity: capacity, Overflow: policy})
		var model []int
		for i, send := range rapid.SliceOfN(rapid.Bool(), 0, 100).Draw(t, "sends") {
			if send {
				err := c.Handle(context.Background(), to("k", i))
				switch full := len(model) == capacity; {
				case full && policy == channel.Reject:
					if err != channel.ErrFull {
						t.Fatalf("err = %v, want ErrFull", err)
					}
					continue
				case full:
					model = model[1:]
				}
				if err != nil {
					t.Fatal(err)
				}
				model = append(model, i)
			} else if len(model) > 0 {
				m, err := c.Receive(context.Background())
				if err != nil || m.Payload != model[0] {
					t.Fatalf("received %d, %v, want %d", m.Payload, err, model[0])
				}
				model = model[1:]
			}
			if c.Len() != len(model) {
				t.Fatalf("Len = %d, want %d", c.Len(), len(model))
			}
		}
	})
}

func TestQueueBound(t *testing.T) {
	for _, tt := range []struct {
		name   string
		policy channel.Overflow
		err    error // of the fifth message of four
		want   []int
		oldest []error
	}{
		{"Reject", channel.Reject, channel.ErrFull, []int{0, 1, 2, 3}, []error{nil}},
		{"DropOldest", channel.DropOldest, nil, []int{1, 2, 3, 4}, []error{message.ErrDropped}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := channel.NewQueueChannel[int](channel.QueueConfig{Capacity: 4, Overflow: tt.policy})
			var o outcomes
			for i := range 5 {
				if err := o.send(t.Context(), c, to("k", i)); i < 4 && err != nil || i == 4 && err != tt.err {
					t.Errorf("message %d: %v", i, err)
				}
			}
			if got := receiveAll(t, c); !slices.Equal(got, tt.want) || !slices.Equal(o.of(0), tt.oldest) {
				t.Errorf("received %v, want %v; the oldest was completed %v, want %v", got, tt.want, o.of(0), tt.oldest)
			}
		})
	}
	c := channel.NewQueueChannel[int](channel.QueueConfig{Overflow: channel.Reject})
	for i := range 1024 {
		if err := c.Handle(t.Context(), to("k", i)); err != nil {
			t.Fatal(i, err)
		}
	}
	if err := c.Handle(t.Context(), to("k", 1024)); err != channel.ErrFull {
		t.Errorf("message 1025 of the default capacity: %v, want ErrFull", err)
	}
}

// TestQueueBlock: a sender waits while there is no room, and gives up with its
// ctx and at Close.
func TestQueueBlock(t *testing.T) {
	for _, tt := range []struct {
		name string
		free func(c *channel.QueueChannel[int], cancel func())
		want error
	}{
		{"room", func(c *channel.QueueChannel[int], _ func()) { c.Receive(context.Background()) }, nil},
		{"ctx", func(_ *channel.QueueChannel[int], cancel func()) { cancel() }, context.Canceled},
		{"Close", func(c *channel.QueueChannel[int], _ func()) { c.Close() }, channel.ErrClosed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := channel.NewQueueChannel[int](channel.QueueConfig{Capacity: 1})
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				c.Handle(ctx, to("k", 0))
				var o outcomes
				sent := make(chan error, 1)
				go func() { sent <- o.send(ctx, c, to("k", 1)) }()
				synctest.Wait()
				if len(sent) > 0 || c.Len() != 1 {
					t.Fatalf("the sender did not wait: %v", <-sent)
				}
				tt.free(c, cancel)
				synctest.Wait()
				if len(sent) == 0 {
					t.Fatal("the sender still waits")
				}
				left := 1
				if tt.want == channel.ErrClosed {
					left = 0
				}
				if err := <-sent; err != tt.want || c.Len() != left {
					t.Errorf("err = %v, want %v; %d wait", err, tt.want, c.Len())
				}
				if tt.want != nil && !slices.Equal(o.of(1), []error{tt.want}) {
					t.Errorf("completed %v, want %v once", o.of(1), tt.want)
				}
			})
		})
	}
}

func TestQueueReceive(t *testing.T) {
	for _, tt := range []struct {
		name string
		wake func(c *channel.QueueChannel[int], cancel func())
		want error
	}{
		{"message", func(c *channel.QueueChannel[int], _ func()) { c.Handle(context.Background(), to("k", 7)) }, nil},
		{"ctx", func(_ *channel.QueueChannel[int], cancel func()) { cancel() }, context.Canceled},
		{"deadline", func(*channel.QueueChannel[int], func()) { elapse(time.Minute) }, context.DeadlineExceeded},
		{"Close", func(c *channel.QueueChannel[int], _ func()) { c.Close() }, channel.ErrClosed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := channel.NewQueueChannel[int](channel.QueueConfig{})
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				type result struct {
					m   message.Message[int]
					err error
				}
				received := make(chan result, 1)
				go func() {
					m, err := c.Receive(ctx)
					received <- result{m, err}
				}()
				synctest.Wait()
				if len(received) > 0 {
					t.Fatal("Receive did not wait")
				}
				tt.wake(c, cancel)
				synctest.Wait()
				if len(received) == 0 {
					t.Fatal("Receive still waits")
				}
				if r := <-received; r.err != tt.want || tt.want == nil && r.m.Payload != 7 {
					t.Errorf("received %d, %v, want %v", r.m.Payload, r.err, tt.want)
				}
			})
		})
	}
}

// TestQueueClose: what waits is completed with ErrClosed, once.
func TestQueueClose(t *testing.T) {
	c := channel.NewQueueChannel[int](channel.QueueConfig{})
	var o outcomes
	for i := range 3 {
		if err := o.send(t.Context(), c, to("k", i)); err != nil {
			t.Fatal(err)
		}
	}
	c.Close()
	c.Close()
	for i := range 3 {
		if !slices.Equal(o.of(i), []error{channel.ErrClosed}) {
			t.Errorf("message %d was completed %v", i, o.of(i))
		}
	}
	if err := c.Handle(t.Context(), to("k", 3)); err != channel.ErrClosed {
		t.Errorf("Handle: %v, want ErrClosed", err)
	}
	if _, err := c.Receive(t.Context()); err != channel.ErrClosed {
		t.Errorf("Receive: %v, want ErrClosed", err)
	}
}

// TestQueueShutdown: nothing more comes in, what waits is received, and then
// Shutdown returns.
func TestQueueShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := channel.NewQueueChannel[int](channel.QueueConfig{})
		for i := range 3 {
			c.Handle(t.Context(), to("k", i))
		}
		over, end := context.WithCancel(t.Context())
		end()
		if err := c.Shutdown(over); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "3 messages") {
			t.Errorf("Shutdown without time: %v", err)
		}
		ended := make(chan error, 1)
		go func() { ended <- c.Shutdown(t.Context()) }()
		synctest.Wait()
		if err := c.Handle(t.Context(), to("k", 3)); err != channel.ErrClosed {
			t.Errorf("Handle: %v, want ErrClosed", err)
		}
		if len(ended) > 0 {
			t.Error("Shutdown did not wait")
		}
		if got := receiveAll(t, c); !slices.Equal(got, []int{0, 1, 2}) {
			t.Errorf("received %v after Shutdown", got)
		}
		if err := <-ended; err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := c.Shutdown(over); err != nil {
			t.Errorf("Shutdown of an empty queue without time: %v", err)
		}
	})
}

// TestQueueManyReceivers: every message goes to one receiver, and no receiver or
// sender is forgotten.
func TestQueueManyReceivers(t *testing.T) {
	c := channel.NewQueueChannel[int](channel.QueueConfig{Capacity: 8})
	const senders, receivers, each = 3, 4, 1000
	var seen [senders * each]atomic.Int32
	var sending, receiving sync.WaitGroup
	for range receivers {
		receiving.Go(func() {
			last := [senders]int{}
			for {
				m, err := c.Receive(context.Background())
				if errors.Is(err, channel.ErrClosed) {
					return
				}
				s, i := m.Payload/each, m.Payload%each+1
				if i <= last[s] {
					t.Errorf("sender %d: message %d after %d", s, i, last[s])
				}
				last[s] = i
				seen[m.Payload].Add(1)
				m.Done.Release(nil)
			}
		})
	}
	var o outcomes
	for s := range senders {
		sending.Go(func() {
			for i := range each {
				if err := o.send(context.Background(), c, to("k", s*each+i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	sending.Wait()
	c.Shutdown(t.Context())
	receiving.Wait()
	for i := range seen {
		if n := seen[i].Load(); n != 1 || !slices.Equal(o.of(i), []error{nil}) {
			t.Fatalf("message %d was received %d times and completed %v", i, n, o.of(i))
		}
	}
}

// TestQueueDone: the queue holds the message's completion until the receiver
// releases it, and reaches Accepted at once.
func TestQueueDone(t *testing.T) {
	for _, want := range []error{nil, errBroken} {
		c := channel.NewQueueChannel[int](channel.QueueConfig{})
		var o outcomes
		o.send(t.Context(), c, to("k", 1))
		accepted := to("k", 2)
		accepted.Done = o.done(2, message.Accepted)
		accepted.Done.Release(c.Handle(t.Context(), accepted))
		if len(o.of(1)) != 0 || !slices.Equal(o.of(2), []error{nil}) {
			t.Fatalf("before Receive: %v", o.errs)
		}
		m, _ := c.Receive(t.Context())
		if len(o.of(1)) != 0 {
			t.Fatal("Receive completed the message")
		}
		m.Done.Release(want)
		if !slices.Equal(o.of(1), []error{want}) {
			t.Errorf("completed %v, want %v once", o.of(1), want)
		}
	}
}

func TestQueueIntercept(t *testing.T) {
	c := channel.NewQueueChannel[int](channel.QueueConfig{})
	var l log
	remove := c.Intercept(noting(&l, "a"), noting(&l, "b"))
	c.Handle(t.Context(), to("k", 1))
	veto := c.Intercept(func(message.Handler[int]) message.Handler[int] { return returning(message.ErrDropped) })
	if err := c.Handle(t.Context(), to("k", 2)); err != message.ErrDropped || c.Len() != 1 {
		t.Errorf("err %v, %d wait", err, c.Len())
	}
	veto()
	remove()
	c.Handle(t.Context(), to("k", 3))
	if got := l.take(); !slices.Equal(got, []string{"+a", "+b", "-b", "-a", "+a", "+b", "-b", "-a"}) {
		t.Errorf("noted %v", got)
	}
	if got := receiveAll(t, c); !slices.Equal(got, []int{1, 3}) {
		t.Errorf("received %v", got)
	}
}
