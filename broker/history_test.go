package broker_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
)

// kept is a broker with one rule for topics.
func kept(t *testing.T, rule broker.Rule, f func(t *testing.T, o ops, b *broker.Memory)) {
	t.Helper()
	rule.Prefix = "/topic"
	withRules(t, []broker.Rule{rule}, f)
}

// position is where a subscription was.
type position struct{ epoch, offset string }

// last returns where c is.
func (c *client) last(t *testing.T) position {
	t.Helper()
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.all) == 0 {
		t.Fatal("nothing was delivered")
	}
	h := c.all[len(c.all)-1].Header
	return position{h.Get(message.HeaderEpoch), h.Get(message.HeaderOffset)}
}

func (o ops) resume(c *client, dest string, at position, more ...message.Field) error {
	h := message.NewHeader(more...).With(message.HeaderOffset, at.offset).With(message.HeaderEpoch, at.epoch)
	m := message.Raw{Kind: message.KindSubscribe, Session: c.Session, Subscription: "1", Destination: dest, Header: h}
	stored := make(chan error, 1)
	m.Done = message.NewCompletion(message.Stored, func(err error) { stored <- err })
	m.Done.Release(o.do(m))
	return <-stored
}

// recovered takes the answer to a resumption off what c got.
func (c *client) recovered(t *testing.T) string {
	t.Helper()
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.got, func(m message.Raw) bool { return m.Kind == message.KindData })
	if i < 0 {
		t.Fatal("nothing was delivered")
	}
	m := c.got[i]
	c.got = c.got[i+1:]
	if len(m.Payload) > 0 || m.Subscription != "1" {
		t.Errorf("the answer has %q for %q", m.Payload, m.Subscription)
	}
	return m.Header.Get(message.HeaderRecovered)
}

func TestResume(t *testing.T) {
	const most = 3
	for _, tc := range []struct {
		name   string
		missed int
		change func(p *position) // of what the client says
		sleep  time.Duration
		want   string
	}{
		{"nothing missed", 0, nil, 0, "true"},
		{"one missed", 1, nil, 0, "true 1"},
		{"as much as is kept", most, nil, 0, "true 1 2 3"},
		{"more than is kept", most + 1, nil, 0, "false"},
		{"another epoch", 1, func(p *position) { p.epoch = "x" }, 0, "false"},
		{"no epoch", 1, func(p *position) { p.epoch = "" }, 0, "false"},
		{"an offset that is not there yet", 1, func(p *position) { p.offset = "100" }, 0, "false"},
		{"the beginning, which is gone", most, func(p *position) { p.offset = "0" }, 0, "false"},
		{"still there", 2, nil, time.Minute - time.Nanosecond, "true 1 2"},
		{"too old", 2, nil, time.Minute, "false"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			kept(t, broker.Rule{History: broker.History{Messages: most, Age: time.Minute}}, func(t *testing.T, o ops, b *broker.Memory) {
				c := o.newClient()
				o.must(o.subscribe(c, "1", "/topic/a"))
				o.sendAll("/topic/a", "seen")
				at := c.last(t)
				o.must(o.disconnect(c))
				for i := range tc.missed {
					o.sendAll("/topic/a", fmt.Sprint(i+1))
				}
				if tc.change != nil {
					tc.change(&at)
				}
				time.Sleep(tc.sleep)
				again := o.newClient()
				o.must(o.resume(again, "/topic/a", at))
				want := strings.Fields(tc.want)
				if got := again.recovered(t); got != want[0] {
					t.Errorf("recovered %q, want %q", got, want[0])
				}
				wantGot(t, again, want[1:]...)
				if where := again.last(t); where.epoch == "" || where.offset == "" {
					t.Errorf("the client does not know where it is: %v", where)
				}
				o.sendAll("/topic/a", "live")
				wantGot(t, again, "live")
				for _, m := range again.all {
					if m.Kind == message.KindData && m.Destination != "/topic/a" {
						t.Errorf("%q comes from %q", m.Payload, m.Destination)
					}
				}
			})
		})
	}
}

// Who asks at once for its place, with nothing missed, resumes from there.
func TestResumeFromThePlaceThatWasTold(t *testing.T) {
	kept(t, broker.Rule{History: broker.History{Messages: 10}}, func(t *testing.T, o ops, b *broker.Memory) {
		o.sendAll("/topic/a", "before")
		c := o.newClient()
		o.must(o.resume(c, "/topic/a", position{"", "0"}))
		if got := c.recovered(t); got != "false" {
			t.Errorf("recovered %q", got)
		}
		at := c.last(t)
		o.must(o.disconnect(c))
		o.sendAll("/topic/a", "missed")
		again := o.newClient()
		o.must(o.resume(again, "/topic/a", at))
		if got := again.recovered(t); got != "true" {
			t.Errorf("recovered %q", got)
		}
		wantGot(t, again, "missed")
	})
}

func TestResumeIsRefusedOrAnswered(t *testing.T) {
	kept(t, broker.Rule{History: broker.History{Messages: 10}}, func(t *testing.T, o ops, b *broker.Memory) {
		c := o.newClient()
		wantCode(t, o.resume(c, "/topic/a", position{"x", "-1"}), message.CodeInvalid)
		wantCode(t, o.resume(c, "/topic/a", position{"x", "many"}), message.CodeInvalid)
		o.must(o.resume(c, "/topic/*", position{"x", "1"}))
		if got := c.recovered(t); got != "false" {
			t.Errorf("recovered %q with a pattern", got)
		}
		other := o.newClient()
		o.must(o.resume(other, "/elsewhere", position{"x", "1"}))
		if got := other.recovered(t); got != "false" {
			t.Errorf("recovered %q where nothing is kept", got)
		}
		wantCode(t, o.send("/topic/*", "x"), message.CodeInvalid)
	})
}

func TestHistoryBounds(t *testing.T) {
	big := strings.Repeat("x", 600)
	kept(t, broker.Rule{History: broker.History{Messages: 100, Bytes: 3_000}}, func(t *testing.T, o ops, b *broker.Memory) {
		c := o.newClient()
		o.must(o.subscribe(c, "1", "/topic/a"))
		o.sendAll("/topic/a", big, big, big, big)
		if n := b.Stats().Bytes; n < 2_000 || n > 3_000 {
			t.Errorf("%d bytes are kept", n)
		}
		at := c.last(t)
		o.sendAll("/topic/a", strings.Repeat("x", 4_000)) // larger than all that may be kept
		if n := b.Stats().Bytes; n != 0 {
			t.Errorf("%d bytes are kept behind a gap", n)
		}
		again := o.newClient()
		o.must(o.resume(again, "/topic/a", at))
		if got := again.recovered(t); got != "false" {
			t.Errorf("recovered %q over a gap", got)
		}
	})
}

// Where others have taken what the broker has room for, a topic goes on with the room that
// is its own.
func TestHistoryKeepsItsRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := broker.NewMemory(outbound, broker.Config{MaxBytes: 20_000, Logger: slog.New(slog.DiscardHandler), Rules: []broker.Rule{
			{Prefix: "/queue", Mode: broker.Queue}, {Prefix: "/topic", History: broker.History{Messages: 10}},
		}})
		defer b.Close()
		o := ops{t, b}
		c := o.newClient()
		o.must(o.subscribe(c, "1", "/topic/a"))
		o.sendAll("/topic/a", "1", "2", "3")
		at := c.last(t)
		o.sendAll("/topic/a", "4", "5")
		for o.send("/queue/a", "x") == nil {
		}
		o.sendAll("/topic/a", "6")
		again := o.newClient()
		o.must(o.resume(again, "/topic/a", at))
		if got := again.recovered(t); got != "true" {
			t.Errorf("recovered %q", got)
		}
		wantGot(t, again, "4", "5", "6")
		o.sendAll("/topic/b", "1")
		if s := b.Stats(); s.Dropped["unkept"] != 1 || s.Bytes > 20_000 {
			t.Errorf("stats %+v, want what has no room of its own not kept", s)
		}
	})
}

// Topics that keep nothing any more go, whatever their names.
func TestHistoryEnds(t *testing.T) {
	kept(t, broker.Rule{History: broker.History{Messages: 2, Age: time.Hour}}, func(t *testing.T, o ops, b *broker.Memory) {
		c := o.newClient()
		for i := range 100 {
			o.sendAll(fmt.Sprint("/topic/", i), "x")
			o.must(o.subscribe(c, strconv.Itoa(i), fmt.Sprint("/topic/other/", i)))
		}
		time.Sleep(30 * time.Minute)
		o.sendAll("/topic/0", "x", "y", "z")
		if s := b.Stats(); s.Topics != 100 {
			t.Errorf("%d topics", s.Topics)
		}
		time.Sleep(time.Hour + time.Nanosecond)
		if s := b.Stats(); s.Topics != 0 || s.Bytes != 0 {
			t.Errorf("%d topics and %d bytes are left", s.Topics, s.Bytes)
		}
		o.sendAll("/topic/other/7", "live")
		wantGot(t, c, "live")
	})
}

// Each message goes when it is old enough itself.
func TestHistoryAges(t *testing.T) {
	kept(t, broker.Rule{History: broker.History{Messages: 10, Age: time.Minute}}, func(t *testing.T, o ops, b *broker.Memory) {
		o.sendAll("/topic/a", "1")
		one := b.Stats().Bytes
		want := func(messages int64) {
			t.Helper()
			synctest.Wait()
			if got := b.Stats().Bytes; got != messages*one {
				t.Errorf("%d bytes are kept, want %d messages of %d", got, messages, one)
			}
		}
		time.Sleep(40 * time.Second)
		o.sendAll("/topic/a", "2")
		time.Sleep(20*time.Second - time.Nanosecond)
		want(2)
		time.Sleep(time.Nanosecond)
		want(1)
		time.Sleep(40*time.Second - time.Nanosecond)
		want(1)
		time.Sleep(time.Nanosecond)
		want(0)
	})
}

func TestRetain(t *testing.T) {
	for name, rule := range map[string]broker.Rule{
		"alone":          {Retain: true},
		"with a history": {Retain: true, History: broker.History{Messages: 2, Age: time.Minute}},
	} {
		t.Run(name, func(t *testing.T) {
			kept(t, rule, func(t *testing.T, o ops, b *broker.Memory) {
				o.sendAll("/topic/a", "1", "2", "3")
				time.Sleep(24 * time.Hour)
				x, y := o.newClient(), o.newClient()
				o.must(o.subscribe(x, "1", "/topic/a"))
				wantGot(t, x, "3")
				o.must(o.subscribeAs(y, "1", "/topic/a", "client-individual"))
				wantGot(t, y, "3")
				o.ack(y, "3")
				o.sendAll("/topic/a", "4")
				wantGot(t, x, "4")
				wantGot(t, y, "4")
			})
		})
	}
}

// A subscription that acknowledges resumes too.
func TestResumeWithAcks(t *testing.T) {
	kept(t, broker.Rule{History: broker.History{Messages: 10}, Acks: broker.Acks{Prefetch: 2}}, func(t *testing.T, o ops, b *broker.Memory) {
		c := o.newClient()
		o.must(o.subscribe(c, "1", "/topic/a"))
		o.sendAll("/topic/a", "0")
		at := c.last(t)
		o.sendAll("/topic/a", "1", "2", "3")
		again := o.newClient()
		o.must(o.resume(again, "/topic/a", at, message.Field{Name: message.HeaderAckMode, Value: "client"}))
		wantGot(t, again, "", "1", "2") // nobody acknowledges the answer
		o.ack(again, "1")
		wantGot(t, again, "3")
		o.ack(again, "3")
	})
}

// A dead letter has no place in the topic that it came from.
func TestDeadLetterHasNoPlace(t *testing.T) {
	rule := broker.Rule{History: broker.History{Messages: 10}, Acks: broker.Acks{MaxDeliveries: 1, DeadLetter: "/dead"}}
	kept(t, rule, func(t *testing.T, o ops, b *broker.Memory) {
		c, undertaker := o.newClient(), o.newClient()
		o.must(o.subscribe(undertaker, "1", "/dead"))
		o.must(o.subscribeAs(c, "1", "/topic/a", "client"))
		o.sendAll("/topic/a", "x")
		if at := c.last(t); at.epoch == "" || at.offset != "1" {
			t.Errorf("the message is at %v", at)
		}
		o.nack(c, "x")
		if at := undertaker.last(t); at != (position{}) {
			t.Errorf("the dead letter is at %v", at)
		}
		wantGot(t, undertaker, "x x1")
	})
}

// TestHistoryHasNoGap: clients that come, go and resume while several publish get
// every message once, in its order.
func TestHistoryHasNoGap(t *testing.T) {
	const publishers, messages = 4, 2_000
	b := broker.NewMemory(outbound, broker.Config{Rules: []broker.Rule{{Prefix: "/topic", History: broker.History{Messages: publishers * messages, Bytes: 32 << 20}}}})
	defer b.Close()
	o := ops{t, b}
	var publishing, reading sync.WaitGroup
	for p := range publishers {
		publishing.Go(func() {
			for i := range messages {
				_ = o.send("/topic/a", fmt.Sprint(p, " ", i)) // counted below
			}
		})
	}
	published := make(chan struct{})
	for range 4 {
		reading.Go(func() {
			got, at := []string{}, position{}
			for last := false; !last; {
				select {
				case <-published:
					last = true // once more
				default:
				}
				c := newClient("")
				_ = o.do(message.Raw{Kind: message.KindConnect, Session: c.Session})
				if at == (position{}) {
					_ = o.resume(c, "/topic/a", position{"", "0"})
				} else {
					_ = o.resume(c, "/topic/a", at)
				}
				_ = o.disconnect(c)
				c.mu.Lock()
				for _, m := range c.all {
					if h := m.Header; m.Kind == message.KindData && h.Get(message.HeaderRecovered) == "" {
						got = append(got, string(m.Payload))
						at = position{h.Get(message.HeaderEpoch), h.Get(message.HeaderOffset)}
					} else if m.Kind == message.KindData && at == (position{}) {
						at = position{h.Get(message.HeaderEpoch), h.Get(message.HeaderOffset)}
						got = append(got, "from "+at.offset)
					} else if m.Kind == message.KindData && h.Get(message.HeaderRecovered) != "true" {
						t.Errorf("not recovered from %v", at)
					}
				}
				c.mu.Unlock()
			}
			first, _ := strconv.Atoi(strings.TrimPrefix(got[0], "from "))
			if len(got)-1 != publishers*messages-first {
				t.Errorf("%d messages after %d of %d", len(got)-1, first, publishers*messages)
			}
			next := map[string]int{}
			for _, text := range got[1:] {
				p, i, _ := strings.Cut(text, " ")
				n, _ := strconv.Atoi(i)
				if want, ok := next[p]; ok && n != want {
					t.Errorf("publisher %s: %d came, want %d", p, n, want)
				}
				next[p] = n + 1
			}
		})
	}
	publishing.Wait()
	close(published)
	reading.Wait()
}

// An interceptor of the way out may publish to the topic whose message it passes on.
func TestHistoryPublishWithinDelivery(t *testing.T) {
	var b *broker.Memory
	out := message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
		if string(m.Payload) == "first" {
			return b.Handle(ctx, message.Raw{Destination: "/topic/a", Payload: []byte("second")})
		}
		return m.Session.Deliver(ctx, m)
	})
	b = broker.NewMemory(out, broker.Config{Rules: []broker.Rule{{History: broker.History{Messages: 5}}}})
	defer b.Close()
	o := ops{t, b}
	c := o.newClient()
	o.must(o.subscribe(c, "1", "/topic/a"))
	o.sendAll("/topic/a", "first")
	wantLines(t, c, "1 /topic/a second")
}

// TestCloseFreesPublishers: whoever waits because too much waits to be delivered
// goes on when the broker is closed.
func TestCloseFreesPublishers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		block := make(chan struct{})
		out := message.HandlerFunc[[]byte](func(_ context.Context, m message.Raw) error {
			if m.Kind == message.KindData {
				<-block
			}
			return nil
		})
		b := broker.NewMemory(out, broker.Config{Rules: []broker.Rule{{Prefix: "/topic", Retain: true}}})
		o, c := ops{t, b}, newClient("")
		o.connect(c)
		o.must(o.subscribe(c, "1", "/topic/a"))
		var publishers sync.WaitGroup
		for range 3000 {
			publishers.Go(func() { _ = o.send("/topic/a", "x") })
		}
		synctest.Wait()
		b.Close()
		synctest.Wait()
		close(block)
		publishers.Wait()
	})
}

// A subscription that ended before it began does not begin with a later one of its id.
func TestSubscriptionThatEndedBeforeItBegan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		block := make(chan struct{})
		b := broker.NewMemory(message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
			if string(m.Payload) == "block" {
				<-block
			}
			return m.Session.Deliver(ctx, m)
		}), broker.Config{Rules: []broker.Rule{{History: broker.History{Messages: 9}}}})
		defer b.Close()
		o, first, c := ops{t, b}, newClient(""), newClient("")
		o.connect(first)
		o.connect(c)
		o.must(o.subscribe(first, "1", "/a"))
		go o.send("/a", "block")
		synctest.Wait()
		var told []error
		m := message.Raw{Kind: message.KindSubscribe, Session: c.Session, Subscription: "1", Destination: "/a"}
		m.Done = message.NewCompletion(message.Handled, func(err error) { told = append(told, err) })
		m.Done.Release(o.do(m))
		o.must(o.unsubscribe(c, "1"))
		o.must(o.subscribe(c, "1", "/a"))
		close(block)
		synctest.Wait()
		if len(told) != 1 {
			t.Fatalf("told %v", told)
		}
		wantCode(t, told[0], message.CodeUnavailable)
		o.must(o.send("/a", "x"))
		wantLines(t, c, "1 /a x")
		o.must(o.unsubscribe(c, "1"))
		o.must(o.send("/a", "y"))
		wantLines(t, c)
	})
}

// A message for which the whole broker has no room, nor its topic of its own, makes no gap
// either.
func TestHistoryOfAFullBrokerHasNoGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rules := []broker.Rule{{Prefix: "/h", History: broker.History{Messages: 9}}, {Prefix: "/queue", Mode: broker.Queue}}
		b := broker.NewMemory(outbound, broker.Config{Rules: rules, MaxBytes: 2000})
		defer b.Close()
		o, c := ops{t, b}, newClient("")
		o.connect(c)
		o.must(o.subscribe(c, "1", "/h/a"))
		o.must(o.send("/h/a", "kept"))
		at := c.last(t)
		o.must(o.send("/queue/a", strings.Repeat("x", 1000)))
		o.must(o.send("/h/a", "not kept"+strings.Repeat("x", 1000)))
		o.must(o.unsubscribe(c, "1"))
		c.take()
		o.must(o.resume(c, "/h/a", at))
		if got := c.recovered(t); got != "false" {
			t.Errorf("recovered %s, and the last message is missing", got)
		}
	})
}
