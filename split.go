package headrace

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"

	"github.com/headrace/headrace/message"
)

// split sends each message to the part of the node that claims it.
type split struct {
	config     Config
	node       *Node
	unroutable atomic.Uint64
}

// inbound takes a client's message on the session's turn.
func (s *split) inbound(ctx context.Context, m message.Raw) error {
	n := s.node
	switch m.Kind {
	case message.KindConnect:
		// The broker answers, so it comes last: when the client learns that it
		// is connected, it is known to all.
		if err := n.Users.Handle(ctx, m); err != nil {
			return err
		}
		return n.Broker.Handle(ctx, m)
	case message.KindDisconnect, message.KindUnsubscribe:
		return errors.Join(n.Users.Handle(ctx, m), n.Broker.Handle(ctx, m))
	case message.KindData, message.KindSubscribe:
		if below(m.Destination, s.config.AppPrefix) {
			return n.Router.Handle(ctx, m)
		}
		return s.publish(ctx, m)
	}
	return n.Broker.Handle(ctx, m)
}

// publish takes a message for the broker or a user.
func (s *split) publish(ctx context.Context, m message.Raw) error {
	if below(m.Destination, s.config.UserPrefix) {
		return s.node.Users.Handle(ctx, m)
	}
	for _, prefix := range s.config.BrokerPrefixes {
		if below(m.Destination, prefix) {
			return s.node.Broker.Handle(ctx, m)
		}
	}
	s.unroutable.Add(1)
	return message.Errorf(message.CodeNotFound, "no handler for %s; known prefixes: %s", m.Destination, s.prefixes())
}

func (s *split) prefixes() string {
	all := append([]string{s.config.AppPrefix}, s.config.BrokerPrefixes...)
	return strings.Join(append(all, s.config.UserPrefix), ", ")
}
