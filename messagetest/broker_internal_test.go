package messagetest

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
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
	History: true, Retain: true, Durable: true, Nodes: true,
}

// engine is one embedded broker behind any number of nodes. It survives them.
type engine struct {
	*broker.Memory
	mu    sync.Mutex
	nodes map[*message.Session]*node
}

func newEngine(f fault) *engine {
	acks := broker.Acks{MaxDeliveries: 10, Backoff: 10 * time.Millisecond, MaxBackoff: 20 * time.Millisecond, DeadLetter: "/topic/dead"}
	config := broker.Config{
		Rules: []broker.Rule{
			{Prefix: "/topic", Acks: acks},
			{Prefix: "/queue", Mode: broker.Queue, Acks: acks},
			{Prefix: "/history", History: broker.History{Messages: historyMessages}},
			{Prefix: "/retain", Retain: true},
		},
		Logger: slog.New(slog.DiscardHandler),
	}
	if f.rule != nil {
		for i := range config.Rules {
			f.rule(&config.Rules[i])
		}
	}
	e := &engine{nodes: make(map[*message.Session]*node)}
	e.Memory = broker.NewMemory(message.HandlerFunc[[]byte](e.outbound), config)
	return e
}

// outbound delivers at the node where the session is.
func (e *engine) outbound(ctx context.Context, m message.Raw) error {
	e.mu.Lock()
	n := e.nodes[m.Session]
	e.mu.Unlock()
	return n.outbound.Handle(ctx, m)
}

// node is a broker with a fault.
type node struct {
	*engine
	fault    fault
	inbound  message.RawHandler
	outbound message.RawHandler
	closed   atomic.Bool
	calls    atomic.Int64 // of the fault
	epoch    atomic.Value // that it saw last

	mu   sync.Mutex // the fault's, as what follows
	held *message.Raw
	of   map[string]*message.Session // by ack id
	ids  map[*message.Session]string // of subscriptions
	last *message.Session
	err  error
}

func (e *engine) node(f fault, outbound message.RawHandler) *node {
	n := &node{engine: e, fault: f, of: make(map[string]*message.Session), ids: make(map[*message.Session]string)}
	n.inbound, n.outbound = message.HandlerFunc[[]byte](n.take), outbound
	if f.inbound != nil {
		n.inbound = f.inbound(n)(n.inbound)
	}
	if f.outbound != nil {
		n.outbound = f.outbound(n)(outbound)
	}
	return n
}

func (n *node) Features() broker.Features {
	if n.fault.modest {
		return n.fault.features
	}
	return everything
}

func (n *node) Close() {
	if n.fault.close != nil {
		n.fault.close(n)
		return
	}
	n.closed.Store(true)
}

func (n *node) Handle(ctx context.Context, m message.Raw) error { return n.inbound.Handle(ctx, m) }

// take is what a node without a fault does with a message.
func (n *node) take(ctx context.Context, m message.Raw) error {
	if n.closed.Load() && m.Kind != message.KindDisconnect {
		return message.Errorf(message.CodeUnavailable, "the broker is closed")
	}
	if m.Kind == message.KindConnect && m.Session != nil {
		n.engine.mu.Lock()
		n.nodes[m.Session] = n
		n.engine.mu.Unlock()
	}
	return n.Memory.Handle(ctx, m)
}

// fault is a way in which a broker breaks its contract.
type fault struct {
	features broker.Features    // that the suite is told; zero means everything
	modest   bool               // the broker says the same
	rule     func(*broker.Rule) // changes the broker's rules
	alone    bool               // nodes have nothing in common
	outbound func(*node) message.RawInterceptor
	inbound  func(*node) message.RawInterceptor
	close    func(*node)
	fails    []string // checks that have to find it
}

// judge runs a check on brokers with the fault.
func (f fault) judge(t *testing.T, check func(*trial)) []string {
	return judge(t, func(t testing.TB) {
		e := newEngine(f)
		t.Cleanup(e.Memory.Close)
		check(newTrial(t, f.told(), func(outbound message.RawHandler) broker.Broker {
			if f.alone {
				e = newEngine(f)
				t.Cleanup(e.Memory.Close)
			}
			return e.node(f, outbound)
		}))
	})
}

func (f fault) told() broker.Features {
	if f.modest {
		return f.features
	}
	return cmp.Or(f.features, everything)
}

// passing is a message that passes a fault, on its way in or out.
type passing struct {
	*node
	message.Raw
	ctx  context.Context
	next message.RawHandler
}

// on hands the message on.
func (p passing) on() error { return p.next.Handle(p.ctx, p.Raw) }

// all makes an interceptor of what a fault does with messages.
func all(do func(p passing) error) func(*node) message.RawInterceptor {
	return func(n *node) message.RawInterceptor {
		return func(next message.RawHandler) message.RawHandler {
			return message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error { return do(passing{n, m, ctx, next}) })
		}
	}
}

// with is all for messages of one kind.
func with(k message.Kind, do func(p passing) error) func(*node) message.RawInterceptor {
	return all(func(p passing) error {
		if p.Kind == k {
			return do(p)
		}
		return p.on()
	})
}

// changed is a fault that changes messages of a kind.
func changed(k message.Kind, change func(m *message.Raw)) func(*node) message.RawInterceptor {
	return with(k, func(p passing) error {
		change(&p.Raw)
		return p.on()
	})
}

// without is a fault that takes a header away from what is delivered.
func without(name string) func(*node) message.RawInterceptor {
	return changed(message.KindData, func(m *message.Raw) { m.Header = m.Header.Without(name) })
}

// having is a fault that sets a header of what is delivered.
func having(name, value string) func(*node) message.RawInterceptor {
	return changed(message.KindData, func(m *message.Raw) { m.Header = m.Header.With(name, value) })
}

// ignored is a fault that takes messages of a kind and does nothing.
func ignored(k message.Kind) func(*node) message.RawInterceptor {
	return with(k, func(passing) error { return nil })
}

func TestBrokerSuitePasses(t *testing.T) {
	for name, f := range map[string]fault{
		"everything": {features: everything},
		"all but order": {modest: true, outbound: with(message.KindData, late), rule: impatient, features: broker.Features{
			Patterns: true, Queues: true, Backlog: true, Acks: true, DeadLetters: true, Retain: true, Durable: true, Nodes: true,
		}},
		"topics with acks": {modest: true, features: broker.Features{Patterns: true, Ordered: true, Acks: true, History: true}},
		"nothing":          {modest: true, inbound: all(refuseMost), outbound: with(message.KindData, late)},
	} {
		for check, run := range brokerChecks(f.features) {
			t.Run(name+"/"+check, func(t *testing.T) {
				for _, text := range f.judge(t, run) {
					t.Error(text)
				}
			})
		}
	}
}

// refuseMost takes what a broker takes that has no features.
func refuseMost(p passing) error {
	switch mode := p.Header.Get(message.HeaderAckMode); {
	case p.Kind == message.KindAck, p.Kind == message.KindNack,
		p.Kind == message.KindSubscribe && (strings.Contains(p.Destination, "*") || mode != "" && mode != "auto"):
		return message.Errorf(message.CodeInvalid, "not supported")
	}
	return p.on()
}

// late keeps no order.
// Nobody hears of the failure of such a delivery: its deadline tells.
func late(p passing) error {
	if p.calls.Add(1)%7 != 0 {
		return p.on()
	}
	time.AfterFunc(time.Millisecond, func() {
		var err error
		defer message.Recover(&err)
		err = p.on()
	})
	return nil
}

func impatient(r *broker.Rule) { r.Acks.Deadline = 2 * time.Second }

func TestBrokerSuiteFails(t *testing.T) {
	checks, proven := brokerChecks(everything), make(map[string]bool)
	for _, faults := range []map[string]fault{deliveryFaults, sessionFaults, queueFaults, replayFaults, nodeFaults} {
		for name, f := range faults {
			t.Run(name, func(t *testing.T) {
				for _, check := range f.fails {
					proven[check] = true
					if checks[check] == nil {
						t.Fatalf("there is no check %s", check)
					}
					if said := f.judge(t, checks[check]); len(said) == 0 {
						t.Errorf("%s does not find it", check)
					} else {
						t.Logf("%s: %.300s", check, said[0])
					}
				}
			})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(checks)) {
		if !proven[name] {
			t.Errorf("nothing fails the check %s", name)
		}
	}
}
