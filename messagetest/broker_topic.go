package messagetest

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/headrace/headrace/message"
)

// publishSubscribe publishes 100 messages to a topic with two subscribers.
func publishSubscribe(s *trial) {
	const n = 100
	a, b, other := s.join(), s.join(), s.consumer(s.topic("other"), "")
	parties := map[party]string{a: a.Subscribe(s.topic("news")), b: b.Subscribe(s.topic("news"))}
	for i := range n {
		s.publish(s.topic("news"), strconv.Itoa(i))
	}
	for p, id := range parties {
		for _, m := range p.want(texts(0, n)...) {
			if m.Kind != message.KindData || m.Destination != s.topic("news") || m.Subscription != id || m.Session != p.Session() {
				s.t.Fatalf("%s came to %s for the subscription %q, want %s for %q", m.Kind, m.Destination, m.Subscription, s.topic("news"), id)
			}
		}
	}
	s.publish(s.topic("news"), "end")
	s.publish(s.topic("other"), "other")
	a.want("end")
	b.want("end")
	other.want("other")
}

// stream is a message of one of several publishers.
type stream struct{ publisher, number int }

func (m stream) String() string { return fmt.Sprintf("%d/%d", m.publisher, m.number) }

func streamOf(text []byte) (m stream, err error) {
	publisher, number, _ := strings.Cut(string(text), "/")
	if m.publisher, err = strconv.Atoi(publisher); err == nil {
		m.number, err = strconv.Atoi(number)
	}
	return m, err
}

// publishers publish each messages side by side.
func (s *trial) publishers(publishers, each int, destination func(publisher int) string) {
	parallel(publishers, func(p int) {
		for i := range each {
			s.publish(destination(p), stream{p, i}.String())
		}
	})
}

// tally finds what is lost, doubled and out of order.
type tally struct {
	s    *trial
	seen map[stream]bool
	last map[[2]int]int // by receiver and publisher
}

func (s *trial) tally() *tally {
	return &tally{s, make(map[stream]bool), make(map[[2]int]int)}
}

// add notes that a receiver got a message.
func (y *tally) add(receiver int, payload []byte) {
	y.s.t.Helper()
	m, err := streamOf(payload)
	if err != nil {
		y.s.t.Fatalf("came %.80q", payload)
	}
	if y.seen[m] {
		y.s.t.Fatalf("%s came twice", m)
	}
	y.seen[m] = true
	lane := [2]int{receiver, m.publisher}
	if last, ok := y.last[lane]; ok && last > m.number && y.s.features.Ordered {
		y.s.t.Fatalf("%s came after %d of that publisher", m, last)
	}
	y.last[lane] = m.number
}

// wantStreams receives all messages of some publishers, and nothing else. Where
// they have offsets, these count them.
func (p party) wantStreams(publishers, each int) {
	p.s.t.Helper()
	y, offset := p.s.tally(), 0
	for range publishers * each {
		m := p.next()
		y.add(0, m.Payload)
		at, err := strconv.Atoi(m.Header.Get(message.HeaderOffset))
		if err == nil && offset > 0 && at != offset+1 {
			p.s.t.Fatalf("the offset %d comes after %d", at, offset)
		}
		offset = at
	}
}

// concurrentPublishers publishes 20 x 50 messages to a topic with 3 subscribers.
func concurrentPublishers(s *trial) { s.broadcast(s.topic("news")) }

func (s *trial) broadcast(destination string) {
	const publishers, each = 20, 50
	var parties []party
	for range 3 {
		parties = append(parties, s.consumer(destination, ""))
	}
	s.on(func(message.Raw) error {
		runtime.Gosched() // in the middle of a publication, for the others
		return nil
	})
	s.publishers(publishers, each, func(int) string { return destination })
	for _, p := range parties {
		p.wantStreams(publishers, each)
	}
	s.publish(destination, "end")
	for _, p := range parties {
		p.want("end")
	}
}

// concurrentTopics publishes 100 messages to each of 20 topics.
func concurrentTopics(s *trial) {
	const topics, each = 20, 100
	topic := func(i int) string { return s.topic(strconv.Itoa(i)) }
	var parties []party
	for i := range topics {
		parties = append(parties, s.consumer(topic(i), ""))
	}
	s.publishers(topics, each, topic)
	for i, p := range parties {
		var want []string
		for number := range each {
			want = append(want, stream{i, number}.String())
		}
		p.want(want...)
		s.publish(topic(i), "end")
		p.want("end")
	}
}

// subscribeWhilePublish lets 20 sessions subscribe while 1,000 messages are
// published: what comes after a subscription is stored is complete.
func subscribeWhilePublish(s *trial) {
	const parties, n = 20, 1000
	var sent, ready atomic.Int64
	var all [parties]party
	var turn [parties]chan struct{}
	var from [parties]int
	for i := range all {
		all[i], turn[i] = s.join(), make(chan struct{})
	}
	end := 0
	parallel(parties+1, func(i int) {
		if i < parties {
			defer ready.Add(1)
			<-turn[i]
			if _, err := all[i].TrySubscribe(s.topic("news")); err != nil {
				s.t.Errorf("subscribe: %v", err)
			}
			from[i] = int(sent.Load()) + 1 // one more may be on its way
			return
		}
		for ; end < n || ready.Load() < parties; end++ {
			if end < n && end%(n/parties) == 0 {
				close(turn[end/(n/parties)])
			}
			s.publish(s.topic("news"), strconv.Itoa(end))
			sent.Add(1)
		}
	})
	for range 100 { // all get some
		s.publish(s.topic("news"), strconv.Itoa(end))
		end++
	}
	for i, p := range all {
		p.wantRest(from[i], end)
	}
}

// patterns subscribes with a wildcard.
func patterns(s *trial) {
	p := s.consumer(s.topic("*"), "")
	q := s.consumer(s.topic("a"), "")
	s.publish("/topic/"+s.name, "no segment")
	s.publish(s.topic("a"), "1")
	s.publish(s.topic("b"), "2")
	for _, m := range p.want("1", "2") {
		if want := map[string]string{"1": s.topic("a"), "2": s.topic("b")}[string(m.Payload)]; m.Destination != want {
			s.t.Errorf("what was sent to %s came to %s", want, m.Destination)
		}
	}
	s.publish(s.topic("a"), "3")
	q.want("1", "3")
	p.want("3")
}

// selects subscribes with a condition, of the kind that SQL has.
func selects(s *trial) {
	p, all := s.join(), s.consumer(s.topic("news"), "")
	s.must(s.do(subscription(p.Session(), "1", s.topic("news"), message.HeaderSelector, "colour = 'red'"), message.Stored))
	for i, colour := range []string{"red", "blue", "", "red"} {
		m := message.Raw{Destination: s.topic("news"), Payload: []byte(strconv.Itoa(i))}
		if colour != "" {
			m.Header = header("colour", colour)
		}
		s.must(s.do(m, message.Stored))
	}
	all.want("0", "1", "2", "3")
	p.want("0", "3")
}
