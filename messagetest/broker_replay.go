package messagetest

import (
	"strconv"
	"sync"

	"github.com/headrace/headrace/message"
)

const historyMessages = 500

func (s *trial) history() string { return "/history/" + s.name }

// historyOfManyPublishers is concurrentPublishers to a topic with a history.
func historyOfManyPublishers(s *trial) { s.broadcast(s.history()) }

// resumed begins a session that subscribes where last was delivered. The first
// that comes is an empty message which says whether it can go on there, and where it
// is.
func (s *trial) resumed(last message.Raw, recovered string) (p party, answer message.Raw) {
	s.t.Helper()
	p = s.join()
	p.Subscribe(s.history(), position(last)...)
	answer = p.next()
	if got := answer.Header.Get(message.HeaderRecovered); got != recovered || len(answer.Payload) > 0 {
		s.t.Errorf("%.80q with %q as %s is the first delivery to a subscription that resumes, want an empty one with %q",
			answer.Payload, got, message.HeaderRecovered, recovered)
	}
	return p, answer
}

// position is what a client remembers of the last message that it has.
func position(m message.Raw) []message.Field {
	return []message.Field{
		{Name: message.HeaderOffset, Value: m.Header.Get(message.HeaderOffset)},
		{Name: message.HeaderEpoch, Value: m.Header.Get(message.HeaderEpoch)},
	}
}

// resumes misses 400 messages and gets them when it comes back, each once and in
// order, then those that are new. The offsets count on.
func resumes(s *trial) {
	const missed = 400
	p := s.consumer(s.history(), "")
	s.fill(s.history(), 0, 5)
	got := p.want(texts(0, 5)...)
	p.leave()
	s.fill(s.history(), 5, 5+missed)
	next, _ := s.resumed(got[4], "true")
	s.fill(s.history(), 5+missed, 10+missed)
	got = append(got, next.want(texts(5, 10+missed)...)...)
	ids := make(map[string]bool)
	var last uint64
	for i, m := range got {
		offset, err := strconv.ParseUint(m.Header.Get(message.HeaderOffset), 10, 64)
		if err != nil || i > 0 && offset != last+1 {
			s.t.Fatalf("the offset %q comes after %d: %v", m.Header.Get(message.HeaderOffset), last, err)
		}
		last = offset
		ids[m.Header.Get(message.HeaderMessageID)] = true
		if epoch := m.Header.Get(message.HeaderEpoch); epoch == "" || epoch != got[0].Header.Get(message.HeaderEpoch) {
			s.t.Fatalf("the epoch %q comes after %q", epoch, got[0].Header.Get(message.HeaderEpoch))
		}
		if _, ok := m.Header.Lookup(message.HeaderRecovered); ok {
			s.t.Fatalf("message %d has the header %s", i, message.HeaderRecovered)
		}
	}
	if len(ids) != 10+missed {
		s.t.Errorf("%d messages have %d ids", 10+missed, len(ids))
	}
}

// resumeTwice loses its session again as soon as it is told that it can go on: that
// answer is a position too.
func resumeTwice(s *trial) {
	p := s.consumer(s.history(), "")
	s.fill(s.history(), 0, 2)
	last := p.want("0", "1")[1]
	p.leave()
	s.fill(s.history(), 2, 5)
	for range 2 {
		p, last = s.resumed(last, "true")
		p.leave()
	}
	p, _ = s.resumed(last, "true")
	p.want("2", "3", "4")
}

// resumeWithoutGap comes back when nothing was missed, and subscribes anew without
// a position.
func resumeWithoutGap(s *trial) {
	p := s.consumer(s.history(), "")
	s.fill(s.history(), 0, 2)
	last := p.want("0", "1")[1]
	p.leave()
	next, _ := s.resumed(last, "true")
	anew := s.consumer(s.history(), "")
	s.fill(s.history(), 2, 4)
	next.want("2", "3")
	anew.want("2", "3")
}

// resumeIsImpossible asks for another epoch, for more than is kept and for what
// never was: each is told, and goes on with what is new, from where the answer is.
func resumeIsImpossible(s *trial) {
	p := s.consumer(s.history(), "")
	s.fill(s.history(), 0, 2)
	got := p.want("0", "1")
	p.leave()
	stranger, future := got[1], got[1]
	stranger.Header = stranger.Header.With(message.HeaderEpoch, "another")
	future.Header = future.Header.With(message.HeaderOffset, "1000000")
	for i, from := range []message.Raw{stranger, future, got[0]} {
		if i == 2 {
			s.fill(s.history(), 2, 2+historyMessages+100)
		}
		next, answer := s.resumed(from, "false")
		s.publish(s.history(), "end")
		next.want("end")
		again, _ := s.resumed(answer, "true")
		again.want("end")
	}
}

// resumeWhilePublish loses its session five times while 400 messages are
// published, and misses none of them.
func resumeWhilePublish(s *trial) {
	const n, losses = 400, 5
	p := s.consumer(s.history(), "")
	var publishing sync.WaitGroup
	publishing.Go(func() { s.fill(s.history(), 0, n) })
	defer publishing.Wait()
	var last message.Raw
	for i := range n {
		if i%(n/losses) == n/losses/2 {
			p.leave()
			p, _ = s.resumed(last, "true")
		}
		last = p.want(strconv.Itoa(i))[0]
	}
	publishing.Wait()
	s.publish(s.history(), "end")
	p.want("end")
}

// retains keeps the last message for those who come later.
func retains(s *trial) {
	const topic, other = "/retain/", "/retain/other-"
	s.publish(topic+s.name, "1")
	s.publish(topic+s.name, "2")
	p := s.consumer(topic+s.name, "")
	s.publish(topic+s.name, "3")
	p.want("2", "3")
	late := s.consumer(topic+s.name, "")
	fresh := s.consumer(other+s.name, "")
	s.publish(topic+s.name, "4")
	s.publish(other+s.name, "fresh")
	p.want("4")
	late.want("3", "4")
	fresh.want("fresh")
}
