package relay_test

import (
	"testing"
	"time"

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
