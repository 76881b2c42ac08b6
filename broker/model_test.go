package broker_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
)

// modelRules have small bounds, so that all of them are met.
func modelRules() []broker.Rule {
	acks := broker.Acks{
		Prefetch: 2, Deadline: 5 * time.Second, MaxDeliveries: 2, Backoff: time.Second, MaxBackoff: 1500 * time.Millisecond,
		DeadLetter: "/queue/dead",
	}
	often := acks
	often.MaxDeliveries = 4
	backlog := broker.Backlog{Messages: 5}
	return []broker.Rule{
		{Prefix: "/queue/handled", Mode: broker.Queue, Acks: often, Backlog: backlog, Receipts: message.Handled},
		{Prefix: "/queue/dead", Mode: broker.Queue, Acks: acks, Backlog: broker.Backlog{Messages: 1000}},
		{Prefix: "/queue", Mode: broker.Queue, Acks: acks, Backlog: backlog},
		{Prefix: "/topic", Acks: acks, Backlog: backlog},
	}
}

var modelQueues = []string{"/queue/a", "/queue/handled", "/queue/dead"}

// world is what sessions do to a broker, behind a stage of transactions.
type world struct {
	l       *ledger
	stage   *broker.Transactions
	entry   message.RawHandler // that adapters send to
	subs    []string           // destinations that are subscribed to
	sends   []string           // and sent to
	passed  []passed           // what the stage handed on of the last message
	commits []*commit
	peers   int // that there were
}

func newWorld() *world {
	l := newLedger(modelRules())
	l.broker = broker.NewMemory(outbound, broker.Config{
		Rules:       l.rules,
		DeadLetters: message.HandlerFunc[[]byte](l.bury),
		Logger:      slog.New(slog.DiscardHandler),
	})
	w := &world{l: l, stage: broker.NewTransactions(broker.TransactionsConfig{MaxOpen: modelTxOpen, MaxMessages: modelTxMessages})}
	w.entry = w.stage.Intercept(message.HandlerFunc[[]byte](w.pass))
	return w
}

// drawDestinations chooses what there is to this time: the fewer, the more meets
// there.
func (w *world) drawDestinations(t *rapid.T) {
	some := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"/queue/a", "/queue/handled", "/topic/a", "/topic/b"}), 1, 4, rapid.ID[string])
	w.sends = some.Draw(t, "destinations")
	w.subs = append(w.sends, "/queue/dead", "/topic/*")
}

// do sends a message that the stage hands on at once.
func (w *world) do(m message.Raw) { w.send(m, m) }

// send sends a message as an adapter does, which also ends sessions that were cut,
// and compares what the stage hands on.
func (w *world) send(m message.Raw, pass ...message.Raw) ([]passed, error) {
	w.passed = nil
	err := w.entry.Handle(context.Background(), m)
	m.Done.Release(err)
	got := w.passed
	w.compare(m, got, pass)
	w.reap()
	return got, err
}

// reap ends the sessions that were cut.
func (w *world) reap() {
	for _, p := range slices.Clone(w.l.peers) {
		if p.cut != nil {
			w.disconnect(p)
		}
	}
}

// check looks at the books when nothing moves any more: nothing waits for which
// there is room, all receipts are told, the broker counts what the ledger does.
func (w *world) check(t *rapid.T) {
	synctest.Wait()
	w.l.mu.Lock()
	now := time.Now()
	w.l.expire(now)
	for _, it := range w.l.doomed {
		w.l.fail("the dead letter of %s does not come", it)
	}
	for _, p := range w.l.peers {
		if p.full {
			w.l.fail("%s is not cut, for which too much waits", p.name)
		}
	}
	want := w.l.counters()
	for _, n := range w.l.lines {
		w.l.idle(n, now)
		if left := n.open(); len(n.subs) > 0 || left > 0 {
			want.Queues++
			want.Bytes += int64(left)
		}
	}
	for _, p := range w.l.postings {
		w.l.receipts(p)
	}
	for _, c := range w.commits {
		w.l.committed(c)
	}
	w.transactions()
	wrong := w.l.wrong
	w.l.mu.Unlock()
	got := w.l.broker.Stats()
	if (got.Bytes == 0) == (want.Bytes == 0) {
		got.Bytes = want.Bytes
	}
	if wrong == "" && !reflect.DeepEqual(got, want) {
		wrong = fmt.Sprintf("stats %+v, want %+v", got, want)
	}
	if wrong != "" {
		t.Fatalf("model: %s", wrong)
	}
}

// counters are what the broker has to have counted.
func (l *ledger) counters() broker.MemoryStats {
	want := l.want
	want.Dropped = maps.Clone(l.want.Dropped)
	want.Sessions = len(l.peers)
	for _, p := range l.peers {
		want.Subscriptions += len(p.subs)
	}
	return want
}

// idle finds who could be sent what waits.
func (l *ledger) idle(n *line, now time.Time) {
	for _, it := range n.items {
		if it.state != waiting || it.due.After(now) {
			continue
		}
		for _, s := range n.subs {
			if s.room(now) {
				l.fail("%s waits, and %s has room", it, s)
			}
		}
	}
}

// receipts compares what was told of a message.
func (l *ledger) receipts(p *posting) {
	if len(p.header) > 0 {
		return // nobody asked
	}
	over, well := l.outcome(p)
	if p.held {
		over, well = true, true
	}
	l.compareTold(p.text, p.told, over, well)
}

// outcome says whether a receipt of a message is due, and whether it is a good one.
func (l *ledger) outcome(p *posting) (over, well bool) {
	if p.handled && p.err == nil && l.rule(p.dest).Receipts == message.Handled {
		return !p.items[0].open(), p.items[0].state == settled
	}
	return p.handled, p.err == nil
}

func (l *ledger) compareTold(what string, told []error, over, well bool) {
	switch {
	case len(told) > 1, over != (len(told) == 1):
		l.fail("the receipt of %s was told %q", what, told)
	case over && (told[0] == nil) != well:
		l.fail("the receipt of %s says %v", what, told[0])
	}
}

func (w *world) connect() *peer {
	w.peers++
	p := &peer{l: w.l, name: fmt.Sprint("p", w.peers), way: fine, open: map[string][]inTxn{}}
	p.Session = message.NewSession(p, message.SessionInfo{})
	w.l.peers = append(w.l.peers, p)
	w.do(message.Raw{Kind: message.KindConnect, Session: p.Session})
	return p
}

func (w *world) disconnect(p *peer) {
	w.do(message.Raw{Kind: message.KindDisconnect, Session: p.Session})
}

func subscription(p *peer, id, dest, mode string) message.Raw {
	m := message.Raw{Kind: message.KindSubscribe, Session: p.Session, Subscription: id, Destination: dest}
	if mode != "" {
		m.Header = m.Header.With(message.HeaderAckMode, mode)
	}
	return m
}

// end either drains the queues, or closes the broker with what is there.
func (w *world) end(t *rapid.T) {
	drain := rapid.Bool().Draw(t, "drain")
	if !drain {
		w.l.close()
		w.check(t)
	}
	for len(w.l.peers) > 0 {
		w.disconnect(w.l.peers[0])
		w.check(t)
	}
	if drain {
		p := w.connect()
		time.Sleep(modelRules()[0].Acks.MaxBackoff) // then all that waits comes in order
		for _, dest := range modelQueues {
			w.do(subscription(p, dest, dest, ""))
			w.check(t)
		}
		w.disconnect(p)
		w.l.close()
		w.check(t)
	}
	for _, n := range w.l.lines {
		if n.open() > 0 {
			t.Fatalf("model: %d of %s are not settled", n.open(), n.name)
		}
	}
}

// TestModel: whatever sessions do, in whatever order, and whatever clients and
// interceptors do with deliveries, the broker does what the ledger says.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rapid.SyncTest(t, func(t *rapid.T) {
			w := newWorld()
			w.drawDestinations(t)
			w.connect()
			w.connect()
			for range 10 { // or it is all over after 30 steps
				t.Repeat(map[string]func(*rapid.T){
					"":             w.check,
					"connect":      w.drawConnect,
					"subscribe":    w.drawSubscribe,
					"subscribe 2":  w.drawSubscribe, // weights
					"unsubscribe":  w.drawUnsubscribe,
					"send":         w.drawSend,
					"send 2":       w.drawSend,
					"send 3":       w.drawSend,
					"acknowledge":  w.drawAck,
					"acknowledge2": w.drawAck,
					"acknowledge3": w.drawAck,
					"disconnect":   w.drawDisconnect,
					"race":         w.drawRace,
					"begin":        w.drawBegin,
					"commit":       w.drawCommit,
					"commit 2":     w.drawCommit,
					"abort":        w.drawAbort,
					"way":          w.drawWay,
					"sleep":        w.drawSleep,
				})
			}
			w.end(t)
		})
	})
}

// drawPeer returns one who is connected, or nil.
func (w *world) drawPeer(t *rapid.T) *peer {
	if len(w.l.peers) == 0 {
		return nil
	}
	return rapid.SampledFrom(w.l.peers).Draw(t, "peer")
}

func (w *world) drawConnect(t *rapid.T) {
	if len(w.l.peers) < 4 {
		w.connect()
	}
}

func (w *world) drawSubscription(t *rapid.T, p *peer) message.Raw {
	id := rapid.SampledFrom([]string{"1", "2", "3"}).Draw(t, "id")
	dest := rapid.SampledFrom(w.subs).Draw(t, "destination")
	return subscription(p, id, dest, rapid.SampledFrom([]string{"", "client", "client-individual"}).Draw(t, "mode"))
}

func (w *world) drawSubscribe(t *rapid.T) {
	if p := w.drawPeer(t); p != nil {
		w.do(w.drawSubscription(t, p))
	}
}

func (w *world) drawUnsubscribe(t *rapid.T) {
	if p := w.drawPeer(t); p != nil {
		id := rapid.SampledFrom([]string{"1", "2", "3"}).Draw(t, "id")
		w.do(message.Raw{Kind: message.KindUnsubscribe, Session: p.Session, Subscription: id})
	}
}

func (w *world) drawSend(t *rapid.T) {
	dest := rapid.SampledFrom(w.sends).Draw(t, "destination")
	tx := w.drawTx(t)
	for range rapid.IntRange(1, 3).Draw(t, "messages") {
		p := w.l.post(dest)
		w.sendIn(tx, message.Raw{Destination: dest, Payload: []byte(p.text), Done: w.l.receipt(p)}, p)
	}
}

// drawAck settles something, or tries to settle what is settled already.
func (w *world) drawAck(t *rapid.T) {
	p := w.drawPeer(t)
	if p == nil || len(p.given) == 0 {
		return
	}
	var open []*delivery
	for _, d := range p.given {
		if d.ended == "" {
			open = append(open, d)
		}
	}
	if len(open) == 0 || rapid.IntRange(0, 9).Draw(t, "late") == 9 {
		open = p.given
	}
	tx := w.drawTx(t)
	d := rapid.SampledFrom(open).Draw(t, "delivery")
	m := message.Raw{
		Kind:    rapid.SampledFrom([]message.Kind{message.KindAck, message.KindNack}).Draw(t, "kind"),
		Session: p.Session, Subscription: d.to.id,
		Header: message.Header{}.With(message.HeaderAck, d.ack),
	}
	if rapid.IntRange(0, 2).Draw(t, "by message id") == 2 {
		m.Header = message.Header{}.With(message.HeaderMessageID, d.item.posting.id)
	}
	if tx.peer != p {
		tx = txn{}
	}
	w.sendIn(tx, m, nil)
}

func (w *world) drawDisconnect(t *rapid.T) {
	if p := w.drawPeer(t); p != nil {
		w.disconnect(p)
	}
}

// drawRace lets a SUBSCRIBE meet the end of its session: it is refused or ends with
// it.
func (w *world) drawRace(t *rapid.T) {
	p := w.drawPeer(t)
	if p == nil {
		return
	}
	p.racing = true
	m := w.drawSubscription(t, p)
	m.Subscription = "late"
	var both sync.WaitGroup
	both.Go(func() { w.l.broker.Handle(context.Background(), m) })
	both.Go(func() { w.disconnect(p) })
	both.Wait()
}

// pause is how long it may take until somebody is noticed to be busy no more.
const pause = 320 * time.Millisecond

func (w *world) drawWay(t *rapid.T) {
	p := w.drawPeer(t)
	if p == nil {
		return
	}
	next := rapid.SampledFrom([]way{fine, fine, busy, unreachable, refusing, vetoed}).Draw(t, "way")
	w.l.mu.Lock()
	was := p.way
	p.way = next
	for _, s := range p.subs {
		if until := time.Now().Add(pause); was == busy && until.After(s.rest) {
			s.rest = until
		}
	}
	w.l.mu.Unlock()
	if was == busy {
		time.Sleep(pause)
	}
}

func (w *world) drawSleep(t *rapid.T) {
	ms := rapid.SampledFrom([]int{10, 500, 1000, 1500, 4000, 5000, 20_000}).Draw(t, "ms")
	time.Sleep(time.Duration(ms) * time.Millisecond)
}

// GoString is what rapid shows of a draw.
func (p *peer) GoString() string { return p.name }

// GoString is what rapid shows of a draw.
func (d *delivery) GoString() string { return fmt.Sprintf("%s to %s", d.item, d.to) }
