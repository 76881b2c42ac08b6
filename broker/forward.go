package broker

import (
	"context"
	"sync/atomic"

	"github.com/headrace/headrace/message"
)

// headerAgain is on a message that did not find its user where it was sent first. Only
// nodes set it, and it is taken off what they are given to send.
const headerAgain = message.ReservedPrefix + "again"

// forwards is how messages for users get from node to node.
type forwards struct {
	forwarded atomic.Uint64
	broadcast atomic.Uint64
	lost      [lossReasons]atomic.Uint64
	seen      recent
	receiving message.RawHandler // what passes UsersConfig.Receiving
}

// lossReason says why a message for a user of another node was given up.
type lossReason uint8

const (
	lostGone    lossReason = iota // he had left, and nobody was known to have him
	lostMoved                     // he had moved, and left again
	lostFull                      // too many moved at once
	lostEngine                    // he had moved, and his new node could not be told
	lostClosed                    // this node was stopped
	lostRefused                   // an interceptor did
	lossReasons
)

var lossNames = [lossReasons]string{"gone", "moved", "full", "engine", "closed", "refused"}

// route finds whom a name means: subscriptions to dest of this node, whether there are
// sessions of his here, and the topics of the nodes that have others. A session's id is
// nobody's name, wherever the session is.
func (u *Users) route(name, dest string) (targets []subscription, here bool, topics []string) {
	if u.cluster == nil || u.connected(name) != nil {
		targets, here = u.resolve(name, dest)
		return targets, here, nil
	}
	if _, node := u.cluster.session(name); node != "" {
		return nil, false, []string{topicNode + node}
	}
	targets, here = u.resolve(name, dest)
	for _, node := range u.cluster.holders(name) {
		topics = append(topics, topicNode+node)
	}
	return targets, here, topics
}

// forward hands a message to the engine, for each of the topics, behind
// UsersConfig.Sending.
func (u *Users) forward(ctx context.Context, m message.Raw, topics []string) error {
	leave := message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error { return u.leave(ctx, m, topics) })
	return message.Chain(message.RawHandler(leave), u.config.Sending...).Handle(ctx, m)
}

func (u *Users) leave(ctx context.Context, m message.Raw, topics []string) (failed error) {
	e := Envelope{
		ID:          m.Header.Get(message.HeaderMessageID),
		Destination: m.Destination,
		Header:      m.Header.Without(headerAgain),
		Payload:     m.Payload,
	}
	for _, topic := range topics {
		if err := u.cluster.link.publish(ctx, topic, e); err != nil {
			failed = err
			continue
		}
		if topic == topicUsers {
			u.forwards.broadcast.Add(1)
		} else {
			u.forwards.forwarded.Add(1)
		}
	}
	return failed
}

// inbox takes what another node sent to this one.
func (u *Users) inbox(ctx context.Context, e Envelope) error {
	if e.Destination == topicRegistry {
		u.dismiss(e)
		return nil
	}
	switch known, here := u.arrived(ctx, e); {
	case !known || here:
	case e.Header.Get(headerAgain) != "":
		u.forwards.lost[lostMoved].Add(1)
	default:
		u.again(e)
	}
	return nil
}

// unknown takes what another node broadcast, because it did not know who has the user.
// It goes nowhere from here.
func (u *Users) unknown(ctx context.Context, e Envelope) error {
	u.arrived(ctx, e)
	return nil
}

// arrived delivers what came from another node to those who are here. It is told to be
// here as well when it came before.
func (u *Users) arrived(ctx context.Context, e Envelope) (known, here bool) {
	name, dest, err := u.parse(e.Destination)
	if err != nil {
		u.cluster.ignored.Add(1)
		return false, false
	}
	_, here = u.resolve(name, dest)
	switch {
	case !here || !u.forwards.seen.add(e.ID):
		return true, here
	case u.closed.Load():
		u.forwards.lost[lostClosed].Add(1)
		return true, true
	}
	m := message.Raw{Destination: e.Destination, Header: e.Header.Without(headerAgain), Payload: e.Payload}
	if protect(ctx, u.forwards.receiving, &m) != nil {
		u.forwards.lost[lostRefused].Add(1)
	}
	return true, true
}

// receive delivers a message of another node that passed the interceptors.
func (u *Users) receive(ctx context.Context, m message.Raw) error {
	name, dest, err := u.parse(m.Destination)
	if err != nil {
		return err
	}
	targets, _ := u.resolve(name, dest)
	if len(targets) == 0 {
		u.unresolved.Add(1)
	}
	u.deliver(ctx, m, dest, targets)
	return nil
}

// again sends a message on to where its user is by now.
func (u *Users) again(e Envelope) {
	name, _, _ := u.parse(e.Destination) // it was parsed before
	_, _, topics := u.route(name, "")
	switch {
	case u.closed.Load():
		u.forwards.lost[lostClosed].Add(1)
		return
	case len(topics) == 0:
		u.forwards.lost[lostGone].Add(1)
		return
	}
	e.Header = e.Header.With(headerAgain, "1")
	for _, topic := range topics {
		if !u.cluster.send(errand{topic: topic, envelope: e, lost: &u.forwards.lost[lostEngine]}) {
			u.forwards.lost[lostFull].Add(1)
		}
	}
}
