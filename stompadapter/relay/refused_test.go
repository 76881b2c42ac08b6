package relay_test

import (
	"context"
	"testing"
	"time"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/frame"
	"github.com/headrace/headrace/stompadapter/relay"
)

// A broker that does not let the relay in is asked no more often than one that is away.
func TestRefusedLoginIsNoStorm(t *testing.T) {
	bubble(t, relay.Config{}, func(s *site) {
		s.fake.set(func(b *fake) {
			b.hello = func(p *peer, _ frame.Frame) {
				p.say("ERROR\nmessage:Bad CONNECT\n\nAccess refused for user 'guest'\x00")
				p.conn.Close()
			}
		})
		before := s.fake.opened()
		s.fake.peer(0).conn.Close()
		pass(time.Hour)
		if n, least, most := s.fake.opened()-before, 3600/5, 3600*2/5+1; n < least || n > most {
			t.Errorf("%d attempts in an hour, want %d to %d", n, least, most)
		}
		s.fake.set(func(b *fake) { b.hello = nil })
		pass(5 * time.Second)
		if !s.Stats().Available {
			t.Error("the relay is let in again, and not there")
		}
	})
}

// A connection that the broker closes for reasons of its own is lost like any other: what
// waited for its word is sent again, and re-attached clients stay.
func TestForcedIsNoRefusal(t *testing.T) {
	for name, say := range map[string]string{
		"channel": "ERROR\nmessage:AMQP channel died\n\nReason: {shutdown,\n            {connection_closing,\n" +
			"                {server_initiated_close,320,<<\"maintenance\">>}}}\x00",
		"connection": "ERROR\nmessage:connection_forced\n\nbroker forced connection closure with reason 'shutdown'\x00",
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, relay.Config{Reattach: true}, func(s *site) {
				c := s.connect()
				s.fake.set(func(b *fake) { b.answer = func(*peer, frame.Frame) {} })
				ours, clients := s.do(text("/topic/a", "ours")), s.do(message.Raw{Session: c.Session(), Destination: "/topic/a"})
				s.want("before", ours, errPending)
				s.fake.set(func(b *fake) { b.answer = nil })
				for n := range 2 {
					s.fake.peer(n).say(say)
					s.fake.peer(n).conn.Close()
				}
				pass(5 * time.Second)
				s.want("what the application sent", ours, nil)
				s.want("what the client sent", clients, nil)
				if err := c.Session().Reason(); err != nil {
					t.Errorf("the session ended with %v", err)
				}
			})
		})
	}
}

// unclear answers so often with an error that does not say what it is about, and confirms
// what comes later.
func unclear(times int) func(*peer, frame.Frame) {
	return func(p *peer, f frame.Frame) {
		if times--; times < 0 {
			p.confirm(f)
			return
		}
		p.say("ERROR\nmessage:Processing error\n\nProcessing error\x00")
		p.conn.Close()
	}
}

// Of an error that does not say what it is about, nobody knows whether it is for the message
// that waited: that is sent once more, alone.
func TestUnclearRefusal(t *testing.T) {
	bubble(t, relay.Config{}, func(s *site) {
		s.fake.set(func(b *fake) { b.answer = unclear(1) })
		good := s.do(text("/topic/a", "good"))
		pass(5 * time.Second)
		s.want("refused once", good, nil)
		s.fake.set(func(b *fake) { b.answer = unclear(2) })
		refused := s.do(text("/topic/a", "bad"))
		pass(5 * time.Second)
		if err := refused(); message.Public(err) == nil || message.Public(err).Code != message.CodeInvalid {
			t.Errorf("refused twice: %v", err)
		}
	})
}

// Nor does anybody know it of a subscription that is made on another connection: the
// application does not lose it for one such error.
func TestUnclearRefusalOfASubscription(t *testing.T) {
	take := message.HandlerFunc[[]byte](func(context.Context, message.Raw) error { return nil })
	bubble(t, relay.Config{Subscriptions: map[string]message.RawHandler{"/topic/a": take}}, func(s *site) {
		for range 2 { // each is the first one again
			s.fake.set(func(b *fake) { b.answer = unclear(1) })
			before := s.fake.opened()
			s.fake.peer(before - 1).conn.Close()
			pass(time.Minute)
			if n := s.fake.opened() - before; n != 2 {
				t.Errorf("%d connections were opened, want 2", n)
			}
			if subs := s.fake.peer(s.fake.opened() - 1).got(frame.Subscribe); len(subs) != 1 {
				t.Errorf("%d subscriptions on the last connection, want 1", len(subs))
			}
		}
	})
}
