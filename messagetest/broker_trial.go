package messagetest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
)

// trial is a broker in one check.
type trial struct {
	broker.Broker
	t        testing.TB
	features broker.Features
	build    func(outbound message.RawHandler) broker.Broker
	name     string // begins the last part of all its destinations

	mu     sync.Mutex
	onSend func(m message.Raw) error // what becomes of deliveries; nil: all are taken
}

func newTrial(t testing.TB, f broker.Features, build func(message.RawHandler) broker.Broker) *trial {
	t.Helper()
	s := &trial{t: t, features: f, build: build, name: uniqueName()}
	goroutines := runtime.NumGoroutine()
	t.Cleanup(func() {
		s.eventually("all goroutines have ended", func() bool { return runtime.NumGoroutine() <= goroutines })
	})
	s.Broker = s.start()
	return s
}

func uniqueName() string { return strings.ToLower(rand.Text()[:10]) }

// start makes a broker, of which nothing may be left when the check has ended and all
// that it made are closed.
func (s *trial) start() broker.Broker {
	s.t.Helper()
	b := &closeOnce{Broker: s.build(message.HandlerFunc[[]byte](s.outbound))}
	s.t.Cleanup(b.Close)
	return b
}

// closeOnce lets a check close its broker before the end.
type closeOnce struct {
	broker.Broker
	once sync.Once
}

func (c *closeOnce) Close() { c.once.Do(c.Broker.Close) }

// outbound is where the broker sends what it delivers.
func (s *trial) outbound(ctx context.Context, m message.Raw) error {
	if m.Session == nil {
		s.t.Errorf("a delivery to %s has no session", m.Destination)
		return errRefused
	}
	s.mu.Lock()
	on := s.onSend
	s.mu.Unlock()
	if on != nil {
		if err := on(m); err != nil {
			return err
		}
	}
	return m.Session.Deliver(ctx, m)
}

// on says what becomes of deliveries from now on.
func (s *trial) on(send func(m message.Raw) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onSend = send
}

func (s *trial) topic(name string) string { return "/topic/" + s.name + "." + name }
func (s *trial) queue(name string) string { return "/queue/" + s.name + "." + name }

// must fails the check at once.
func (s *trial) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// do sends m and waits until it got as far as level. What is on its way to those
// who acknowledge is not handled before they did.
func (s *trial) do(m message.Raw, level message.Level) error {
	outcome := make(chan error, 1)
	m.Done = message.NewCompletion(level, func(err error) { outcome <- err })
	err := s.Handle(context.Background(), m)
	m.Done.Release(err)
	select {
	case told := <-outcome:
		if told == nil && err != nil {
			return fmt.Errorf("the completion of %s to %q is told that all is well, before Handle returns %q", m.Kind, m.Destination, err)
		}
		return told
	case <-time.After(patience):
		return fmt.Errorf("nobody told for %v what became of %s to %q", patience, m.Kind, m.Destination)
	}
}

// publish sends a text, of the application, and waits until it is stored. It may
// be called from any goroutine. A check that has failed publishes nothing more: who
// waits for a broker that does not answer waits once.
func (s *trial) publish(destination, text string) {
	s.t.Helper()
	if s.t.Failed() {
		return
	}
	if err := s.do(message.Raw{Destination: destination, Payload: []byte(text)}, message.Stored); err != nil {
		s.t.Errorf("%.80q to %s: %v", text, destination, err)
	}
}

// refuse sends what has to be refused with an error that tells the sender why.
func (s *trial) refuse(what string, m message.Raw) {
	s.t.Helper()
	s.refuseWith("", what, m)
}

func (s *trial) refuseWith(code message.Code, what string, m message.Raw) {
	s.t.Helper()
	err := s.do(m, message.Handled)
	told, ok := errors.AsType[*message.Error](err)
	switch {
	case err == nil:
		s.t.Errorf("%s: not refused", what)
	case !ok || told.Message == "" || told.Code == message.CodeInternal:
		s.t.Errorf("%s: refused with %v, which tells a client nothing", what, err)
	case code != "" && told.Code != code:
		s.t.Errorf("%s: refused with %v, want the code %s", what, err, code)
	}
}

func (s *trial) eventually(what string, ok func() bool) {
	s.t.Helper()
	eventually(s.t, what, ok)
}

// parallel calls do n times side by side and waits. do must not end the check.
func parallel(n int, do func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { do(i) })
	}
	wg.Wait()
}

// texts are the numbers from from up to to, to excluded.
func texts(from, to int) (all []string) {
	for i := from; i < to; i++ {
		all = append(all, strconv.Itoa(i))
	}
	return all
}

// party is a session in a check. Its methods end the check when something goes
// wrong.
type party struct {
	*Client
	s *trial
}

// join begins a session.
func (s *trial) join() party {
	s.t.Helper()
	return party{Connect(s.t, s.Broker), s}
}

// consumer begins a session with one subscription, which acknowledges as mode says;
// "" says nothing.
func (s *trial) consumer(destination, mode string) party {
	s.t.Helper()
	p := s.join()
	if mode == "" {
		p.Subscribe(destination)
	} else {
		p.Subscribe(destination, message.Field{Name: message.HeaderAckMode, Value: mode})
	}
	return p
}

// leave ends the session, and waits until the broker knows.
func (p party) leave() {
	p.s.t.Helper()
	p.s.must(p.tryLeave())
}

// tryLeave is leave from any goroutine.
func (p party) tryLeave() error {
	p.mu.Lock()
	p.gone = true // there is one goodbye
	p.mu.Unlock()
	p.session.Close(nil)
	return p.Try(message.Raw{Kind: message.KindDisconnect})
}

// next returns what comes next.
func (p party) next() message.Raw {
	p.s.t.Helper()
	return p.Next(p.s.t)
}

// want receives messages of these texts and no other in between, in this order if
// the broker keeps one. That nothing else came it proves by what comes afterwards.
func (p party) want(texts ...string) []message.Raw {
	p.s.t.Helper()
	return p.receive(p.s.features.Ordered, texts)
}

// wantAny is want in any order.
func (p party) wantAny(texts ...string) []message.Raw {
	p.s.t.Helper()
	return p.receive(false, texts)
}

func (p party) receive(ordered bool, texts []string) []message.Raw {
	p.s.t.Helper()
	var got []string
	var all []message.Raw
	for range texts {
		m := p.next()
		got, all = append(got, string(m.Payload)), append(all, m)
	}
	want := texts
	if !ordered {
		got, want = slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
	}
	if !slices.Equal(got, want) {
		p.s.t.Fatalf("came %.400q, want %.400q", got, want)
	}
	return all
}

// wantRest receives the numbers from from up to to, to excluded; lower ones may
// come before.
func (p party) wantRest(from, to int) {
	p.s.t.Helper()
	last, seen := -1, make(map[int]bool)
	for missing := to - from; missing > 0; {
		text := string(p.next().Payload)
		i, err := strconv.Atoi(text)
		switch {
		case err != nil:
			p.s.t.Fatalf("came %.80q, want the numbers from %d to %d", text, from, to-1)
		case seen[i], p.s.features.Ordered && (last < 0 && i > from || last >= 0 && i != last+1):
			p.s.t.Fatalf("%d came after %d, want the numbers from %d to %d", i, last, from, to-1)
		case i >= from:
			missing--
		}
		last, seen[i] = i, true
	}
}

// delivery is what one of several parties got.
type delivery struct {
	message.Raw
	to int
}

// collect receives n messages, whoever of the parties gets them, in the order of
// each. The next one may always take as long as the suite waits: each is the check's,
// and takes its time.
func (s *trial) collect(n int, parties []party, each func(delivery)) {
	s.t.Helper()
	for n > 0 {
		before := n
		s.eventually("all messages came", func() bool {
			for to, p := range parties {
				for ; n > 0; n-- {
					m, ok := p.sink.pop()
					if !ok {
						break
					}
					each(delivery{m, to})
				}
			}
			return n < before
		})
	}
}
