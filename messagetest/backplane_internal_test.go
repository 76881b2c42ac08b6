package messagetest

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
)

type receive = func(context.Context, broker.Envelope) error

// brokenBackplane is a driver with a fault.
type brokenBackplane struct {
	broker.Backplane
	fault wireFault
	calls atomic.Int64
	mu    sync.Mutex
	held  *broker.Envelope
}

func (b *brokenBackplane) Features() broker.Features {
	f := b.Backplane.Features()
	f.Queues = f.Queues && !b.fault.noGroups
	return f
}

func (b *brokenBackplane) Publish(ctx context.Context, topic string, e broker.Envelope) error {
	if b.fault.publish != nil {
		return b.fault.publish(b, ctx, topic, e)
	}
	return b.Backplane.Publish(ctx, topic, e)
}

func (b *brokenBackplane) Subscribe(ctx context.Context, topic, group string, receive receive) (func(), error) {
	if b.fault.subscribe != nil {
		return b.fault.subscribe(b, ctx, topic, group, receive)
	}
	return b.Backplane.Subscribe(ctx, topic, group, receive)
}

func (b *brokenBackplane) Watch(changed func(bool)) func() {
	if b.fault.watch != nil {
		return b.fault.watch(b, changed)
	}
	return b.Backplane.Watch(changed)
}

// wireFault is a way in which a driver breaks its contract.
type wireFault struct {
	noGroups  bool // it says that the engine has none
	publish   func(b *brokenBackplane, ctx context.Context, topic string, e broker.Envelope) error
	subscribe func(b *brokenBackplane, ctx context.Context, topic, group string, receive receive) (func(), error)
	watch     func(b *brokenBackplane, changed func(bool)) func()
	fails     []string
}

func (f wireFault) judge(t *testing.T, check func(*wire)) []string {
	return judge(t, func(t testing.TB) {
		engine := NewBackplane()
		check(newWire(t, func() broker.Backplane { return &brokenBackplane{Backplane: engine, fault: f} }))
	})
}

// receivedBy makes a fault of what a driver does with an envelope instead of handing
// it on.
func receivedBy(do func(b *brokenBackplane, ctx context.Context, e broker.Envelope, receive receive) error) func(*brokenBackplane, context.Context, string, string, receive) (func(), error) {
	return func(b *brokenBackplane, ctx context.Context, topic, group string, receive receive) (func(), error) {
		return b.Backplane.Subscribe(ctx, topic, group, func(ctx context.Context, e broker.Envelope) error { return do(b, ctx, e, receive) })
	}
}

var wireFaults = map[string]wireFault{
	"loses an envelope in 20": {
		subscribe: receivedBy(func(b *brokenBackplane, ctx context.Context, e broker.Envelope, receive receive) error {
			if b.calls.Add(1)%20 == 0 {
				return nil
			}
			return receive(ctx, e)
		}),
		fails: []string{"FanOut", "Groups", "Order", "OneAtATime", "Topics"},
	},
	"doubles an envelope in 3": {
		subscribe: receivedBy(func(b *brokenBackplane, ctx context.Context, e broker.Envelope, receive receive) error {
			if b.calls.Add(1)%3 == 0 {
				_ = receive(ctx, e)
			}
			return receive(ctx, e)
		}),
		fails: []string{"Envelopes", "FanOut", "Groups", "Order", "OneAtATime"},
	},
	"holds an envelope in 20 back": {
		publish: func(b *brokenBackplane, ctx context.Context, topic string, e broker.Envelope) error {
			b.mu.Lock()
			defer b.mu.Unlock()
			if b.held == nil && b.calls.Add(1)%20 == 0 {
				b.held = &e
				return nil
			}
			err := b.Backplane.Publish(ctx, topic, e)
			if b.held != nil {
				_ = b.Backplane.Publish(ctx, topic, *b.held)
				b.held = nil
			}
			return err
		},
		fails: []string{"FanOut", "Order"},
	},
	"changes envelopes": {
		publish: func(b *brokenBackplane, ctx context.Context, topic string, e broker.Envelope) error {
			e.Header = e.Header.Without("hr-x")
			return b.Backplane.Publish(ctx, topic, e)
		},
		fails: []string{"Envelopes"},
	},
	"has one topic": {
		publish: func(b *brokenBackplane, ctx context.Context, _ string, e broker.Envelope) error {
			return b.Backplane.Publish(ctx, "", e)
		},
		subscribe: func(b *brokenBackplane, ctx context.Context, _, group string, receive receive) (func(), error) {
			return b.Backplane.Subscribe(ctx, "", group, receive)
		},
		fails: []string{"Topics"},
	},
	"gives groups everything": {
		subscribe: func(b *brokenBackplane, ctx context.Context, topic, _ string, receive receive) (func(), error) {
			return b.Backplane.Subscribe(ctx, topic, "", receive)
		},
		fails: []string{"Groups"},
	},
	"ignores groups that it does not have": {
		noGroups: true,
		fails:    []string{"Groups"},
	},
	"has one group": {
		subscribe: func(b *brokenBackplane, ctx context.Context, topic, _ string, receive receive) (func(), error) {
			return b.Backplane.Subscribe(ctx, topic, "one", receive)
		},
		fails: []string{"Groups", "FanOut"},
	},
	"calls receive side by side": {
		subscribe: receivedBy(func(b *brokenBackplane, ctx context.Context, e broker.Envelope, receive receive) error {
			go receive(ctx, e)
			return nil
		}),
		fails: []string{"OneAtATime"},
	},
	"takes what is refused for settled": {
		subscribe: receivedBy(func(_ *brokenBackplane, ctx context.Context, e broker.Envelope, receive receive) error {
			_ = receive(ctx, e)
			return nil
		}),
		fails: []string{"Settlement"},
	},
	"forgets what a member has not settled": {
		subscribe: receivedBy(func(_ *brokenBackplane, ctx context.Context, e broker.Envelope, receive receive) error {
			if e.Done != nil {
				done := e.Done
				e.Done = message.NewCompletion(message.Handled, func(error) { done.Release(nil) })
				defer e.Done.Release(nil)
			}
			return receive(ctx, e)
		}),
		fails: []string{"Settlement"},
	},
	"does not wait until it is settled": {
		subscribe: receivedBy(func(_ *brokenBackplane, ctx context.Context, e broker.Envelope, receive receive) error {
			if e.Done != nil {
				e.Done = message.NewCompletion(message.Handled, func(error) {})
			}
			return receive(ctx, e)
		}),
		fails: []string{"Settlement"},
	},
	"gives again what was settled late": {
		subscribe: receivedBy(func(_ *brokenBackplane, ctx context.Context, e broker.Envelope, receive receive) error {
			if done := e.Done; done != nil {
				settled := false
				e.Done = message.NewCompletion(message.Handled, func(error) { settled = true })
				err := receive(ctx, e)
				e.Done.Release(err)
				if settled {
					return err
				}
				return errRefused
			}
			return receive(ctx, e)
		}),
		fails: []string{"Settlement"},
	},
	"gives nothing to settle": {
		subscribe: receivedBy(func(_ *brokenBackplane, ctx context.Context, e broker.Envelope, receive receive) error {
			e.Done = nil
			return receive(ctx, e)
		}),
		fails: []string{"Settlement"},
	},
	"does not wait for receive": {
		subscribe: func(b *brokenBackplane, ctx context.Context, topic, group string, receive receive) (func(), error) {
			stop, err := b.Backplane.Subscribe(ctx, topic, group, receive)
			return func() { go stop() }, err
		},
		fails: []string{"Unsubscribe"},
	},
	"does not unsubscribe": {
		subscribe: func(b *brokenBackplane, ctx context.Context, topic, group string, receive receive) (func(), error) {
			ends := make(chan struct{}, 1)
			stop, err := b.Backplane.Subscribe(ctx, topic, group, func(ctx context.Context, e broker.Envelope) error {
				defer func() {
					select {
					case ends <- struct{}{}:
					default:
					}
				}()
				return receive(ctx, e)
			})
			context.AfterFunc(ctx, stop)
			return func() { <-ends }, err
		},
		fails: []string{"Unsubscribe"},
	},
	"tells nothing of itself": {
		watch: func(*brokenBackplane, func(bool)) func() { return func() {} },
		fails: []string{"Watch"},
	},
	"tells of itself twice": {
		watch: func(b *brokenBackplane, changed func(bool)) func() {
			changed(true)
			return b.Backplane.Watch(changed)
		},
		fails: []string{"Watch"},
	},
}

func TestBackplaneSuiteFails(t *testing.T) {
	proven := make(map[string]bool)
	for name, f := range wireFaults {
		t.Run(name, func(t *testing.T) {
			for _, check := range f.fails {
				proven[check] = true
				if backplaneChecks[check] == nil {
					t.Fatalf("there is no check %s", check)
				}
				if said := f.judge(t, backplaneChecks[check]); len(said) == 0 {
					t.Errorf("%s does not find it", check)
				} else {
					t.Logf("%s: %.300s", check, said[0])
				}
			}
		})
	}
	for _, name := range slices.Sorted(maps.Keys(backplaneChecks)) {
		if !proven[name] {
			t.Errorf("nothing fails the check %s", name)
		}
	}
}

// An engine without groups refuses them.
func TestBackplaneSuitePassesWithoutGroups(t *testing.T) {
	f := wireFault{noGroups: true, subscribe: func(b *brokenBackplane, ctx context.Context, topic, group string, receive receive) (func(), error) {
		if group != "" {
			return nil, message.Errorf(message.CodeInvalid, "there are no groups")
		}
		return b.Backplane.Subscribe(ctx, topic, group, receive)
	}}
	for name, check := range backplaneChecks {
		t.Run(name, func(t *testing.T) {
			for _, text := range f.judge(t, check) {
				t.Error(text)
			}
		})
	}
}
