package messagetest

import (
	"strconv"
	"sync"

	"github.com/headrace/headrace/message"
)

const historyMessages = 500

func (s *trial) history() string { return "/history/" + s.name }

// resumed begins a session that subscribes where last was delivered.
func (s *trial) resumed(last message.Raw) party {
	s.t.Helper()
	p := s.join()
	p.Subscribe(s.history(), position(last)...)
	return p
}

// position is what a client remembers of the last message that it has.
func position(m message.Raw) []message.Field {
	return []message.Field{
		{Name: message.HeaderOffset, Value: m.Header.Get(message.HeaderOffset)},
		{Name: message.HeaderEpoch, Value: m.Header.Get(message.HeaderEpoch)},
	}
}

// wantRecovered checks what the first deliveries after a resumption say of it.
func (s *trial) wantRecovered(want string, first, second message.Raw) {
	s.t.Helper()
	if got := first.Header.Get(message.HeaderRecovered); got != want {
		s.t.Errorf("the first delivery has %q as %s, want %q", got, message.HeaderRecovered, want)
	}
	if got, ok := second.Header.Lookup(message.HeaderRecovered); ok {
		s.t.Errorf("the second delivery has %q as %s", got, message.HeaderRecovered)
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
	next := s.resumed(got[4])
	s.fill(s.history(), 5+missed, 10+missed)
	again := next.want(texts(5, 10+missed)...)
	s.wantRecovered("true", again[0], again[1])
	ids := make(map[string]bool)
	last := uint64(0)
	for i, m := range append(got, again...) {
		offset, err := strconv.ParseUint(m.Header.Get(message.HeaderOffset), 10, 64)
		if err != nil || i > 0 && offset != last+1 {
			s.t.Fatalf("the offset %q comes after %d: %v", m.Header.Get(message.HeaderOffset), last, err)
		}
		last = offset
		ids[m.Header.Get(message.HeaderMessageID)] = true
		if epoch := m.Header.Get(message.HeaderEpoch); epoch == "" || epoch != got[0].Header.Get(message.HeaderEpoch) {
			s.t.Fatalf("the epoch %q comes after %q", epoch, got[0].Header.Get(message.HeaderEpoch))
		}
	}
	if len(ids) != 10+missed {
		s.t.Errorf("%d messages have %d ids", 10+missed, len(ids))
	}
}

// resumeWithoutGap comes back when nothing was missed, and subscribes anew without
// a position.
func resumeWithoutGap(s *trial) {
	p := s.consumer(s.history(), "")
	s.fill(s.history(), 0, 2)
	last := p.want("0", "1")[1]
	p.leave()
	next, anew := s.resumed(last), s.consumer(s.history(), "")
	s.fill(s.history(), 2, 4)
	got := next.want("2", "3")
	s.wantRecovered("true", got[0], got[1])
	got = anew.want("2", "3")
	s.wantRecovered("", got[0], got[1])
}

// resumeIsImpossible asks for another epoch, for more than is kept and for what
// never was: each is told, and goes on with what is new.
func resumeIsImpossible(s *trial) {
	p := s.consumer(s.history(), "")
	s.fill(s.history(), 0, 2)
	got := p.want("0", "1")
	p.leave()
	stranger, future := got[1], got[1]
	stranger.Header = stranger.Header.With(message.HeaderEpoch, "another")
	future.Header = future.Header.With(message.HeaderOffset, "1000000")
	s.fill(s.history(), 2, 2+historyMessages+100)
	for name, from := range map[string]message.Raw{"another epoch": stranger, "the future": future, "too old": got[0]} {
		next := s.resumed(from)
		s.publish(s.history(), name)
		s.publish(s.history(), "end")
		first := next.next()
		for m := first; ; m = next.next() { // what is left may be replayed
			if string(m.Payload) == "end" {
				break
			}
		}
		if recovered := first.Header.Get(message.HeaderRecovered); recovered != "false" {
			s.t.Errorf("%s: the first delivery has %q as %s, want false", name, recovered, message.HeaderRecovered)
		}
	}
}

// resumeWhilePublish loses its session five times while 400 messages are
// published, and misses none of them.
func resumeWhilePublish(s *trial) {
	const n, losses = 400, 5
	p := s.consumer(s.history(), "")
	var publishing sync.WaitGroup
	publishing.Go(func() { s.fill(s.history(), 0, n) })
	var last message.Raw
	for i := range n {
		if i%(n/losses) == n/losses/2 {
			p.leave()
			p = s.resumed(last)
		}
		last = p.next()
		if string(last.Payload) != strconv.Itoa(i) {
			publishing.Wait()
			s.t.Fatalf("%.80q came, want %d", last.Payload, i)
		}
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
