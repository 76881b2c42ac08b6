package messagetest

import (
	"slices"
	"strconv"
	"sync/atomic"

	"github.com/headrace/headrace/message"
)

const (
	individually = "client-individual"
	cumulatively = "client"
	maxUnsettled = 64 // deliveries to one subscription
)

// acked is a destination whose deliveries can be acknowledged.
func (s *trial) acked() string {
	if s.features.Queues {
		return s.queue("work")
	}
	return s.topic("work")
}

// settling is what settles the delivery of an ack id.
func (p party) settling(k message.Kind, ack string) message.Raw {
	return message.Raw{Kind: k, Session: p.Session(), Header: header(message.HeaderAck, ack)}
}

// wantTimes checks which delivery of its message m is.
func (s *trial) wantTimes(m message.Raw, times int) {
	s.t.Helper()
	want := ""
	if times > 1 {
		want = strconv.Itoa(times)
	}
	if got := m.Header.Get(message.HeaderDeliveries); got != want {
		s.t.Fatalf("delivery %d of %s has %q as %s, want %q", times, m.Payload, got, message.HeaderDeliveries, want)
	}
}

// fill publishes numbers.
func (s *trial) fill(destination string, from, to int) {
	s.t.Helper()
	for _, text := range texts(from, to) {
		s.publish(destination, text)
	}
}

// settled ends a check of deliveries that are all settled. p gets none of them
// again, not even as late as what it refuses now, nor does who comes after it.
func (s *trial) settled(p party) {
	s.t.Helper()
	s.publish(s.acked(), "end")
	p.Nack(p.want("end")[0])
	p.Ack(p.want("end")[0])
	p.leave()
	next := s.consumer(s.acked(), "")
	s.publish(s.acked(), "next")
	next.want("next")
}

// acks acknowledges 100 deliveries one by one, ten at a time, in the reverse of
// their order.
func acks(s *trial) {
	const n = 100
	p := s.consumer(s.acked(), individually)
	ids := make(map[string]bool)
	for i := 0; i < n; i += 10 {
		for _, text := range texts(i, i+10) {
			s.must(s.do(message.Raw{
				Destination: s.acked(),
				Header:      header(message.HeaderAck, "forged"),
				Payload:     []byte(text),
			}, message.Stored))
		}
		for _, m := range slices.Backward(p.want(texts(i, i+10)...)) {
			id := m.Header.Get(message.HeaderAck)
			if id == "" || id == "forged" || ids[id] {
				s.t.Fatalf("a delivery has the ack id %q", id)
			}
			ids[id] = true
			s.wantTimes(m, 1)
			p.Ack(m)
		}
	}
	s.settled(p)
}

// nacks refuses two of 100 deliveries: they come again, and say how often.
func nacks(s *trial) {
	const n = 100
	p := s.consumer(s.acked(), individually)
	s.fill(s.acked(), 0, n)
	times := make(map[string]int)
	for range n + 2 {
		m := p.next()
		text := string(m.Payload)
		times[text]++
		s.wantTimes(m, times[text])
		if (text == "0" || text == "1") && times[text] == 1 {
			p.Nack(m)
		} else {
			p.Ack(m)
		}
	}
	for _, text := range texts(0, n) {
		want := 1
		if text == "0" || text == "1" {
			want = 2
		}
		if times[text] != want {
			s.t.Errorf("%s was delivered %d times, want %d", text, times[text], want)
		}
	}
	s.settled(p)
}

// unknownAcks settles what is not to be settled.
func unknownAcks(s *trial) {
	for _, k := range []message.Kind{message.KindAck, message.KindNack} {
		p := s.join()
		s.refuse(k.String()+" of an id that nobody gave", p.settling(k, "no such id"))
		p = s.join()
		s.refuse(k.String()+" without an id", message.Raw{Kind: k, Session: p.Session()})

		p = s.consumer(s.acked(), individually)
		s.publish(s.acked(), "text")
		m := p.want("text")[0]
		p.Ack(m)
		s.refuse(k.String()+" of what is settled", p.settling(k, m.Header.Get(message.HeaderAck)))
		p.leave()
	}
	s.settled(s.consumer(s.acked(), individually))
}

// cumulativeAcks acknowledges seven of ten deliveries at once.
func cumulativeAcks(s *trial) {
	p := s.consumer(s.acked(), cumulatively)
	s.fill(s.acked(), 0, 10)
	p.Ack(p.want(texts(0, 10)...)[6])
	p.leave()
	next := s.consumer(s.acked(), cumulatively)
	next.Ack(next.want(texts(7, 10)...)[2])
	s.settled(next)
}

// cumulativeNacks refuses seven of ten deliveries at once, the rest after them.
func cumulativeNacks(s *trial) {
	p := s.consumer(s.acked(), cumulatively)
	s.fill(s.acked(), 0, 10)
	got := p.want(texts(0, 10)...)
	p.Nack(got[6])
	var again []string
	for range 7 {
		m := p.next()
		s.wantTimes(m, 2)
		again = append(again, string(m.Payload))
	}
	slices.Sort(again)
	if !slices.Equal(again, texts(0, 7)) {
		s.t.Errorf("%q came again, want 0 to 6", again)
	}
	p.leave()
	next := s.consumer(s.acked(), individually)
	for range 10 {
		next.Ack(next.next())
	}
	s.settled(next)
}

// prefetch publishes 1,000 messages to two consumers, of which one settles
// nothing: the other gets the rest.
func prefetch(s *trial) {
	const n = 1000
	parties := []party{s.consumer(s.queue("work"), individually), s.consumer(s.queue("work"), individually)}
	s.fill(s.queue("work"), 0, maxUnsettled) // both have some
	var held []message.Raw
	seen := make(map[string]bool)
	take := func(m delivery) {
		if text := string(m.Payload); seen[text] {
			s.t.Errorf("%s came twice", text)
		}
		seen[string(m.Payload)] = true
		if m.to == 0 {
			held = append(held, m.Raw)
		} else {
			parties[1].Ack(m.Raw)
		}
	}
	s.collect(maxUnsettled, parties, take)
	s.fill(s.queue("work"), maxUnsettled, n)
	s.collect(n-maxUnsettled, parties, take)
	if len(held) == 0 || len(held) > maxUnsettled {
		s.t.Errorf("%d deliveries to one consumer are unsettled, want 1 to %d", len(held), maxUnsettled)
	}
	for _, m := range held {
		parties[0].Ack(m)
	}
	parties[1].leave()
	s.settled(parties[0])
}

// lostConsumer ends a session that has settled three of ten deliveries, and that
// takes no more a while before it ends. The next consumer gets the rest in order; of
// several nodes, one that gives back what it had puts that behind what the engine has.
func lostConsumer(s *trial) {
	p := s.consumer(s.queue("work"), individually)
	s.fill(s.queue("work"), 0, 10)
	got := p.want(texts(0, 10)...)
	for _, i := range []int{0, 4, 5} {
		p.Ack(got[i])
	}
	p.session.Close(nil)
	s.fill(s.queue("work"), 10, 20)
	p.leave()
	next := s.consumer(s.queue("work"), individually)
	s.fill(s.queue("work"), 20, 30)
	again := []string{"1", "2", "3", "6", "7", "8", "9"}
	receive := next.want
	if s.features.Nodes {
		receive = next.wantAny
	}
	var delivered []string
	for _, m := range receive(append(slices.Clone(again), texts(10, 30)...)...) {
		if slices.Contains(again, string(m.Payload)) {
			delivered = append(delivered, string(m.Payload))
			s.wantTimes(m, 2)
		}
		next.Ack(m)
	}
	if s.features.Ordered && !slices.Equal(delivered, again) {
		s.t.Errorf("what was delivered before came as %q, want %q", delivered, again)
	}
	s.settled(next)
}

// foreignAcks lets one session settle what was delivered to another.
func foreignAcks(s *trial) {
	p := s.consumer(s.queue("work"), individually)
	s.fill(s.queue("work"), 0, 2)
	got := p.want("0", "1")
	thief := s.join()
	s.refuse("an acknowledgement of another session's delivery", thief.settling(message.KindAck, got[0].Header.Get(message.HeaderAck)))
	thief = s.join()
	s.refuse("a refusal of another session's delivery", thief.settling(message.KindNack, got[1].Header.Get(message.HeaderAck)))
	s.publish(s.queue("work"), "2")
	p.Ack(p.want("2")[0])
	p.leave()
	next := s.consumer(s.queue("work"), individually)
	for _, m := range next.want("0", "1") {
		s.wantTimes(m, 2)
		next.Ack(m)
	}
	s.settled(next)
}

// failingConsumers takes 50 deliveries of 50 messages, refuses them and goes, twice: the
// third consumer gets them all. What a slow engine has come again and again meanwhile is
// kept, before it would be a dead letter.
func failingConsumers(s *trial) {
	const n, often = 50, 3
	s.fill(s.queue("work"), 0, n)
	for range 2 {
		p := s.consumer(s.queue("work"), individually)
		refused := make(map[string]int)
		for range n {
			m := p.next()
			if refused[string(m.Payload)]++; refused[string(m.Payload)] <= often {
				p.Nack(m)
			}
		}
		p.leave()
	}
	p := s.consumer(s.queue("work"), individually)
	seen := make(map[string]bool)
	for range n {
		m := p.next()
		if text := string(m.Payload); seen[text] {
			s.t.Fatalf("%s came twice", text)
		}
		seen[string(m.Payload)] = true
		p.Ack(m)
	}
	s.settled(p)
}

// failingDeliveries lets the first deliveries to two of three consumers panic and
// fail: all messages come in the end.
func failingDeliveries(s *trial) {
	const n, failures = 100, 10
	var parties []party
	var failed [3]atomic.Int64
	for range failed {
		parties = append(parties, s.consumer(s.queue("work"), individually))
	}
	s.on(func(m message.Raw) error {
		i := slices.IndexFunc(parties, func(p party) bool { return p.Session() == m.Session })
		if i > 0 && failed[i].Add(1) <= failures {
			if i == 1 {
				panic("the suite breaks a delivery")
			}
			return errRefused
		}
		return nil
	})
	s.fill(s.queue("work"), 0, n)
	seen := make(map[string]bool)
	s.collect(n, parties, func(m delivery) {
		if text := string(m.Payload); seen[text] {
			s.t.Errorf("%s came twice", text)
		}
		seen[string(m.Payload)] = true
		parties[m.to].Ack(m.Raw)
	})
	for _, p := range parties[1:] {
		p.leave()
	}
	s.settled(parties[0])
}

// deadLetters refuses a message until it is a dead letter. What comes after it is
// served.
func deadLetters(s *trial) {
	const dead, least, most = "/topic/dead", 10, 50
	grave := s.consumer(dead, "")
	p := s.consumer(s.queue("work"), individually)
	s.must(s.do(message.Raw{Destination: s.queue("work"), Header: header("colour", "red"), Payload: []byte(s.name)}, message.Stored))
	deliveries, buried := 0, message.Raw{}
	for buried.Payload == nil && deliveries <= most {
		s.collect(1, []party{p, grave}, func(m delivery) {
			switch {
			case m.to == 0:
				deliveries++
				s.wantTimes(m.Raw, deliveries)
				p.Nack(m.Raw)
			case string(m.Payload) == s.name: // others may have dead letters too
				buried = m.Raw
			}
		})
	}
	if deliveries < least || deliveries > most {
		s.t.Errorf("dead after %d deliveries, want %d to %d", deliveries, least, most)
	}
	if from, colour := buried.Header.Get(message.HeaderDeadFrom), buried.Header.Get("colour"); buried.Destination != dead || from != s.queue("work") || colour != "red" {
		s.t.Errorf("the dead letter is for %q, with %q as %s and the colour %q", buried.Destination, from, message.HeaderDeadFrom, colour)
	}
	s.settled(p)
}
