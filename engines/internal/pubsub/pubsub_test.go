package pubsub_test

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	wmessage "github.com/ThreeDotsLabs/watermill/message"
	"go.uber.org/goleak"

	"github.com/headrace/headrace/engines/internal/pubsub"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errAway = errors.New("away")

func TestHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := pubsub.NewHealth()
		var told []bool
		stop := h.Watch(func(is bool) { told = append(told, is) })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := h.Wait(ctx); err != context.DeadlineExceeded {
			t.Errorf("waiting for what is not there: %v", err)
		}
		time.AfterFunc(time.Second, func() { h.Set(true) })
		down, err := h.Wait(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		during, end := pubsub.During(t.Context(), down)
		defer end()
		h.Set(true) // nothing new
		h.Set(false)
		synctest.Wait()
		if context.Cause(during) != pubsub.ErrAway {
			t.Errorf("it went, and the cause is %v", context.Cause(during))
		}
		stop()
		h.Set(true)
		h.Set(false)
		if len(told) != 3 || told[0] || !told[1] || told[2] {
			t.Errorf("told %v", told)
		}
		time.AfterFunc(time.Second, h.Close)
		if _, err := h.Wait(t.Context()); err == nil {
			t.Error("waited for what is closed")
		}
	})
}

func TestPing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := pubsub.NewHealth()
		var there atomic.Bool
		there.Store(true)
		p := pubsub.Ping(h, func(context.Context) error {
			if there.Load() {
				return nil
			}
			return errAway
		}, slog.New(slog.DiscardHandler))
		defer p.Stop()
		var is atomic.Bool
		defer h.Watch(is.Store)()
		for _, now := range []bool{true, false, true} {
			there.Store(now)
			time.Sleep(1100 * time.Millisecond)
			if is.Load() != now {
				t.Errorf("after a second it is said to be there: %v", is.Load())
			}
		}
	})
}

// subscribe receives by a function, until the test ends.
func subscribe(t *testing.T, inFlight int, receive func(*pubsub.Out)) (*pubsub.Subscriber, <-chan *wmessage.Message) {
	t.Helper()
	s := pubsub.NewSubscriber(inFlight, func(context.Context) (func(*pubsub.Out), error) { return receive, nil })
	messages, err := s.Subscribe(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, messages
}

func message(id string) *wmessage.Message { return wmessage.NewMessage(id, nil) }

func TestOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, messages := subscribe(t, 1, func(out *pubsub.Out) {
			for _, id := range []string{"1", "2"} {
				if !out.One(message(id)) {
					return
				}
			}
		})
		for _, want := range []string{"1", "1", "2"} {
			m := <-messages
			if m.UUID != want {
				t.Fatalf("%s came, want %s", m.UUID, want)
			}
			if want == "1" && m.Metadata.Get("seen") == "" {
				m.Metadata.Set("seen", "yes")
				m.Nack()
			} else {
				m.Ack()
			}
			synctest.Wait()
			if m.Context().Err() == nil {
				t.Error("it is not seen that the engine knows")
			}
		}
		s.Close()
		if _, open := <-messages; open {
			t.Error("something came after the end")
		}
	})
}

// noted is an engine that notes what it is told.
type noted struct{ acks, nacks, keeps atomic.Int64 }

func (n *noted) held(again bool) pubsub.Held {
	count := func(c *atomic.Int64) func(context.Context) error {
		return func(context.Context) error { c.Add(1); return nil }
	}
	return pubsub.Held{Ack: count(&n.acks), Nack: count(&n.nacks), Keep: count(&n.keeps), Again: again, Every: time.Second}
}

func TestGive(t *testing.T) {
	for name, again := range map[string]bool{"engine gives again": false, "subscription gives again": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var n noted
				s, messages := subscribe(t, 3, func(out *pubsub.Out) {
					for out.Reserve() > 0 {
						out.Give(message("x"), n.held(again))
					}
				})
				first, second, third := <-messages, <-messages, <-messages
				synctest.Wait()
				select {
				case <-messages:
					t.Error("more came than may be in flight")
				default:
				}
				time.Sleep(2500 * time.Millisecond)
				if n.keeps.Load() != 6 {
					t.Errorf("kept %d times, want each of 3 twice", n.keeps.Load())
				}
				first.Ack()
				second.Nack()
				<-messages
				synctest.Wait()
				nacks := int64(1)
				if again {
					nacks = 0
				}
				if n.acks.Load() != 1 || n.nacks.Load() != nacks {
					t.Errorf("%d acknowledged, %d refused", n.acks.Load(), n.nacks.Load())
				}
				third.Ack()
				s.Close()
				if n.acks.Load() != 2 {
					t.Errorf("%d acknowledged at the end", n.acks.Load())
				}
				if n.nacks.Load() == 0 {
					t.Error("what was under way at the end is not given back")
				}
			})
		})
	}
}

// What nobody has taken yet is kept too: the engine would give it to somebody else.
func TestGiveKeepsWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n noted
		_, messages := subscribe(t, 3, func(out *pubsub.Out) {
			for out.Reserve() > 0 {
				out.Give(message("x"), n.held(false))
			}
		})
		time.Sleep(1500 * time.Millisecond)
		if n.keeps.Load() != 3 {
			t.Errorf("kept %d times, want each of 3 once", n.keeps.Load())
		}
		for range 3 {
			(<-messages).Ack()
		}
	})
}

// The engine is told until it knows, but not for ever once the subscription has ended.
func TestGiveInsists(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tries atomic.Int64
		h := new(noted).held(false)
		h.Ack = func(context.Context) error { tries.Add(1); return errAway }
		s, messages := subscribe(t, 1, func(out *pubsub.Out) {
			out.Give(message("x"), h)
			<-out.Context().Done()
		})
		(<-messages).Ack()
		time.Sleep(10 * time.Second)
		if n := tries.Load(); n < 10 || n > 20 {
			t.Errorf("tried %d times in 10 s", n)
		}
		began := time.Now()
		s.Close()
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("Close took %v", took)
		}
	})
}
