package soak_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/internal/chaos"
	"github.com/headrace/headrace/internal/ledger"
	"github.com/headrace/headrace/message"
)

// TestR03 kills engines that store what they have, as kill -9 does, while 16 publishers
// send what they can: what an engine acknowledged comes to two subscriptions, in order,
// and to a group, whose members have many messages under way.
func TestR03(t *testing.T) {
	for _, name := range []string{"JetStream", "Redis"} {
		t.Run(name, func(t *testing.T) {
			l := newLoad(t, engines[name])
			l.publish()
			for range form(1, 5) {
				l.kill()
			}
			l.stop()
			l.judge()
		})
	}
}

const (
	publishers = 16
	topic      = "/topic/load"
	queue      = "/queue/load"
	atLeast    = 1000 // messages in flight, or a kill proves nothing
)

var receivers = []string{"b", "c"}

// load is what is sent through an engine that is killed.
type load struct {
	t     *testing.T
	kill9 interface {
		Kill()
		Launch()
	}
	proxy    *chaos.Proxy
	a        closer
	topics   ledger.Ledger
	queues   ledger.Ledger
	tried    atomic.Int64
	held     held
	inFlight int64
	outages  []time.Duration
	ctx      context.Context
	cancel   context.CancelFunc
	sending  sync.WaitGroup
}

func newLoad(t *testing.T, e engine) *load {
	server, addr := e.start(t)
	l := &load{t: t, kill9: server, proxy: chaos.New(t, addr)}
	l.a = e.node(t, l.proxy.Addr())
	for _, name := range receivers {
		node := e.node(t, l.proxy.Addr())
		l.subscribe(node, topic, "", func(_ context.Context, e broker.Envelope) error {
			l.topics.Delivered(name, idOf(t, e))
			return nil
		})
		l.subscribe(node, queue, "workers", func(_ context.Context, e broker.Envelope) error {
			l.queues.Delivered("workers", idOf(t, e))
			e.Done.Hold()
			l.held.take(e.Done)
			return nil
		})
	}
	l.ctx, l.cancel = context.WithCancel(t.Context())
	return l
}

// held is what the members of the group work on: the last ones that came, until the end.
type held struct {
	mu      sync.Mutex
	all     []*message.Completion
	settled int64
	ended   bool
}

func (h *held) take(done *message.Completion) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, done)
	h.settle()
}

func (h *held) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ended = true
	h.settle()
}

// settle is called with the lock.
func (h *held) settle() {
	for len(h.all) > 0 && (h.ended || len(h.all) > atLeast+publishers) {
		h.all[0].Release(nil)
		h.all = h.all[1:]
		h.settled++
	}
}

func (h *held) count() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.settled
}

func idOf(t *testing.T, e broker.Envelope) (id ledger.ID) {
	if _, err := fmt.Sscanf(e.ID, "%d-%d", &id.Publisher, &id.Number); err != nil {
		t.Errorf("%q came", e.ID)
	}
	return id
}

func (l *load) subscribe(node closer, topic, group string, receive func(context.Context, broker.Envelope) error) {
	l.t.Helper()
	stop, err := node.Subscribe(l.t.Context(), topic, group, receive)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(stop)
}

// publish lets publishers send until stop.
func (l *load) publish() {
	for p := range publishers {
		l.sending.Go(func() {
			for n := 0; l.ctx.Err() == nil; n++ {
				l.send(topic, &l.topics, ledger.ID{Publisher: p, Number: n})
				l.tried.Add(1)
				l.send(queue, &l.queues, ledger.ID{Publisher: p, Number: n})
			}
		})
	}
}

func (l *load) send(to string, in *ledger.Ledger, id ledger.ID) {
	ctx, cancel := context.WithTimeout(l.t.Context(), 10*time.Second)
	defer cancel()
	text := fmt.Sprintf("%d-%d", id.Publisher, id.Number)
	in.Published(id, l.a.Publish(ctx, to, broker.Envelope{ID: text, Origin: "a", Destination: to, Payload: []byte(text)}))
}

// kill ends the engine while enough is in flight, and starts it again.
func (l *load) kill() {
	l.t.Helper()
	flying := func() int64 { return l.tried.Load() - l.held.count() }
	eventually(l.t, "enough is in flight", time.Minute, func() bool { return flying() >= atLeast })
	broken := l.proxy.Broken()
	l.inFlight += flying()
	l.kill9.Kill()
	eventually(l.t, "a connection broke", time.Minute, func() bool { return l.proxy.Broken() > broken })
	acked := l.queues.Acked()
	l.kill9.Launch()
	back := time.Now()
	eventually(l.t, "messages are acknowledged again", time.Minute, func() bool { return l.queues.Acked() > acked+publishers })
	l.outages = append(l.outages, time.Since(back))
	before := l.tried.Load()
	eventually(l.t, "the load is as before", time.Minute, func() bool { return l.tried.Load() > before+int64(form(1000, 20_000)) })
}

func (l *load) stop() {
	l.cancel()
	l.sending.Wait()
	l.held.end()
}

// judge waits for what has to come, and for what comes in vain meanwhile.
func (l *load) judge() {
	t := l.t
	t.Helper()
	eventually(t, "all that was acknowledged came to the topic", time.Minute, func() bool { return l.topics.Complete(receivers...) })
	eventually(t, "all that was acknowledged came to the queue", time.Minute, func() bool { return l.queues.Complete("workers") })
	topics, queues := l.topics.Check(receivers...), l.queues.Check("workers")
	t.Logf("topic: %v", topics)
	t.Logf("queue: %v", queues)
	t.Logf("%d in flight at the kills, %d connections broken, acknowledged again after %v", l.inFlight, l.proxy.Broken(), l.outages)
	if l.inFlight < atLeast || l.proxy.Broken() == 0 {
		t.Error("the run is void")
	}
	for what, v := range map[string]ledger.Verdict{"topic": topics, "queue": queues} {
		if v.Lost > 0 || v.Ghosts > 0 || v.Doubled > form(int(l.inFlight), v.Acked/20) {
			t.Errorf("%s: %v", what, v)
		}
	}
	if topics.Reordered > 0 || topics.Doubled > 0 { // they have no group
		t.Errorf("topic: %v", topics)
	}
	for _, outage := range l.outages {
		if most := form(20*time.Second, 6*time.Second); outage > most {
			t.Errorf("acknowledged again after %v, want at most %v", outage, most)
		}
	}
}
