package broker

import (
	"context"
	"crypto/rand"
	"errors"

	"github.com/headrace/headrace/message"
)

// headerMarker is on messages that only come back to their node.
const headerMarker = message.ReservedPrefix + "marker"

// CatchUp returns when what was sent to a destination before the call, at any node, was
// delivered to the subscriptions that this node has to it, if the engine has one order
// for all that is sent to a topic. So whoever reads data that are shared by the nodes, and
// then catches up, will not be sent changes any more that were sent before. It sends the
// engine something and waits until that comes back, 10 s at most; the error is CodeUnavailable
// then. Without a Backplane it returns at once. The destination may be a pattern.
func (b *Memory) CatchUp(ctx context.Context, dest string) error {
	if b.mesh == nil {
		return nil
	}
	p, err := b.parse(dest)
	if err != nil {
		return err
	}
	r := b.rules.of(dest)
	if p.Exact() {
		return b.mesh.catchUp(ctx, dest, r)
	}
	for o := range b.mesh.reached(p, r) {
		err = errors.Join(err, b.mesh.catchUp(ctx, o.Prefix, o))
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
