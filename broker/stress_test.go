package broker_test

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
)

// stress is what publishers and clients do to a broker, all at the same time, and
// what must hold whatever the order is.
type stress struct {
	t     *testing.T
	b     *broker.Memory
	exact bool // no deadline passes, so a message that was acknowledged stays so
	clock atomic.Int64
	stop  atomic.Bool

	mu    sync.Mutex
	fates map[string]*fate
	last  map[string]int // of each publisher, by where it comes to: the number of its last first delivery
	heard []*csub
}

// fate is what became of a message.
type fate struct {
	dest       string
	start, end int64 // of its SEND
	accepted   bool
	holder     *conn // who has it to settle
	settled    int   // for certain
	maybe      int   // by an ACK that met the end of its session or the deadline
	dead       int
	told       []error
}

const (
	stressPublishers = 2 // of each destination
	stressMessages   = 600
	stressClients    = 4
)

var stressDestinations = []string{"/queue/a", "/queue/handled", "/topic/a"}

// fail is told from any goroutine.
func (s *stress) fail(format string, args ...any) { s.t.Errorf("model: "+format, args...) }

func (s *stress) do(m message.Raw) error { return s.b.Handle(context.Background(), m) }

// publish sends what one publisher has to say to one destination. He waits a little
// when he is refused, and every now and then.
func (s *stress) publish(name, dest string) {
	tick := time.NewTicker(100 * time.Microsecond)
	defer tick.Stop()
	for i := range stressMessages {
		f := &fate{dest: dest, start: s.clock.Add(1)}
		text := name + " " + strconv.Itoa(i)
		s.mu.Lock()
		s.fates[text] = f
		s.mu.Unlock()
		m := message.Raw{Destination: dest, Payload: []byte(text)}
		m.Done = message.NewCompletion(message.Handled, func(err error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			f.told = append(f.told, err)
		})
		m.Done.Suffice(s.b.Receipts(dest))
		err := s.do(m)
		m.Done.Release(err)
		s.mu.Lock()
		f.accepted, f.end = err == nil, s.clock.Add(1)
		if err != nil && message.Public(err).Code != message.CodeFull {
			s.fail("%s: %v", text, err)
		}
		s.mu.Unlock()
		if err != nil || i%8 == 0 {
			<-tick.C
		}
	}
}

// delivered judges a delivery that succeeds.
func (s *stress) delivered(c *conn, sub *csub, m message.Raw) {
	text, where := string(m.Payload), m.Destination
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.fates[text]
	switch {
	case f == nil:
		s.fail("nobody sent %s", text)
		return
	case m.Destination == "/queue/dead":
		f.dead++
		return
	case f.end > 0 && !f.accepted:
		s.fail("%s was refused, and is delivered", text)
	case strings.HasPrefix(where, "/topic"):
		where = c.ID() + m.Subscription
		sub.got[text]++
	default:
		s.compete(c, m, f)
	}
	if m.Header.Get(message.HeaderDeliveries) == "" {
		s.inOrder(text, where)
	}
}

// compete judges a delivery of a queue.
func (s *stress) compete(c *conn, m message.Raw, f *fate) {
	switch {
	case s.exact && f.settled > 0:
		s.fail("%s is delivered after it was settled", m.Payload)
	case s.exact && f.holder != nil && !f.holder.leaving.Load():
		s.fail("%s is delivered while somebody has it", m.Payload)
	}
	if m.Header.Get(message.HeaderAck) == "" {
		f.settled++
	} else {
		f.holder = c
	}
}

// inOrder judges a first delivery: those of one publisher come in his order.
func (s *stress) inOrder(text, where string) {
	name, number, _ := strings.Cut(text, " ")
	n, _ := strconv.Atoi(number)
	if last, ok := s.last[where+name]; ok && n <= last {
		s.fail("%s comes to %s after %d", text, where, last)
	}
	s.last[where+name] = n
}

// unheard notes that these need not hear more.
func (s *stress) unheard(subs []*csub) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sub := range subs {
		sub.to = s.clock.Add(1)
	}
}

func (s *stress) settling(these []message.Raw) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range these {
		s.fates[string(m.Payload)].holder = nil
	}
}

// settled notes an acknowledgement. One that meets the end of its session may come
// too late, and so may any if there are deadlines.
func (s *stress) settled(c *conn, these []message.Raw) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range these {
		f := s.fates[string(m.Payload)]
		switch {
		case strings.HasPrefix(f.dest, "/topic"):
		case s.exact && !c.leaving.Load():
			f.settled++
		default:
			f.maybe++
		}
	}
}

// drain takes what is left, and waits until nothing is.
func (s *stress) drain() {
	c := s.connect(1)
	for _, dest := range []string{"/queue/a", "/queue/handled", "/queue/dead"} {
		c.subscribe(dest, "")
	}
	deadline := time.After(20 * time.Second)
	for tick := time.Tick(time.Millisecond); s.b.Stats().Bytes > 0; {
		select {
		case <-tick:
		case <-deadline:
			s.fail("not everything is delivered: %+v", s.b.Stats())
			return
		}
	}
	c.leave()
	if got := s.b.Stats(); got.Queues+got.Sessions+got.Subscriptions > 0 || got.Dropped["full"]+got.Dropped["dead"]+got.Dropped["vetoed"] > 0 {
		s.fail("stats %+v", got)
	}
}

// check looks for what was lost, and what was not told.
func (s *stress) check() {
	for text, f := range s.fates {
		ends, queue := f.settled+f.dead, strings.HasPrefix(f.dest, "/queue")
		switch {
		case queue && f.accepted && ends+f.maybe == 0:
			s.fail("%s is lost", text)
		case queue && ends > 1 && s.exact, queue && !f.accepted && ends+f.maybe > 0:
			s.fail("%s ended %d times, accepted %t", text, ends, f.accepted)
		case len(f.told) != 1:
			s.fail("the receipt of %s was told %q", text, f.told)
		case !f.accepted != (f.told[0] != nil) && f.dest != "/queue/handled":
			s.fail("the receipt of %s says %v", text, f.told[0])
		case f.dest == "/queue/handled" && f.told[0] == nil && f.settled+f.maybe == 0, f.told[0] != nil && f.accepted && f.dead == 0:
			s.fail("the receipt of %s says %v, and it was settled %d times", text, f.told[0], f.settled+f.maybe)
		}
	}
	for _, h := range s.heard {
		for text, f := range s.fates {
			if n := h.got[text]; f.dest == h.dest && f.start > h.from && f.end < h.to && n != 1 || n > 1 {
				s.fail("%s was heard %d times", text, n)
			}
		}
	}
}

// TestModelStress: whatever publishers and clients do at the same time, nothing is
// lost or comes twice, each publisher's order holds, and receipts are true.
func TestModelStress(t *testing.T) {
	for name, deadline := range map[string]time.Duration{"without deadlines": -1, "with deadlines": 2 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			acks := broker.Acks{
				Prefetch: 5, Deadline: deadline, MaxDeliveries: 3, Backoff: time.Millisecond, MaxBackoff: 2 * time.Millisecond,
				DeadLetter: "/queue/dead",
			}
			backlog := broker.Backlog{Messages: 100}
			s := &stress{t: t, exact: deadline < 0, fates: map[string]*fate{}, last: map[string]int{}}
			s.b = broker.NewMemory(outbound, broker.Config{Logger: slog.New(slog.DiscardHandler), Rules: []broker.Rule{
				{Prefix: "/queue", Mode: broker.Queue, Acks: acks, Backlog: backlog},
				{Prefix: "/queue/handled", Mode: broker.Queue, Acks: acks, Backlog: backlog, Receipts: message.Handled},
				{Prefix: "/queue/dead", Mode: broker.Queue, Acks: broker.Acks{MaxDeliveries: -1, Backoff: time.Millisecond}},
				{Prefix: "/topic", Acks: acks},
			}})
			defer s.b.Close()
			var clients, publishers sync.WaitGroup
			for i := range stressClients {
				clients.Go(func() { s.client(uint64(i)) })
			}
			for _, dest := range stressDestinations {
				for i := range stressPublishers {
					publishers.Go(func() { s.publish(fmt.Sprint(dest, i), dest) })
				}
			}
			publishers.Wait()
			s.stop.Store(true)
			clients.Wait()
			s.drain()
			s.check()
		})
	}
}
