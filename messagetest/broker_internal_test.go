package messagetest

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
)

// everything is what the broker of these tests can do.
var everything = broker.Features{
	Patterns: true, Ordered: true, Queues: true, Backlog: true, Acks: true, DeadLetters: true,
}

// fault is a way in which a broker breaks its contract.
type fault struct {
	features broker.Features // that the suite is told; zero means everything
	acks     broker.Acks     // what is not zero is the broker's
	outbound func(*spy) message.RawInterceptor
	inbound  func(*spy) message.RawInterceptor
	close    func(*spy) // nil closes it
	fails    []string   // checks that have to find it
}

// spy is the broken broker, and what it knows of itself.
type spy struct {
	broker.Broker
	handler message.RawHandler
	fault   fault
	n       atomic.Int64 // deliveries

	mu     sync.Mutex
	held   *message.Raw
	owners map[string]*message.Session // by ack id
	names  map[*message.Session]string // of subscriptions to queues
	last   *message.Session
	err    error
}

func (b *spy) Handle(ctx context.Context, m message.Raw) error { return b.handler.Handle(ctx, m) }

func (b *spy) Close() {
	if b.fault.close != nil {
		b.fault.close(b)
		return
	}
	b.Broker.Close()
}

func (f fault) broker(outbound message.RawHandler) broker.Broker {
	b := &spy{fault: f, owners: make(map[string]*message.Session), names: make(map[*message.Session]string)}
	if f.outbound != nil {
		outbound = f.outbound(b)(outbound)
	}
	acks := broker.Acks{
		MaxDeliveries: cmp.Or(f.acks.MaxDeliveries, 10),
		Backoff:       10 * time.Millisecond,
		MaxBackoff:    20 * time.Millisecond,
		DeadLetter:    "/topic/dead",
		Prefetch:      f.acks.Prefetch,
	}
	b.Broker = broker.NewMemory(outbound, broker.Config{
		Rules: []broker.Rule{
			{Prefix: "/topic", Acks: acks},
			{Prefix: "/queue", Mode: broker.Queue, Acks: acks},
		},
		Logger: slog.New(slog.DiscardHandler),
	})
	b.handler = b.Broker
	if f.inbound != nil {
		b.handler = f.inbound(b)(b.Broker)
	}
	return b
}

// judge runs a check on the broken broker.
func (f fault) judge(t *testing.T, check func(*trial)) []string {
	return judge(t, func(t testing.TB) { check(newTrial(t, cmp.Or(f.features, everything), f.broker)) })
}

// around makes an interceptor of a function that is given the next handler.
func around(do func(b *spy, ctx context.Context, m message.Raw, next message.RawHandler) error) func(*spy) message.RawInterceptor {
	return func(b *spy) message.RawInterceptor {
		return func(next message.RawHandler) message.RawHandler {
			return message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error { return do(b, ctx, m, next) })
		}
	}
}

// data is around for messages of KindData.
func data(do func(b *spy, ctx context.Context, m message.Raw, next message.RawHandler) error) func(*spy) message.RawInterceptor {
	return of(message.KindData, do)
}

func of(k message.Kind, do func(b *spy, ctx context.Context, m message.Raw, next message.RawHandler) error) func(*spy) message.RawInterceptor {
	return around(func(b *spy, ctx context.Context, m message.Raw, next message.RawHandler) error {
		if m.Kind != k {
			return next.Handle(ctx, m)
		}
		return do(b, ctx, m, next)
	})
}

// changed is of for faults that change the message.
func changed(k message.Kind, change func(m *message.Raw)) func(*spy) message.RawInterceptor {
	return of(k, func(_ *spy, ctx context.Context, m message.Raw, next message.RawHandler) error {
		change(&m)
		return next.Handle(ctx, m)
	})
}

// swallowed takes messages of a kind and does nothing.
func swallowed(k message.Kind) func(*spy) message.RawInterceptor {
	return of(k, func(*spy, context.Context, message.Raw, message.RawHandler) error { return nil })
}

func TestBrokerSuitePasses(t *testing.T) {
	for name, check := range brokerChecks(everything) {
		t.Run(name, func(t *testing.T) {
			for _, text := range (fault{}).judge(t, check) {
				t.Error(text)
			}
		})
	}
}

func TestBrokerSuiteFails(t *testing.T) {
	checks := brokerChecks(everything)
	unproven := maps.Clone(checks)
	for name, f := range brokerFaults {
		t.Run(name, func(t *testing.T) {
			for _, check := range f.fails {
				delete(unproven, check)
				if checks[check] == nil {
					t.Errorf("there is no check %s", check)
				} else if said := f.judge(t, checks[check]); len(said) == 0 {
					t.Errorf("%s does not find it", check)
				} else {
					t.Logf("%s: %.300s", check, said[0])
				}
			}
		})
	}
	for _, name := range slices.Sorted(maps.Keys(unproven)) {
		t.Errorf("nothing fails the check %s", name)
	}
}
