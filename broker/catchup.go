package broker

import (
	"context"
	"crypto/rand"
	"errors"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/destination"
)

// headerMarker is on messages that only come back to their node.
const headerMarker = message.ReservedPrefix + "marker"

// CatchUp returns when what was sent to a destination before the call, at any node, was
// delivered to the subscriptions that this node has to it, if the engine has one order
// for all that is sent to a topic. So whoever reads data that are shared by the nodes, and
// then catches up, will not be sent changes any more that were sent before. It sends the
// engine something and waits until that comes back, 10 s at most; the error is CodeUnavailable
// then. Where there is a history it also waits for what others are delivering, with or
// without a Backplane, as long; the error is CodeFull then. Otherwise it returns at once.
// The destination may be a pattern. What waits for acknowledgements it does not wait for.
func (b *Memory) CatchUp(ctx context.Context, dest string) error {
	p, err := b.parse(dest)
	if err != nil {
		return err
	}
	if b.mesh != nil {
		err = b.mesh.catchUpAll(ctx, dest, p)
	}
	return errors.Join(err, b.lanes.passed(ctx, dest, p))
}

func (m *mesh) catchUpAll(ctx context.Context, dest string, p destination.Pattern) (err error) {
	r := m.broker.rules.of(dest)
	if p.Exact() {
		return m.catchUp(ctx, dest, r)
	}
	for o := range m.reached(p, r) {
		err = errors.Join(err, m.catchUp(ctx, o.Prefix, o))
	}
	return err
}

func (m *mesh) catchUp(ctx context.Context, dest string, r *Rule) error {
	topic := r.topic(dest)
	if !m.spans(r) || r.Mode == Queue {
		return nil
	}
	share := m.shares.retain(topic)
	if share == nil {
		return nil
	}
	defer m.shares.leave(topic, share)
	ctx, cancel := context.WithTimeout(ctx, linkPatience)
	defer cancel()
	id, back := rand.Text(), make(chan struct{})
	m.mu.Lock()
	m.markers[id] = back
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.markers, id)
	}()
	err := m.link.publish(ctx, topic, Envelope{Destination: dest, Header: message.NewHeader(message.Field{Name: headerMarker, Value: id})})
	if err != nil {
		return err
	}
	return await(ctx, back)
}

// returned is told of what this node sent.
func (m *mesh) returned(e Envelope) {
	id, ok := e.Header.Lookup(headerMarker)
	if !ok {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if back := m.markers[id]; back != nil {
		close(back)
		delete(m.markers, id)
	}
}

// passed returns when what is on its way from topics with a history was delivered.
func (ls *lanes) passed(ctx context.Context, dest string, p destination.Pattern) (err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if p.Exact() {
		for l := range ls.index.Match(dest) {
			err = l.passed(ctx)
		}
		return err
	}
	for _, l := range ls.list() {
		if p.Match(l.dest) {
			err = errors.Join(err, l.passed(ctx))
		}
	}
	return err
}

// passed waits for its turn behind what is on its way. A lane that is dead has nothing.
func (l *lane) passed(ctx context.Context) error {
	switch err := l.enter(ctx); {
	case err == errGone:
		return nil
	case err != nil:
		return err
	}
	turn := make(chan struct{})
	l.take(ctx, nil, &join{begun: func(error) { close(turn) }})
	if !inTime(ctx, turn) {
		return errBusy
	}
	return nil
}
