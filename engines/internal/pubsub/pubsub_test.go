package pubsub_test

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
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

// order is an engine that notes what it is told, in its order, and takes longer for what
// came earlier.
type order struct {
	mu          sync.Mutex
	acks, nacks []int
}

func (o *order) held(i int, again bool, nacks func()) pubsub.Held {
	note := func(told *[]int) {
		o.mu.Lock()
		defer o.mu.Unlock()
		*told = append(*told, i)
	}
	return pubsub.Held{
		Ack: func(context.Context) error { note(&o.acks); return nil },
		Nack: func(ctx context.Context) error {
			nacks()
			time.Sleep(time.Duration(30-i) * time.Millisecond)
			note(&o.nacks)
			return ctx.Err()
		},
		Again: again,
		Keep:  func(context.Context) error { return nil },
		Every: time.Second,
	}
}

// What is not settled when a subscriber leaves is refused as it came, whatever becomes of
// it here and when, behind the last that the engine hands out. Nothing comes any more.
func TestLeave(t *testing.T) {
	const given, late = 20, 3
	for name, again := range map[string]bool{"engine gives again": false, "subscription gives again": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var engine order
				var over atomic.Bool
				var of *pubsub.Out
				nacks := func() {
					if !over.Load() {
						t.Error("something is refused while the engine hands out")
					}
				}
				s, messages := subscribe(t, given+late, func(out *pubsub.Out) {
					of = out
					for i := range given {
						out.Give(message(strconv.Itoa(i)), engine.held(i, again, nacks))
					}
					<-out.Context().Done()
					for i := given; i < given+late; i++ { // they were on their way
						time.Sleep(100 * time.Millisecond)
						out.Give(message(strconv.Itoa(i)), engine.held(i, again, nacks))
					}
					over.Store(true)
				})
				var all []*wmessage.Message
				for range given {
					all = append(all, <-messages)
				}
				var acks, left []int
				for i := range given + late {
					if i%3 == 1 && i < given {
						all[i].Ack()
						acks = append(acks, i)
					} else {
						left = append(left, i)
					}
				}
				synctest.Wait()
				s.Leave()
				if of.Context().Err() == nil {
					t.Error("it left, and its subscription goes on")
				}
				synctest.Wait()
				all[0].Ack() // that still counts
				acks, left = append(acks, left[0]), left[1:]
				for _, i := range rand.Perm(given) {
					if i%3 == 2 { // of the rest nobody says anything
						all[i].Nack()
						time.Sleep(10 * time.Millisecond)
					}
				}
				if m, open := <-messages; open {
					t.Errorf("%s came after it left", m.UUID)
				}
				s.Close()
				slices.Sort(acks)
				slices.Sort(engine.acks)
				if !slices.Equal(engine.acks, acks) || !slices.Equal(engine.nacks, left) {
					t.Errorf("acknowledged %v, want %v; refused %v, want %v", engine.acks, acks, engine.nacks, left)
				}
			})
		})
	}
}

// What the driver gives back at once is not refused one by one at the end.
func TestLeaveAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n noted
		h := n.held(false)
		h.AtOnce = true
		s, messages := subscribe(t, 3, func(out *pubsub.Out) {
			for range 3 {
				out.Give(message("x"), h)
			}
			<-out.Context().Done()
		})
		(<-messages).Nack()
		synctest.Wait()
		(<-messages).Ack()
		s.Close()
		if n.acks.Load() != 1 || n.nacks.Load() != 1 {
			t.Errorf("%d acknowledged, %d refused", n.acks.Load(), n.nacks.Load())
		}
	})
}

// An engine that does not answer is not waited for when a subscription has ended, even if
// its client heeds nothing of a context but its deadline.
func TestGiveHasADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(noted).held(false)
		h.Nack = func(ctx context.Context) error {
			answer := 10 * time.Second
			if deadline, ok := ctx.Deadline(); ok {
				answer = min(answer, time.Until(deadline))
			}
			time.Sleep(answer)
			return errAway
		}
		s, messages := subscribe(t, 2, func(out *pubsub.Out) {
			out.Give(message("1"), h)
			out.Give(message("2"), h)
			<-out.Context().Done()
		})
		<-messages
		began := time.Now()
		s.Close()
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("Close took %v", took)
		}
	})
}
