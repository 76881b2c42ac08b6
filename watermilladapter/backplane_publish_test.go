package watermilladapter_test

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	wmessage "github.com/ThreeDotsLabs/watermill/message"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/watermilladapter"
)

// stuckPublisher takes its time for every message, whatever the context says.
type stuckPublisher struct {
	takes time.Duration
	err   error
}

func (p stuckPublisher) Publish(string, ...*wmessage.Message) error {
	time.Sleep(p.takes)
	return p.err
}

func (stuckPublisher) Close() error { return nil }

func nobody(string, string) (wmessage.Subscriber, error) { return nil, errAway }

// TestBackplanePublishIsBoundByItsContext, whatever the publisher does; how many
// wait is bounded too, and told at once.
func TestBackplanePublishIsBoundByItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := backplane(t, watermilladapter.BackplaneConfig{
			Publisher:  stuckPublisher{takes: time.Hour},
			Subscriber: nobody,
			Pending:    3,
		})
		start := time.Now()
		for range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			err := b.Publish(ctx, "/topic/a", broker.Envelope{})
			cancel()
			if code(err) != message.CodeUnavailable || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("publish: %v", err)
			}
		}
		if after := time.Since(start); after != 3*time.Second {
			t.Errorf("three publishes took %v", after)
		}
		if calls := b.Stats().Calls; calls != 3 {
			t.Errorf("%d calls wait", calls)
		}
		start = time.Now()
		err := b.Publish(t.Context(), "/topic/a", broker.Envelope{})
		if code(err) != message.CodeUnavailable || time.Since(start) != 0 {
			t.Errorf("one too many, after %v: %v", time.Since(start), err)
		}
		if _, err := b.Subscribe(t.Context(), "/topic/a", "", nil); code(err) != message.CodeUnavailable {
			t.Errorf("a subscribe too many: %v", err)
		}
		pass(time.Hour)
		if err := b.Publish(t.Context(), "/topic/a", broker.Envelope{}); err != nil {
			t.Errorf("publish after the others were done: %v", err)
		}
	})
}

// workers counts the goroutines that publish, or wait to.
func workers() int {
	stacks := make([]byte, 1<<20)
	return bytes.Count(stacks[:runtime.Stack(stacks, true)], []byte("Backplane).worker("))
}

// TestBackplaneWorkersComeAndGo: as many as publish at once, and none after a while.
func TestBackplaneWorkersComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := backplane(t, watermilladapter.BackplaneConfig{Publisher: stuckPublisher{takes: time.Second}, Subscriber: nobody})
		var publishing sync.WaitGroup
		for range 50 {
			publishing.Go(func() { send(t, b, "1") })
		}
		publishing.Wait()
		synctest.Wait()
		if n := workers(); n != 50 {
			t.Errorf("%d workers wait after 50 publishes at once", n)
		}
		send(t, b, "2")
		synctest.Wait()
		if n := workers(); n != 50 {
			t.Errorf("%d workers after one more", n)
		}
		pass(9 * time.Second)
		if n := workers(); n != 1 {
			t.Errorf("%d workers are left when one worked of late", n)
		}
		pass(time.Second)
		if n := workers(); n != 0 {
			t.Errorf("%d workers are left after ten seconds", n)
		}
	})
}

func TestBackplanePublishFails(t *testing.T) {
	for name, pub := range map[string]wmessage.Publisher{
		"error": &fakePublisher{err: errAway},
		"panic": panickingPublisher{},
	} {
		t.Run(name, func(t *testing.T) {
			b := backplane(t, watermilladapter.BackplaneConfig{Publisher: pub, Subscriber: nobody})
			if err := b.Publish(t.Context(), "/topic/a", broker.Envelope{}); code(err) != message.CodeUnavailable || !errors.Is(err, errAway) {
				t.Errorf("publish: %v", err)
			}
		})
	}
	b := backplane(t, watermilladapter.BackplaneConfig{Subscriber: nobody})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Publish(ctx, "/topic/a", broker.Envelope{}); !errors.Is(err, context.Canceled) {
		t.Errorf("publish after the end of the context: %v", err)
	}
}

type panickingPublisher struct{ wmessage.Publisher }

func (panickingPublisher) Publish(string, ...*wmessage.Message) error { panic(errAway) }

// notes is what Watch told.
type notes struct {
	mu  sync.Mutex
	all []bool
}

func (n *notes) add(available bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all = append(n.all, available)
}

func (n *notes) list() []bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.all)
}

// TestBackplaneTellsWhetherTheEngineIsThere, by what publishes and subscriptions
// say.
func TestBackplaneTellsWhetherTheEngineIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newGroupEngine(1)
		b := overEngine(t, e)
		var told notes
		stop := b.Watch(told.add)
		subscribe(t, b, "", func(context.Context, broker.Envelope) error { return nil })
		send(t, b, "1")
		e.setAway(true)
		for range 2 {
			if err := b.Publish(t.Context(), "/topic/a", broker.Envelope{}); err == nil {
				t.Error("published")
			}
		}
		e.setAway(false)
		send(t, b, "2") // a publish finds that it is there
		e.setAway(true)
		e.breakAll()
		pass(time.Second)
		e.setAway(false)
		pass(10 * time.Second) // a subscription finds that it is there
		if got, want := told.list(), []bool{true, false, true, false, true}; !slices.Equal(got, want) {
			t.Errorf("told %v, want %v", got, want)
		}
		stop()
		e.setAway(true)
		_ = b.Publish(t.Context(), "/topic/a", broker.Envelope{})
		if len(told.list()) != 5 {
			t.Error("told after stop")
		}
	})
}

// TestBackplanePassesOnWhatIsWrongWithTheMessage: that is no word about the engine.
func TestBackplanePassesOnWhatIsWrongWithTheMessage(t *testing.T) {
	tooLarge := message.Errorf(message.CodeTooLarge, "too large for the engine")
	for name, tt := range map[string]struct {
		err       error
		want      message.Code
		available bool
	}{
		"the message": {tooLarge, message.CodeTooLarge, true},
		"the engine":  {message.Errorf(message.CodeUnavailable, "no leader"), message.CodeUnavailable, false},
		"its time":    {message.Errorf(message.CodeTimeout, "no answer"), message.CodeUnavailable, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := backplane(t, watermilladapter.BackplaneConfig{Publisher: &fakePublisher{err: tt.err}, Subscriber: nobody})
			var told notes
			b.Watch(told.add)
			if err := b.Publish(t.Context(), "/topic/a", broker.Envelope{}); code(err) != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("publish: %v", err)
			}
			if list := told.list(); list[len(list)-1] != tt.available {
				t.Errorf("told %v", list)
			}
		})
	}
}

// TestBackplaneTellsOfAnEngineThatIsStuck, but not of a caller who went away, or is
// in a hurry.
func TestBackplaneTellsOfAnEngineThatIsStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := backplane(t, watermilladapter.BackplaneConfig{Publisher: stuckPublisher{takes: time.Minute}, Subscriber: nobody})
		var told notes
		b.Watch(told.add)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if err := b.Publish(ctx, "/topic/a", broker.Envelope{}); !errors.Is(err, context.Canceled) {
			t.Errorf("publish: %v", err)
		}
		if got := told.list(); !slices.Equal(got, []bool{true}) {
			t.Errorf("told %v of a caller who went away", got)
		}
		ctx, cancel = context.WithTimeout(t.Context(), time.Second-1)
		_ = b.Publish(ctx, "/topic/a", broker.Envelope{})
		cancel()
		if got := told.list(); !slices.Equal(got, []bool{true}) {
			t.Errorf("told %v of a caller in a hurry", got)
		}
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_ = b.Publish(ctx, "/topic/a", broker.Envelope{})
		if got := told.list(); !slices.Equal(got, []bool{true, false}) {
			t.Errorf("told %v of an engine that is stuck", got)
		}
		pass(time.Hour)
		if got := told.list(); !slices.Equal(got, []bool{true, false, true}) {
			t.Errorf("told %v of an engine that took all at last", got)
		}
	})
}

func TestBackplaneAsksTheEngineWhetherItIsThere(t *testing.T) {
	asked, stopped := false, false
	b := backplane(t, watermilladapter.BackplaneConfig{Subscriber: nobody, Watch: func(changed func(bool)) func() {
		changed(false)
		return func() { stopped = true }
	}})
	b.Watch(func(available bool) { asked = !available })()
	if !asked || !stopped {
		t.Errorf("asked %v, stopped %v", asked, stopped)
	}
}

func TestBackplaneNamesTopics(t *testing.T) {
	var pub fakePublisher
	b := backplane(t, watermilladapter.BackplaneConfig{Publisher: &pub, Subscriber: nobody})
	send(t, b, "1")
	if pub.topic != "_topic_a" {
		t.Errorf("published to %q", pub.topic)
	}
	var subscribed string
	b = backplane(t, watermilladapter.BackplaneConfig{
		Publisher:  &pub,
		Subscriber: func(topic, _ string) (wmessage.Subscriber, error) { subscribed = topic; return nil, errAway },
		Topic:      func(destination string) string { return "app" + destination },
	})
	send(t, b, "1")
	_, _ = b.Subscribe(t.Context(), "/topic/a", "", nil)
	if pub.topic != "app/topic/a" || subscribed != "app/topic/a" {
		t.Errorf("published to %q, subscribed to %q", pub.topic, subscribed)
	}
}

// TestBackplanePassesTheContext: engines that look at it find the deadline and the
// span there.
func TestBackplanePassesTheContext(t *testing.T) {
	var pub fakePublisher
	b := backplane(t, watermilladapter.BackplaneConfig{Publisher: &pub, Subscriber: nobody})
	ctx := context.WithValue(t.Context(), ctxKey{}, "mine")
	if err := b.Publish(ctx, "/topic/a", broker.Envelope{}); err != nil {
		t.Fatal(err)
	}
	if pub.message.Context().Value(ctxKey{}) != "mine" {
		t.Error("the publisher does not see the context")
	}
}

// promptPublisher notes on whose goroutine it is, and ends with the context.
type promptPublisher struct {
	err   error
	stack []byte
}

func (p *promptPublisher) Publish(_ string, all ...*wmessage.Message) error {
	p.stack = debug.Stack()
	return errors.Join(p.err, all[0].Context().Err())
}

func (*promptPublisher) Close() error { return nil }

// A publisher that is prompt publishes on the caller's goroutine, as many at once as any
// other, and its errors are told alike.
func TestBackplanePromptPublisher(t *testing.T) {
	pub := &promptPublisher{}
	b := backplane(t, watermilladapter.BackplaneConfig{Publisher: pub, Prompt: true, Subscriber: nobody, Pending: 1})
	for _, want := range []error{nil, errAway, message.Errorf(message.CodeTooLarge, "too large"), nil} {
		pub.err = want
		if err := b.Publish(t.Context(), "x", broker.Envelope{ID: "1"}); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
		if !bytes.Contains(pub.stack, []byte("TestBackplanePromptPublisher")) {
			t.Errorf("published on another goroutine: %s", pub.stack)
		}
	}
	b = backplane(t, watermilladapter.BackplaneConfig{Publisher: panickingPublisher{}, Prompt: true, Subscriber: nobody, Pending: 1})
	for range 2 { // the place is given back
		if err := b.Publish(t.Context(), "x", broker.Envelope{ID: "1"}); message.Public(err).Code != message.CodeUnavailable {
			t.Errorf("a panic is told as %v", err)
		}
	}
}
