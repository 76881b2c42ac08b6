package soak

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/headrace/headrace/bench/internal/nodes"
	"github.com/headrace/headrace/internal/ledger"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/client"
)

var silent = slog.New(slog.DiscardHandler) // that connections break is what is tested

// TestR04NodeIsKilled kills one of three nodes on JetStream, as kill -9 does, while
// clients at all of them send to a queue and a topic, and consumers have many messages
// that they did not acknowledge. Whoever was at the node is at another one soon; what had
// a receipt comes: from the queue to a consumer, from the topic to all who are at the
// nodes that live.
func TestR04NodeIsKilled(t *testing.T) {
	l := newNodesLoad(t)
	l.publish()
	began := time.Now()
	for victim := 1; ; victim = 3 - victim { // the first is never killed
		l.kill(victim)
		if time.Since(began) >= phase(0, 50*time.Second) {
			break
		}
		l.cluster.start(victim)
		<-time.After(time.Until(began.Add(10 * time.Second * time.Duration(l.kills))))
	}
	l.stop()
	l.judge()
}

const (
	manySenders  = 32
	atLeastInAir = 1000 // messages, or a kill proves nothing
	loadQueue    = "/queue/load"
	loadTopic    = "/topic/load"
)

// nodesLoad is what is sent through nodes of which some are killed.
type nodesLoad struct {
	t        *testing.T
	cluster  *cluster
	visitors []*visitor
	stays    []string // the receivers of the topic, at nodes that are not killed

	queues, topics ledger.Ledger
	held           heldMessages
	ctx            context.Context
	cancel         context.CancelFunc
	sending        sync.WaitGroup

	kills    int
	inFlight int
	moved    int
	slowest  time.Duration
}

func newNodesLoad(t *testing.T) *nodesLoad {
	l := &nodesLoad{t: t, cluster: newCluster(t, 3)}
	for i := range 6 { // consumers, two at each node
		v := l.enter(i)
		v.subscribe(t, loadQueue, client.SubscribeConfig{Ack: client.AckIndividual, Pending: nodes.InFlight}, l.work)
	}
	stays := []int{0, 2}
	if *long {
		stays = stays[:1]
	}
	for _, i := range stays {
		name := fmt.Sprint("who is at node ", i)
		l.stays = append(l.stays, name)
		l.enter(i).subscribe(t, loadTopic, client.SubscribeConfig{}, func(_ context.Context, m message.Raw) error {
			l.topics.Delivered(name, idOf(t, m))
			return nil
		})
	}
	l.ctx, l.cancel = context.WithCancel(t.Context())
	t.Cleanup(l.stop)
	return l
}

func (l *nodesLoad) enter(i int) *visitor {
	l.t.Helper()
	v := l.cluster.visit(fmt.Sprint("user", len(l.visitors)), i%3)
	l.visitors = append(l.visitors, v)
	return v
}

// work is what a consumer does: much later it acknowledges.
func (l *nodesLoad) work(_ context.Context, m message.Raw) error {
	l.queues.Delivered("workers", idOf(l.t, m))
	m.Done.Hold()
	l.held.take(m.Done)
	return nil
}

// publish lets senders at all nodes send until stop.
func (l *nodesLoad) publish() {
	first := len(l.visitors)
	for p := range manySenders {
		if p < 6 { // two clients at each node
			l.enter(p)
		}
		v := l.visitors[first+p%6]
		l.sending.Go(func() {
			for n := 0; l.ctx.Err() == nil; n++ {
				id := ledger.ID{Publisher: p, Number: n}
				l.send(v, loadTopic, &l.topics, id)
				l.send(v, loadQueue, &l.queues, id)
			}
		})
	}
}

func (l *nodesLoad) send(v *visitor, to string, in *ledger.Ledger, id ledger.ID) {
	ctx, cancel := context.WithTimeout(l.t.Context(), 15*time.Second)
	defer cancel()
	in.Published(id, v.SendReceipt(ctx, to, fmt.Sprintf("%d-%d", id.Publisher, id.Number)))
}

func idOf(t *testing.T, m message.Raw) (id ledger.ID) {
	if n, _ := fmt.Sscanf(string(m.Payload), "%d-%d", &id.Publisher, &id.Number); n != 2 {
		t.Errorf("got %q", m.Payload)
	}
	return id
}

// kill ends a node while enough is in flight, and waits until who was there is elsewhere.
func (l *nodesLoad) kill(victim int) {
	l.t.Helper()
	eventually(l.t, "enough is in flight", time.Minute, func() bool { return l.held.count() >= atLeastInAir })
	name := l.cluster.node(victim).name
	var there []*visitor
	for _, v := range l.visitors {
		if v.at.Load() == name {
			there = append(there, v)
		}
	}
	l.inFlight += l.held.count()
	l.kills++
	l.cluster.kill(victim)
	l.moved += len(there)
	for _, v := range there {
		within := size(30*time.Second, 5*time.Second)
		l.slowest = max(l.slowest, eventually(l.t, "who was at the node is at another", within, func() bool { return v.at.Load() != name }))
	}
	before := l.queues.Acked()
	eventually(l.t, "the load goes on", time.Minute, func() bool { return l.queues.Acked() > before+size(300, 3000) })
}

func (l *nodesLoad) stop() {
	l.cancel()
	l.sending.Wait()
	l.held.end()
}

func (l *nodesLoad) judge() {
	t := l.t
	t.Helper()
	eventually(t, "all that had a receipt came from the queue", 2*time.Minute, func() bool { return l.queues.Complete("workers") })
	eventually(t, "all that had a receipt came to who stayed", time.Minute, func() bool { return l.topics.Complete(l.stays...) })
	queues, topics := l.queues.Check("workers"), l.topics.Check(l.stays...)
	t.Logf("queue: %v", queues)
	t.Logf("topic: %v", topics)
	t.Logf("%d kills, %d in flight, %d sessions moved within %v", l.kills, l.inFlight, l.moved, l.slowest)
	if l.inFlight < atLeastInAir || l.moved == 0 {
		t.Fatal("the run is void")
	}
	if queues.Lost > 0 || queues.Ghosts > 0 || queues.Doubled > l.inFlight {
		t.Errorf("queue: %v", queues)
	}
	if topics.Lost > 0 || topics.Ghosts > 0 || topics.Doubled > 0 {
		t.Errorf("topic: %v", topics)
	}
}

// heldMessages are what consumers have not acknowledged: the last that came, until the
// end.
type heldMessages struct {
	mu    sync.Mutex
	all   []*message.Completion
	ended bool
}

func (h *heldMessages) take(done *message.Completion) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, done)
	h.settle()
}

func (h *heldMessages) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ended = true
	h.settle()
}

// settle is called with the lock.
func (h *heldMessages) settle() {
	for len(h.all) > 0 && (h.ended || len(h.all) > atLeastInAir+manySenders) {
		h.all[0].Release(nil)
		h.all = h.all[1:]
	}
}

func (h *heldMessages) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.all)
}
