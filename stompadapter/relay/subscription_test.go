package relay_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/messagetest"
	"github.com/headrace/headrace/stompadapter/frame"
	"github.com/headrace/headrace/stompadapter/relay"
)

// What was on its way when the connection was lost is sent again once: a subscription that
// was not confirmed is not made twice, and one that was ended is not ended again.
func TestReattachWhileSubscriptionsChange(t *testing.T) {
	bubble(t, relay.Config{Reattach: true}, func(s *site) {
		c := s.connect()
		gone := c.Subscribe("/topic/gone")
		s.fake.set(func(b *fake) { b.answer = func(*peer, frame.Frame) {} })
		change := func(kind message.Kind, id string) func() error {
			return s.do(message.Raw{Kind: kind, Session: c.Session(), Destination: "/topic/a", Subscription: id})
		}
		made, ended := change(message.KindSubscribe, "new"), change(message.KindUnsubscribe, gone)
		short, over := change(message.KindSubscribe, "short"), change(message.KindUnsubscribe, "short")
		synctest.Wait()
		s.fake.stop()
		s.fake.set(func(b *fake) { b.answer, b.down = nil, nil })
		pass(10 * time.Second)
		for what, done := range map[string]func() error{"new": made, "gone": ended, "short": short, "over": over} {
			s.want(what, done, nil)
		}
		var got []string
		p := s.fake.peer(2)
		for i := 3; len(p.got(frame.Subscribe)) == 0 && i < s.fake.opened(); i++ { // the relay's own is another
			p = s.fake.peer(i)
		}
		for _, f := range append(p.got(frame.Subscribe), p.got(frame.Unsubscribe)...) {
			got = append(got, string(f.Command)+" "+f.Header.Get("id"))
		}
		if want := []string{"SUBSCRIBE new", "SUBSCRIBE short", "UNSUBSCRIBE short"}; !slices.Equal(got, want) {
			t.Errorf("the new connection got %q, want %q", got, want)
		}
		p.push("new", "x")
		if m := c.Next(t); m.Subscription != "new" {
			t.Errorf("got %+v", m)
		}
	})
}

// The broker's word on a subscription may come while that ends.
func TestUnsubscribeMeetsTheReceipt(t *testing.T) {
	confirmed := make(chan struct{}, 1)
	f := &fake{t: t, answer: func(p *peer, f frame.Frame) {
		p.confirm(f)
		if f.Command == frame.Subscribe {
			confirmed <- struct{}{}
		}
	}}
	b := relay.New(message.HandlerFunc[[]byte](deliver), relay.Config{Dial: f.dial, Logger: slog.New(slog.DiscardHandler)})
	defer b.Close()
	c := messagetest.Connect(t, b)
	for range 5_000 {
		subscribe := message.Raw{Kind: message.KindSubscribe, Session: c.Session(), Subscription: "1", Destination: "/topic/a"}
		if err := b.Handle(t.Context(), subscribe); err != nil {
			t.Fatal(err)
		}
		<-confirmed
		c.Unsubscribe("1")
	}
}

// However much waits, a subscription can be ended.
func TestUnsubscribeNeedsNoRoom(t *testing.T) {
	bubble(t, relay.Config{SessionFrames: 10}, func(s *site) {
		c := s.connect()
		sub := c.Subscribe("/topic/a")
		s.fake.set(func(b *fake) { b.answer = func(*peer, frame.Frame) {} })
		for range 10 {
			s.do(message.Raw{Session: c.Session(), Destination: "/topic/a"})
		}
		s.want("taken", s.do(message.Raw{Kind: message.KindUnsubscribe, Session: c.Session(), Subscription: sub}), errPending)
		if n := len(s.fake.peer(1).got(frame.Unsubscribe)); n != 1 {
			t.Errorf("the broker got %d", n)
		}
	})
}

// What is unsettled when its subscription ends is given back, and its client may still
// settle it.
func TestUnsubscribeGivesBack(t *testing.T) {
	bubble(t, relay.Config{}, func(s *site) {
		c := s.connect()
		sub := c.Subscribe("/queue/a", message.Field{Name: "ack", Value: "client"})
		p := s.fake.peer(1)
		p.push(sub, "1", "ack:one")
		p.push(sub, "2", "ack:two")
		first := c.Next(t)
		c.Next(t)
		c.Unsubscribe(sub)
		synctest.Wait()
		var got []string
		p.mu.Lock()
		for _, f := range p.frames {
			got = append(got, strings.TrimSpace(string(f.Command)+" "+f.Header.Get("id")))
		}
		p.mu.Unlock()
		if want := []string{"BEGIN", "NACK one", "NACK two", "UNSUBSCRIBE " + sub, "COMMIT"}; !slices.Equal(got[2:], want) {
			t.Errorf("the broker got %q, want %q", got[2:], want)
		}
		c.Ack(first)
		ack := message.Raw{Kind: message.KindAck, Session: c.Session(), Subscription: sub, Header: message.NewHeader(message.Field{Name: message.HeaderMessageID, Value: "m-2"})}
		s.want("by the message's id", s.do(ack), nil)
		ack.Header = message.NewHeader(message.Field{Name: message.HeaderMessageID, Value: "m-3"})
		s.want("one that never was", s.do(ack), broker.ErrUnknownAck)
		if n := len(p.got(frame.Ack)); n != 0 {
			t.Errorf("%d acknowledgements of what was given back", n)
		}
	})
}

// A delivery that is refused twice at once comes again once.
func TestRefusedTwiceComesOnce(t *testing.T) {
	bubble(t, relay.Config{Dialect: relay.ActiveMQ}, func(s *site) {
		c := s.connect()
		sub := c.Subscribe("/queue/a", message.Field{Name: "ack", Value: "client-individual"})
		s.fake.peer(1).push(sub, "x", "ack:one")
		m := c.Next(t)
		nack := message.Raw{Kind: message.KindNack, Session: c.Session(), Header: message.NewHeader(message.Field{Name: message.HeaderAck, Value: m.Header.Get(message.HeaderAck)})}
		s.want("the first time", s.do(nack), nil)
		s.want("the second time", s.do(nack), broker.ErrUnknownAck)
		pass(time.Minute)
		if m = c.Next(t); m.Header.Get(message.HeaderDeliveries) != "2" {
			t.Errorf("came as %v", m.Header)
		}
		c.Refute(t)
		c.Ack(m)
		synctest.Wait()
		if n := len(s.fake.peer(1).got(frame.Ack)); n != 1 {
			t.Errorf("%d acknowledgements", n)
		}
	})
}

// A subscription that ends while the broker is away has ended.
func TestUnsubscribeWhileTheBrokerIsAway(t *testing.T) {
	bubble(t, relay.Config{Reattach: true}, func(s *site) {
		c := s.connect()
		sub := c.Subscribe("/topic/a")
		s.fake.stop()
		synctest.Wait()
		s.want("while it is away", s.do(message.Raw{Kind: message.KindUnsubscribe, Session: c.Session(), Subscription: sub}), nil)
		s.fake.start()
		pass(10 * time.Second)
		c.Subscribe("/topic/b")
		for i := 2; i < s.fake.opened(); i++ {
			if p := s.fake.peer(i); len(p.got(frame.Subscribe)) > 1 || len(p.got(frame.Unsubscribe)) > 0 {
				t.Errorf("connection %d: %d SUBSCRIBE, %d UNSUBSCRIBE", i, len(p.got(frame.Subscribe)), len(p.got(frame.Unsubscribe)))
			}
		}
	})
}

// A subscription that was confirmed while its end was on its way ends with the connection.
func TestUnsubscribeIsLostWithTheConnection(t *testing.T) {
	bubble(t, relay.Config{Reattach: true}, func(s *site) {
		c := s.connect()
		s.fake.set(func(b *fake) {
			b.answer = func(p *peer, f frame.Frame) {
				if f.Command == frame.Subscribe {
					time.AfterFunc(time.Second, func() { p.confirm(f) })
				}
			}
		})
		made := s.do(message.Raw{Kind: message.KindSubscribe, Session: c.Session(), Destination: "/topic/a", Subscription: "a"})
		ended := s.do(message.Raw{Kind: message.KindUnsubscribe, Session: c.Session(), Subscription: "a"})
		s.want("not confirmed", made, errPending)
		pass(time.Second)
		s.want("confirmed", made, nil)
		s.want("on its way", ended, errPending)
		s.fake.stop()
		s.fake.set(func(b *fake) { b.answer, b.down = nil, nil })
		pass(10 * time.Second)
		s.want("lost with the connection", ended, nil)
		for i := 2; i < s.fake.opened(); i++ {
			if p := s.fake.peer(i); len(p.got(frame.Subscribe))+len(p.got(frame.Unsubscribe)) > 0 {
				t.Errorf("connection %d got %v, %v", i, p.got(frame.Subscribe), p.got(frame.Unsubscribe))
			}
		}
	})
}

// refuser is a client to whom an interceptor lets nothing through.
type refuser struct {
	sink
	passes atomic.Bool
}

func (r *refuser) Deliver(_ context.Context, m message.Raw) error {
	if m.Kind == message.KindData && !r.passes.Load() {
		return errors.New("no")
	}
	return nil
}

// What is refused on its way to a client goes back to RabbitMQ the later the more often that
// happens, though RabbitMQ brings it as a new one each time; when it gets through, what is
// refused next goes back soon.
func TestRefusedOnTheWayGoesBackLater(t *testing.T) {
	bubble(t, relay.Config{}, func(s *site) {
		client := &refuser{}
		session := message.NewSession(client, message.SessionInfo{})
		defer func() { s.do(message.Raw{Kind: message.KindDisconnect, Session: session})() }()
		s.want("connect", s.do(message.Raw{Kind: message.KindConnect, Session: session}), nil)
		individual := message.NewHeader(message.Field{Name: "ack", Value: "client-individual"})
		s.want("subscribe", s.do(message.Raw{Kind: message.KindSubscribe, Session: session, Subscription: "1", Destination: "/queue/a", Header: individual}), nil)
		p := s.fake.peer(1)
		s.fake.set(func(b *fake) {
			b.answer = func(p *peer, f frame.Frame) {
				if p.confirm(f); f.Command == frame.Nack {
					p.push("1", "x", "ack:"+f.Header.Get("id")+"x", "redelivered:true")
				}
			}
		})
		returned := func() int { return len(p.got(frame.Nack)) }
		p.push("1", "x", "ack:x")
		pass(100 * time.Millisecond)
		if n := returned(); n < 2 {
			t.Errorf("it went back %d times at once, want 2", n)
		}
		pass(time.Hour)
		if n := returned(); n < 300 || n > 400 {
			t.Errorf("it went back %d times in an hour, want one in 10 s", n)
		}
		client.passes.Store(true)
		pass(time.Minute)
		client.passes.Store(false)
		before := returned()
		p.push("1", "y", "ack:y")
		pass(100 * time.Millisecond)
		if n := returned() - before; n < 2 {
			t.Errorf("another one went back %d times at once, want 2", n)
		}
	})
}
