package broker

import (
	"context"
	"iter"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/destination"
)

// mesh makes one broker of a [Memory] and those of other nodes. A broker that is alone
// has none: its methods do nothing then.
type mesh struct {
	broker  *Memory
	link    *link
	shares  shares
	arrival message.RawHandler // what other nodes sent, behind Config.Receiving
	leaving message.RawHandler // what other nodes are sent, behind Config.Sending
	arrived atomic.Uint64
	quit    chan struct{} // closed with the broker
	work    sync.WaitGroup

	// What the node asks of the engine by itself, and not for a client, is in this; it ends
	// with impatient.
	patience  context.Context
	impatient context.CancelFunc

	mu        sync.Mutex
	available bool // as the engine says
	told      bool // as the events say
	telling   bool
	news      helper
	unwatch   func()
	markers   map[string]chan struct{} // that are under way, see catchUp

	unreturned int // messages that the engine did not take back, when the broker was closed
	refusal    error
}

// newMesh joins the other nodes. What the engine does not give it now it asks for until
// it does.
func newMesh(b *Memory) *mesh {
	m := &mesh{broker: b, link: newLink(b.config.Backplane, b.config.NodeID, b.delivery.log), quit: make(chan struct{})}
	m.check()
	m.patience, m.impatient = context.WithCancel(context.Background())
	m.link.echo, m.markers = m.returned, make(map[string]chan struct{})
	m.shares = shares{link: m.link, receive: m.receive, before: m.giveBack, over: m.giveUp, byTopic: make(map[string]*share), histories: make(map[*Rule]int)}
	m.arrival = message.Chain(message.RawHandler(message.HandlerFunc[[]byte](m.arrive)), b.config.Receiving...)
	m.leaving = message.Chain(message.RawHandler(message.HandlerFunc[[]byte](m.leave)), b.config.Sending...)
	b.store.orphaned = m.shares.look
	return m
}

// check panics if the rules ask for what nodes cannot do together.
func (m *mesh) check() {
	for _, r := range m.broker.rules.all {
		switch {
		case r.Local:
		case reserved(r.Prefix):
			panic("broker: " + r.Prefix + " is what nodes tell each other on")
		case r.Mode == Queue && !m.link.engine.Features().Queues:
			panic("broker: there can be no queues below " + r.Prefix + ": the engine of the Backplane has no groups")
		case r.Mode == Queue && r.Receipts == message.Handled:
			panic("broker: no node learns what becomes of a message at another, as the Receipts of " + r.Prefix + " would have to tell")
		}
	}
}

// start takes part.
func (m *mesh) start() {
	m.telling = true // here, as without other nodes
	m.unwatch = m.link.engine.Watch(m.changed)
	if w, ok := m.link.engine.(MissWatcher); ok {
		unwatch, forget := m.unwatch, w.WatchMisses(m.missed)
		m.unwatch = func() { forget(); unwatch() }
	}
	m.tell()
	for _, r := range m.broker.rules.all {
		if r.Everywhere && m.hold(m.patience, r.Prefix, r) != nil {
			m.work.Go(func() { m.insist(r) })
		}
	}
}

// insist subscribes to the topic of a rule, however often that fails.
func (m *mesh) insist(r *Rule) {
	retry := time.NewTicker(fusePause)
	defer retry.Stop()
	for err := errAway; err != nil; {
		select {
		case <-m.quit:
			return
		case <-retry.C:
			err = m.hold(m.patience, r.Prefix, r)
		}
	}
}

// limit makes of the features of a broker that is alone those of several nodes.
func (m *mesh) limit(f *Features) {
	engine := m.link.engine.Features()
	f.Nodes = true
	f.Patterns = slices.ContainsFunc(m.broker.rules.all, func(r *Rule) bool { return r.Everywhere && !r.Retain || r.Local })
	f.Ordered = engine.Ordered
	f.Queues = engine.Queues
	f.Backlog = engine.Queues && engine.Backlog
	f.Durable = f.Backlog && engine.Durable
}

// topic returns where nodes tell each other what is sent to a destination.
func (r *Rule) topic(dest string) string {
	switch {
	case !r.Everywhere:
		return dest
	case r.Prefix == "":
		return "/"
	}
	return r.Prefix
}

// reserved reports whether a destination is a topic on which nodes tell each other what
// is no client's business.
func reserved(dest string) bool {
	return dest == "registry" || dest == "users" || strings.HasPrefix(dest, "node.")
}

// allow refuses destinations that are reserved.
func (m *mesh) allow(dest string) error {
	if m != nil && reserved(dest) {
		return errReserved
	}
	return nil
}

var (
	errReserved    error = message.Errorf(message.CodeDenied, "the destination is reserved for what nodes tell each other")
	errNodePattern error = message.Errorf(message.CodeDenied, "patterns are not allowed there: they would not see what is sent at other nodes")
)

// spans reports whether messages of the rule go to other nodes.
func (m *mesh) spans(r *Rule) bool { return m != nil && !r.Local }

// send gives the engine a message as it is delivered.
func (m *mesh) send(ctx context.Context, out *message.Raw, r *Rule) error {
	return m.link.publish(ctx, r.topic(out.Destination), Envelope{Destination: out.Destination, Header: out.Header, Payload: out.Payload})
}

// leave gives the engine a message that passed the interceptors.
func (m *mesh) leave(ctx context.Context, out message.Raw) error {
	return m.send(ctx, &out, m.broker.rules.of(out.Destination))
}

// publish gives a message to the engine, and when that has it, to the subscriptions of
// this node; one to a queue comes back from the engine to one of the nodes. What is
// borrowed is a client's, see owned.
func (m *mesh) publish(ctx context.Context, in message.Raw, r *Rule, borrowed bool) error {
	b := m.broker
	if r.Mode == Queue || r.keeps() {
		if _, err := exact(in.Destination, r, b.config.Separator); err != nil {
			return err
		}
	}
	if r.keeps() { // the other nodes' messages too, from now on
		if err := m.hold(ctx, in.Destination, r); err != nil {
			return err
		}
		defer m.part(in.Destination)
		if err := b.lanes.await(ctx, in.Destination); err != nil { // now: what the engine has is refused no more
			return err
		}
		if b.closed.Load() {
			return errClosed
		}
	}
	in.Header = in.Header.Without(headerTries, headerMarker) // only nodes say that
	out := b.delivery.prepare(in)
	leaving := out
	leaving.Session = in.Session
	if err := m.leaving.Handle(ctx, leaving); err != nil {
		return err
	}
	switch {
	case r.Mode == Queue:
	case r.keeps():
		ctx = detached(ctx)
		// An error is the end of the broker, and of the history: the others have it all the same.
		_ = b.lanes.in(ctx, b, out.Destination, r, func(l *lane) error { return l.follow(ctx, &out) })
	default:
		if ctx.Err() != nil { // the others have it all the same
			ctx = detached(ctx)
		}
		b.fanOut(ctx, out, borrowed)
	}
	in.Done.Reached(message.Stored)
	return nil
}

// join sees to it that what other nodes send to a destination, or to what a pattern
// matches, comes here. Where it returns nil, part is to be called once.
func (m *mesh) join(ctx context.Context, dest string, p destination.Pattern, r *Rule) error {
	if m == nil || p.Exact() {
		return m.hold(ctx, dest, r)
	}
	for o := range m.reached(p, r) {
		if !o.Everywhere {
			return errNodePattern
		}
		if err := m.hold(ctx, o.Prefix, o); err != nil {
			return err
		}
	}
	return nil
}

// reached yields the rules of what a pattern may match and other nodes send.
func (m *mesh) reached(p destination.Pattern, of *Rule) iter.Seq[*Rule] {
	return func(yield func(*Rule) bool) {
		rules := m.broker.rules
		for _, o := range append([]*Rule{of}, rules.all...) {
			if o.Mode != Queue && !o.Local && (o == of || rules.reaches(p, o.Prefix)) && !yield(o) {
				return
			}
		}
	}
}

// hold subscribes to what nodes tell each other of a destination: to the topic of an
// Everywhere rule for ever.
func (m *mesh) hold(ctx context.Context, dest string, r *Rule) error {
	if !m.spans(r) {
		return nil
	}
	return m.shares.hold(ctx, r.topic(dest), r)
}

// part is the end of what join or hold began.
func (m *mesh) part(dest string) {
	if m == nil {
		return
	}
	if r := m.broker.rules.of(dest); !r.Local && !r.Everywhere {
		m.shares.drop(dest)
	}
}

// receive takes what came from the engine.
func (m *mesh) receive(ctx context.Context, topic string, e Envelope) error {
	r := m.broker.rules.of(e.Destination)
	if r.Local || r.topic(e.Destination) != topic {
		m.broker.store.dropped[dropStray].Add(1)
		m.broker.delivery.log().WarnContext(ctx, "a message came from another node on a topic that is not its own",
			"topic", topic, "destination", e.Destination, "node", e.Origin)
		return nil
	}
	if _, ok := e.Header.Lookup(headerMarker); ok {
		return nil // another node's
	}
	m.arrived.Add(1)
	in := message.Raw{Destination: e.Destination, Header: e.Header, Payload: e.Payload}
	if e.Done == nil {
		return m.into(ctx, &in)
	}
	e.Done.Hold()
	in.Done = message.NewCompletion(message.Handled, func(err error) {
		if err == errDead || isDrop(err) { // that was the end of it
			err = nil
		}
		e.Done.Release(err)
	})
	in.Done.Release(m.into(ctx, &in))
	return nil // Done says how it went
}

// into hands over what came from the engine. An error means that it has to come again.
// What an interceptor refuses has not: it would be refused for ever.
func (m *mesh) into(ctx context.Context, in *message.Raw) error {
	err := protect(ctx, m.arrival, in)
	if err == nil || isUnreachable(err) && m.broker.rules.of(in.Destination).Mode == Queue {
		return err
	}
	m.broker.store.dropped[dropVetoed].Add(1)
	if !isDrop(err) {
		m.broker.delivery.log().WarnContext(ctx, "a message from another node is refused", "destination", in.Destination, "error", err)
	}
	return nil
}

// arrive delivers what another node sent, or takes one of a queue over.
func (m *mesh) arrive(ctx context.Context, in message.Raw) error {
	b := m.broker
	r := b.rules.of(in.Destination)
	switch {
	case r.Mode == Queue:
		return m.take(ctx, in, r)
	case r.keeps():
		m.keep(ctx, &in, r)
	default:
		b.fanOut(ctx, message.Raw{Destination: in.Destination, Header: in.Header, Payload: in.Payload}, false)
	}
	return nil
}

// keep delivers what another node sent to a topic with a history. However long that is
// busy, the message waits: there must be no gap, and nobody who could be told of one.
func (m *mesh) keep(ctx context.Context, in *message.Raw, r *Rule) {
	topic := r.topic(in.Destination)
	share := m.shares.retain(topic)
	if share == nil {
		return // nobody here needs it
	}
	defer m.shares.leave(topic, share)
	for err := errBusy; err == errBusy && !isClosed(m.shares.current(topic).ending); {
		err = m.broker.lanes.in(ctx, m.broker, in.Destination, r, func(l *lane) error { return l.publish(ctx, in) })
	}
}

// missed is told that some of a topic did not come here: nobody resumes over that.
func (m *mesh) missed(topic string) {
	lanes := slices.Collect(m.broker.lanes.index.Match(topic))
	if slices.ContainsFunc(m.broker.rules.all, func(r *Rule) bool { return r.Everywhere && r.topic("") == topic }) {
		lanes = m.broker.lanes.list()
	}
	for _, l := range lanes {
		if m.spans(l.rule) && l.rule.topic(l.dest) == topic {
			l.renew()
		}
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// changed is told by the engine that it came or went.
func (m *mesh) changed(available bool) {
	if !m.link.engine.Features().Durable {
		m.broker.lanes.renew() // what was sent while it was away may never come here: nobody resumes over that
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.available = available
	if !m.telling && m.available != m.told {
		m.telling = true
		m.news.do(m.tell)
	}
}

// tell tells that the broker takes messages, or takes none.
func (m *mesh) tell() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for m.available != m.told {
		m.told = m.available
		e := Event{Kind: Unavailable}
		if m.told {
			e.Kind = Available
		}
		m.mu.Unlock()
		m.broker.delivery.tell(context.Background(), e)
		m.mu.Lock()
	}
	m.telling = false
}

// stats returns how many topics the node is subscribed to, and how many messages came.
func (m *mesh) stats() (joined int, arrived uint64) {
	if m == nil {
		return 0, 0
	}
	return m.shares.len(), m.arrived.Load()
}

// close leaves the other nodes, and gives them back what is in queues. The engine has 10 s
// for all of that.
func (m *mesh) close() {
	defer m.impatient()
	defer time.AfterFunc(linkPatience, m.impatient).Stop()
	m.unwatch()
	m.news.close()
	close(m.quit)
	m.work.Wait()
	m.shares.close()
	m.mu.Lock()
	told := m.told
	m.mu.Unlock()
	if told {
		m.broker.delivery.tell(context.Background(), Event{Kind: Unavailable})
	}
}
