package messagetest

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/headrace/headrace/message"
)

// declares compares what the broker says of itself with what it is tested for.
func declares(s *trial) {
	want := make(map[string]bool)
	for name, has := range s.features.All() {
		want[name] = has
	}
	for name, has := range s.Features().All() {
		if has != want[name] {
			s.t.Errorf("%s: the broker says %t, the suite was told %t", name, has, want[name])
		}
	}
}

// subscription asks for the messages of a destination.
func subscription(session *message.Session, id, destination string, fields ...string) message.Raw {
	return message.Raw{Kind: message.KindSubscribe, Session: session, Subscription: id, Destination: destination, Header: header(fields...)}
}

// connects begins sessions, each of which is answered once.
func connects(s *trial) {
	var answers atomic.Int64
	s.on(func(m message.Raw) error {
		if m.Kind == message.KindConnected {
			answers.Add(1)
		}
		return nil
	})
	p, q := s.consumer(s.topic("news"), ""), s.join()
	s.refuse("a session that connects again", message.Raw{Kind: message.KindConnect, Session: q.Session()})
	s.refuse("a connection without a session", message.Raw{Kind: message.KindConnect})
	s.refuse("a subscription without a session", subscription(nil, "1", s.topic("news")))
	stranger := message.NewSession(newInbox(), message.SessionInfo{})
	s.refuse("a subscription of a session that is not connected", subscription(stranger, "1", s.topic("news")))
	s.publish(s.topic("news"), "text")
	p.want("text")
	if n := answers.Load(); n != 2 {
		s.t.Errorf("2 sessions were answered %d times", n)
	}
}

// unsubscribes ends one of two subscriptions, and takes its id anew.
func unsubscribes(s *trial) {
	p := s.join()
	first, second := p.Subscribe(s.topic("news")), p.Subscribe(s.topic("news"))
	s.publish(s.topic("news"), "1")
	p.want("1", "1")
	p.Unsubscribe(first)
	for _, text := range []string{"2", "3"} {
		s.publish(s.topic("news"), text)
		if m := p.want(text)[0]; m.Subscription != second {
			s.t.Fatalf("a message came for the subscription %q, which had ended", m.Subscription)
		}
	}
	s.must(s.do(subscription(p.Session(), first, s.topic("other")), message.Stored))
	s.publish(s.topic("other"), "4")
	p.want("4")
	s.publish(s.topic("news"), "5")
	p.want("5")
}

// disconnects ends a session: nothing is sent to it any more, and it cannot come
// back.
func disconnects(s *trial) {
	p, other := s.join(), s.consumer(s.topic("news"), "")
	p.Subscribe(s.topic("news"))
	p.Subscribe(s.topic("other"))
	s.publish(s.topic("news"), "1")
	p.want("1")
	p.leave()
	var late atomic.Int64
	s.on(func(m message.Raw) error {
		if m.Session == p.Session() {
			late.Add(1)
		}
		return nil
	})
	s.refuse("a subscription of a session that has ended", subscription(p.Session(), "late", s.topic("news")))
	s.publish(s.topic("news"), "2")
	s.publish(s.topic("other"), "3")
	s.publish(s.topic("news"), "4")
	other.want("1", "2", "4")
	if n := late.Load(); n > 0 {
		s.t.Errorf("a session that has ended was sent %d messages", n)
	}
	s.lateSubscriptions()
}

// lateSubscriptions lets sessions end while they subscribe. Whichever comes
// first, nothing stays of them.
func (s *trial) lateSubscriptions() {
	const n = 100
	var ended sync.Map
	var late atomic.Int64
	parties := make([]party, n)
	for i := range parties {
		parties[i] = s.join()
	}
	parallel(2*n, func(i int) {
		p := parties[i/2]
		if i%2 == 0 {
			_ = s.do(subscription(p.Session(), "late", s.topic("late")), message.Stored) // stored or refused
			return
		}
		if err := p.tryLeave(); err != nil {
			s.t.Errorf("disconnect: %v", err)
		}
		ended.Store(p.Session(), true)
	})
	s.on(func(m message.Raw) error {
		if _, ok := ended.Load(m.Session); ok {
			late.Add(1)
		}
		return nil
	})
	probe := s.consumer(s.topic("late"), "")
	s.publish(s.topic("late"), "text")
	probe.want("text")
	if got := late.Load(); got > 0 {
		s.t.Errorf("%d of %d sessions that ended while they subscribed are still there", got, n)
	}
}

// manySubscriptions gives one session 100 subscriptions, half of them to one
// topic.
func manySubscriptions(s *trial) {
	const n = 50
	p := s.join()
	for i := range n {
		s.must(s.do(subscription(p.Session(), fmt.Sprintf("same-%d", i), s.topic("same")), message.Stored))
		s.must(s.do(subscription(p.Session(), fmt.Sprintf("own-%d", i), s.topic(strconv.Itoa(i))), message.Stored))
	}
	s.publish(s.topic("same"), "same")
	served := make(map[string]bool)
	for range n {
		served[p.want("same")[0].Subscription] = true
	}
	if len(served) != n {
		s.t.Errorf("%d of %d subscriptions to one topic were served", len(served), n)
	}
	for i := range n {
		s.publish(s.topic(strconv.Itoa(i)), strconv.Itoa(i))
		if m := p.want(strconv.Itoa(i))[0]; m.Subscription != fmt.Sprintf("own-%d", i) {
			s.t.Errorf("message %d came for the subscription %q", i, m.Subscription)
		}
	}
	s.refuse("a subscription of an id that is taken", subscription(p.Session(), "own-1", s.topic("other")))
	s.refuse("a subscription without an id", subscription(s.join().Session(), "", s.topic("other")))
}

// isolation lets deliveries to two sessions fail: the others and the publisher do
// not notice.
func isolation(s *trial) {
	const n = 100
	var parties []party
	for range 5 {
		parties = append(parties, s.consumer(s.topic("news"), ""))
	}
	panics, refuses := parties[1], parties[3]
	s.on(func(m message.Raw) error {
		switch m.Session {
		case panics.Session():
			panic("the suite breaks a delivery")
		case refuses.Session():
			return errors.New("the suite refuses a delivery")
		}
		return nil
	})
	for i := range n {
		s.publish(s.topic("news"), strconv.Itoa(i))
	}
	for _, p := range []party{parties[0], parties[2], parties[4]} {
		p.want(texts(0, n)...)
	}
}

// closes closes the broker: what comes later is refused.
func closes(s *trial) {
	p := s.consumer(s.topic("news"), "")
	s.publish(s.topic("news"), "text")
	p.want("text")
	s.Close()
	late := message.NewSession(newInbox(), message.SessionInfo{})
	for _, m := range []message.Raw{
		{Kind: message.KindConnect, Session: late},
		{Destination: s.topic("news")},
		{Destination: s.topic("news"), Session: p.Session()},
		subscription(p.Session(), "late", s.topic("news")),
	} {
		s.refuseWith(message.CodeUnavailable, m.Kind.String()+" after Close", m)
	}
}

// closeWhilePublish closes the broker under ten publishers: each is told what
// became of each message.
func closeWhilePublish(s *trial) {
	const publishers = 10
	s.consumer(s.topic("news"), "")
	var closed atomic.Bool
	var busy sync.WaitGroup
	busy.Add(publishers)
	parallel(publishers+1, func(i int) {
		if i == publishers {
			busy.Wait()
			s.Close()
			closed.Store(true)
			return
		}
		for n := range inboxMessages {
			late := closed.Load()
			err := s.do(message.Raw{Destination: s.topic("news"), Payload: []byte("text")}, message.Stored)
			if n == 0 {
				busy.Done()
			}
			switch {
			case err == nil && !late:
				continue
			case err == nil:
				s.t.Error("a message after Close is taken")
			case message.Public(err).Code != message.CodeUnavailable:
				s.t.Errorf("message %d: %v", n, err)
			}
			return
		}
	})
}
