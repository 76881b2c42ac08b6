package relay_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/messagetest"
	"github.com/headrace/headrace/stompadapter/frame"
	"github.com/headrace/headrace/stompadapter/relay"
)

// With Reattach a client does not notice that the broker was away.
func TestReattach(t *testing.T) {
	bubble(t, relay.Config{Reattach: true, ForwardCredentials: true}, func(s *site) {
		c := s.connect(messagetest.ConnectHeader("login", "ada"), messagetest.ConnectHeader("passcode", "secret"))
		first, second := c.Subscribe("/topic/a", message.Field{Name: "x", Value: "y"}), c.Subscribe("/topic/b", message.Field{Name: "ack", Value: "client-individual"})
		gone := c.Subscribe("/topic/c")
		c.Unsubscribe(gone)
		s.fake.peer(1).push(second, "old", "ack:1")
		old := c.Next(s.t)
		begin := message.Raw{Kind: message.KindBegin, Session: c.Session(), Header: message.NewHeader(message.Field{Name: "transaction", Value: "t"})}
		s.want("begin", s.do(begin), nil)
		s.fake.set(func(b *fake) { b.answer = func(*peer, frame.Frame) {} })
		pending := s.do(message.Raw{Session: c.Session(), Destination: "/topic/a", Payload: []byte("p")})
		s.fake.stop()
		synctest.Wait()
		if stats := s.Stats(); stats.Open != 0 || stats.Sessions != 1 {
			s.t.Errorf("while there is no connection: %+v", stats)
		}
		late := s.do(message.Raw{Session: c.Session(), Destination: "/topic/a", Payload: []byte("l")})
		s.want("in the meantime", late, errPending)
		s.fake.set(func(b *fake) { b.answer, b.down = nil, nil })
		pass(10 * time.Second)
		s.want("what was not confirmed", pending, nil)
		s.want("what came in the meantime", late, nil)
		var again *peer
		for i := 2; i < s.fake.opened(); i++ {
			if p := s.fake.peer(i); len(p.got(frame.Subscribe)) > 0 {
				again = p
			}
		}
		if again == nil {
			t.Fatal("nobody has subscribed again")
		}
		if login := again.got(frame.Connect)[0].Header.Get("login"); login != "ada" {
			t.Errorf("came back as %s", login)
		}
		subs := again.got(frame.Subscribe)
		if len(subs) != 2 || subs[0].Header.Get("id") != first || subs[0].Header.Get("x") != "y" || subs[1].Header.Get("id") != second || again.bodies() != "p l" {
			t.Errorf("subscribed again: %v, sent %q", subs, again.bodies())
		}
		c.Ack(old) // which the broker has taken back
		if n := len(again.got(frame.Ack)); n != 0 {
			t.Errorf("%d acknowledgements of the lost connection", n)
		}
		commit := begin
		commit.Kind = message.KindCommit
		if err := s.do(commit)(); message.Public(err).Code != message.CodeNotFound {
			t.Errorf("the commit of a lost transaction: %v", err)
		}
		again.push(first, "new")
		if m := c.Next(s.t); string(m.Payload) != "new" || m.Subscription != first {
			t.Errorf("got %+v", m)
		}
		if c.Session().Reason() != nil {
			t.Error("the session has ended")
		}
	})
}

// However long the broker is away, no client dials more often than the relay does; one whose
// connection had lasted is the first time back soon.
func TestReattachIsNoStorm(t *testing.T) {
	bubble(t, relay.Config{Reattach: true}, func(s *site) {
		const clients, minutes = 10, 5
		for range clients {
			s.connect()
		}
		dials := func() int {
			s.fake.mu.Lock()
			defer s.fake.mu.Unlock()
			return len(s.fake.addrs)
		}
		before := dials()
		s.fake.stop()
		pass(minutes * time.Minute)
		n, least, most := dials()-before, (clients+1)*minutes*60/5, (clients+1)*(minutes*60*2/5+1)
		if n < least || n > most {
			t.Errorf("%d attempts of %d clients and the relay in %d min, want %d to %d", n, clients, minutes, least, most)
		}
		s.fake.start()
		pass(5 * time.Second)
		if n := s.Stats().Open; n != clients {
			t.Fatalf("%d of %d are back", n, clients)
		}
		pass(time.Minute)
		s.fake.stop()
		s.fake.start()
		pass(100 * time.Millisecond)
		if n := s.Stats().Open; n != clients {
			t.Errorf("%d of %d are back after the loss of connections that had lasted", n, clients)
		}
	})
}

// A client that the broker does not let in any more does not wait for ever: its session
// ends, and it is told why.
func TestReattachIsRefused(t *testing.T) {
	bubble(t, relay.Config{Reattach: true}, func(s *site) {
		c := s.connect()
		s.fake.set(func(b *fake) {
			b.answer = func(*peer, frame.Frame) {}
			b.hello = func(p *peer, _ frame.Frame) {
				p.say("ERROR\nmessage:Bad CONNECT\n\nAccess refused for user 'guest'\x00")
				p.conn.Close()
			}
		})
		sent := s.do(message.Raw{Session: c.Session(), Destination: "/topic/a"})
		s.fake.peer(1).conn.Close()
		late := s.do(message.Raw{Session: c.Session(), Destination: "/topic/a"})
		s.want("before the next attempt", late, errPending)
		pass(5 * time.Second)
		opened := s.fake.opened()
		for what, err := range map[string]error{
			"the session": c.Session().Reason(), "what was sent": sent(), "what was sent in the meantime": late(),
			"what is sent afterwards": s.do(message.Raw{Session: c.Session(), Destination: "/topic/a"})(),
		} {
			if told := message.Public(err); told == nil || !strings.Contains(told.Message, "does not let the session in") {
				t.Errorf("%s ended with %v", what, err)
			}
		}
		pass(time.Hour)
		if n := s.fake.opened(); n != opened {
			t.Errorf("%d attempts after it was refused", n-opened)
		}
	})
}

// What a client has sent is answered in time, though its session stays, and is not sent
// later; nor is what it sends then, until there is a connection.
func TestReattachHasATime(t *testing.T) {
	bubble(t, relay.Config{Reattach: true, ReattachTimeout: 30 * time.Second}, func(s *site) {
		c := s.connect()
		first := c.Subscribe("/topic/a")
		s.fake.set(func(b *fake) { b.answer = func(*peer, frame.Frame) {} })
		send := func(text string) func() error {
			return s.do(message.Raw{Session: c.Session(), Destination: "/topic/a", Payload: []byte(text)})
		}
		old := send("old")
		pass(10 * time.Second)
		s.fake.stop()
		unsubscribe := message.Raw{Kind: message.KindUnsubscribe, Session: c.Session(), Subscription: "b"}
		var ended func() error
		hasty := message.Raw{Session: c.Session(), Destination: "/topic/a", Done: message.NewCompletion(message.Stored, func(error) {
			ended = s.do(unsubscribe) // before the subscription has ended
		})}
		hasty.Done.Release(s.Handle(t.Context(), hasty))
		waiting := []func() error{old, send("late"), s.do(message.Raw{Kind: message.KindSubscribe, Session: c.Session(), Destination: "/topic/b", Subscription: "b"})}
		pass(19 * time.Second)
		for i, told := range waiting {
			s.want(fmt.Sprint("before the end ", i), told, errPending)
		}
		pass(time.Second)
		for i, told := range append(waiting, send("later")) {
			s.want(fmt.Sprint("at the end ", i), told, relay.ErrAway)
		}
		s.want("an UNSUBSCRIBE at the end", ended, nil)
		s.want("an UNSUBSCRIBE", s.do(unsubscribe), nil)
		s.fake.set(func(b *fake) { b.answer, b.down = nil, nil })
		pass(5 * time.Second)
		s.want("afterwards", send("new"), nil)
		again := s.fake.peer(s.fake.opened() - 1)
		if again.bodies() == "" {
			again = s.fake.peer(s.fake.opened() - 2) // the other one is the relay's
		}
		if subs := again.got(frame.Subscribe); again.bodies() != "new" || len(subs) != 1 || subs[0].Header.Get("id") != first || len(again.got(frame.Unsubscribe)) > 0 {
			t.Errorf("came %q and %v", again.bodies(), subs)
		}
		if err := c.Session().Reason(); err != nil {
			t.Errorf("the session ended with %v", err)
		}
	})
}

// What a transaction lost with its connection is not sent over the next one, also where it
// waited for room meanwhile: there the broker knows no such transaction, and would end the session.
func TestTransactionEndsWithItsConnection(t *testing.T) {
	bubble(t, relay.Config{Reattach: true, SessionFrames: 2}, func(s *site) {
		c := s.connect()
		tx := message.NewHeader(message.Field{Name: "transaction", Value: "t"})
		s.want("begin", s.do(message.Raw{Kind: message.KindBegin, Session: c.Session(), Header: tx}), nil)
		s.fake.set(func(b *fake) { b.answer = func(*peer, frame.Frame) {} })
		var sent []func() error
		for range 2 {
			sent = append(sent, s.do(message.Raw{Session: c.Session(), Destination: "/topic/a"}))
		}
		var parts [2]func() error
		var waiting sync.WaitGroup
		for i, m := range []message.Raw{{Destination: "/topic/a"}, {Kind: message.KindCommit}} {
			m.Session, m.Header = c.Session(), tx
			waiting.Go(func() { parts[i] = s.do(m) })
			synctest.Wait()
		}
		s.fake.stop()
		s.fake.set(func(b *fake) { b.answer, b.down = nil, nil })
		pass(8 * time.Second)
		waiting.Wait()
		for _, told := range sent {
			s.want("what was not confirmed", told, nil)
		}
		for _, told := range parts {
			if err := told(); message.Public(err) == nil || message.Public(err).Code != message.CodeNotFound {
				t.Errorf("a part of what was lost: %v", err)
			}
		}
		for i := 2; i < s.fake.opened(); i++ {
			p := s.fake.peer(i)
			for _, f := range append(p.got(frame.Send), p.got(frame.Commit)...) {
				if id, inside := f.Header.Lookup("transaction"); inside {
					t.Errorf("%s of the transaction %s came over another connection", f.Command, id)
				}
			}
		}
	})
}

// Who finds no room for his COMMIT may end the transaction all the same.
func TestAbortNeedsNoRoom(t *testing.T) {
	bubble(t, relay.Config{SessionFrames: 2}, func(s *site) {
		c := s.connect()
		s.fake.set(func(b *fake) { b.answer = func(*peer, frame.Frame) {} })
		tx := message.NewHeader(message.Field{Name: "transaction", Value: "t"})
		s.want("begin", s.do(message.Raw{Kind: message.KindBegin, Session: c.Session(), Header: tx}), nil)
		for range 2 {
			s.do(message.Raw{Session: c.Session(), Destination: "/topic/a"})
		}
		if err := s.do(message.Raw{Kind: message.KindCommit, Session: c.Session(), Header: tx})(); message.Public(err) == nil || message.Public(err).Code != message.CodeFull {
			t.Errorf("COMMIT is told %v", err)
		}
		told := s.do(message.Raw{Kind: message.KindAbort, Session: c.Session(), Header: tx})
		synctest.Wait()
		p := s.fake.peer(1)
		if all := p.got(frame.Abort); len(all) != 1 || len(p.got(frame.Commit)) != 0 {
			t.Fatalf("%d ABORT came", len(all))
		}
		p.confirm(p.got(frame.Abort)[0])
		s.want("abort", told, nil)
	})
}
