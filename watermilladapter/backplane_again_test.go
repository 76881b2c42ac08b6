package watermilladapter_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	wmessage "github.com/ThreeDotsLabs/watermill/message"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/watermilladapter"
)

// again is a subscription of which the test says what the engine delivers.
type again struct {
	t    *testing.T
	b    *watermilladapter.Backplane
	sub  fakeSubscriber
	got  []string
	held []*message.Completion
	err  error // of receive
}

func newAgain(t *testing.T, group string) *again {
	a := &again{t: t, sub: fakeSubscriber{out: make(chan *wmessage.Message)}}
	a.b = overSubscriber(t, a.sub, watermilladapter.BackplaneConfig{})
	subscribe(t, a.b, group, func(_ context.Context, e broker.Envelope) error {
		a.got = append(a.got, e.ID)
		if group != "" && a.err == nil {
			e.Done.Hold()
			a.held = append(a.held, e.Done)
		}
		return a.err
	})
	return a
}

// deliver delivers an envelope of this id.
func (a *again) deliver(id string) *wmessage.Message {
	m := published(a.t, broker.Envelope{ID: id})
	a.sub.out <- m
	synctest.Wait()
	return m
}

func (a *again) wantGot(want ...string) {
	a.t.Helper()
	if !slices.Equal(a.got, want) {
		a.t.Errorf("received %q, want %q", a.got, want)
	}
}

func (a *again) wantState(m *wmessage.Message, want string) {
	a.t.Helper()
	if got := state(m); got != want {
		a.t.Errorf("settled by %q, want %s", got, want)
	}
}

func TestBackplaneReceivesOnceWhatTheEngineDeliversAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgain(t, "")
		for range 3 {
			a.wantState(a.deliver("1"), "ack")
		}
		a.deliver("2")
		a.wantGot("1", "2")
		if n := a.b.Stats().Duplicates; n != 2 {
			t.Errorf("%d duplicates", n)
		}
		pass(2*time.Minute + 1)
		a.deliver("1")
		a.wantGot("1", "2", "1")
	})
}

func TestBackplaneReceivesAgainWhatFailed(t *testing.T) {
	for _, group := range []string{"", "g"} {
		t.Run("group "+group, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newAgain(t, group)
				a.err = errAway
				m := a.deliver("1")
				pass(time.Second)
				a.wantState(m, "nack")
				a.err = nil
				a.deliver("1")
				a.wantGot("1", "1")
			})
		})
	}
}

// TestBackplaneReceivesAllThatHasNoID.
func TestBackplaneReceivesAllThatHasNoID(t *testing.T) {
	for _, group := range []string{"", "g"} {
		t.Run("group "+group, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newAgain(t, group)
				a.deliver("")
				a.deliver("")
				for _, done := range a.held {
					done.Release(nil)
				}
				a.wantGot("", "")
			})
		})
	}
}

// TestBackplaneGroupReceivesOnceWhatIsUnderWay: what comes again meanwhile ends as
// the first does.
func TestBackplaneGroupReceivesOnceWhatIsUnderWay(t *testing.T) {
	for want, err := range map[string]error{"ack": nil, "nack": errors.New("broken")} {
		t.Run(want, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newAgain(t, "g")
				first, second := a.deliver("1"), a.deliver("1")
				a.wantState(second, "open")
				a.held[0].Release(err)
				pass(time.Second)
				a.wantState(first, want)
				a.wantState(second, want)
				a.wantGot("1")
				third := a.deliver("1")
				if err == nil {
					a.wantState(third, "ack")
					a.wantGot("1")
				} else {
					a.wantGot("1", "1")
				}
			})
		})
	}
}

// TestBackplaneGroupKnowsWhatItHasWhenTheEngineComesBack: a consumer who took his
// time over the loss of the engine gets nothing twice.
func TestBackplaneGroupKnowsWhatItHasWhenTheEngineComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newGroupEngine(8)
		b := overEngine(t, e)
		var got []string
		var held []*message.Completion
		subscribe(t, b, "g", func(_ context.Context, e broker.Envelope) error {
			got = append(got, e.ID)
			e.Done.Hold()
			held = append(held, e.Done)
			return nil
		})
		send(t, b, "1", "2", "3")
		synctest.Wait()
		held[0].Release(nil)
		synctest.Wait()
		e.breakAll()
		held[1].Release(nil) // nobody is there to be told
		pass(time.Minute)
		held[2].Release(nil)
		pass(time.Minute)
		if want := []string{"1", "2", "3"}; !slices.Equal(got, want) {
			t.Errorf("received %q, want %q", got, want)
		}
		if n := e.waiting("_topic_a", "g"); n != 0 {
			t.Errorf("%d messages still wait for an acknowledgement", n)
		}
	})
}

// TestBackplaneForgetsTheOldest of more than 16,384 ids.
func TestBackplaneForgetsTheOldest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgain(t, "")
		for i := range 16384 {
			a.deliver(fmt.Sprint(i))
		}
		a.got = nil
		a.deliver("0")
		a.wantGot() // it is the oldest that is known
		a.deliver("new")
		a.deliver("0")
		a.deliver("16383")
		a.wantGot("new", "0")
	})
}

// TestBackplaneTakesWhatIsNoEnvelope, says so and goes on.
func TestBackplaneTakesWhatIsNoEnvelope(t *testing.T) {
	for name, metadata := range map[string]wmessage.Metadata{
		"foreign":     {"colour": "red"},
		"destination": {"hr-destination": "%zz"},
		"origin":      {"hr-destination": "a", "hr-origin": "%"},
		"name":        {"hr-destination": "a", "hr-header": "%=b"},
		"value":       {"hr-destination": "a", "hr-header": "a=%"},
		"no value":    {"hr-destination": "a", "hr-header": "a"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log strings.Builder
				sub := fakeSubscriber{out: make(chan *wmessage.Message)}
				b := overSubscriber(t, sub, watermilladapter.BackplaneConfig{Logger: logger(&log)})
				var got []string
				subscribe(t, b, "", func(_ context.Context, e broker.Envelope) error { got = append(got, e.ID); return nil })
				m := wmessage.NewMessage("id-1", []byte("hello"))
				m.Metadata = metadata
				sub.out <- m
				sub.out <- published(t, broker.Envelope{ID: "2"})
				synctest.Wait()
				if got := state(m); got != "ack" {
					t.Errorf("settled by %s", got)
				}
				if !slices.Equal(got, []string{"2"}) {
					t.Errorf("received %q", got)
				}
				if n := b.Stats().Unreadable; n != 1 || !strings.Contains(log.String(), "id-1") {
					t.Errorf("%d counted, log:\n%s", n, &log)
				}
			})
		})
	}
}
