package headrace

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/destination"
)

// split sends each message to the part of the node that claims it.
type split struct {
	config     Config
	entry      message.RawHandler // of a client's messages, on the session's turn
	exit       message.RawHandler // the same of a session's last, without Config.Handling
	events     message.Handler[broker.Event]
	broker     message.RawHandler // Node.Broker behind Config.Publishing
	users      message.RawHandler // Node.Users behind the same
	own        *presence          // of Node.Broker
	relays     []relayed
	transacted transacted
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
		if err := s.connect(ctx, m, s.relays); err != nil {
			return errors.Join(err, n.Users.Handle(ctx, message.Raw{Kind: message.KindDisconnect, Session: m.Session}))
		}
		return nil
	case message.KindDisconnect:
		return s.disconnect(ctx, m)
	case message.KindUnsubscribe:
		err := errors.Join(n.Users.Handle(ctx, m), n.Broker.Handle(ctx, m), s.toRelays(ctx, m))
		if m.Session != nil {
			if sub, ok := n.Users.Subscription(m.Session.ID(), m.Subscription); ok && s.relayOf(sub.Destination) == nil { // one that the Router answered
				s.tell(ctx, broker.Unsubscribed, m, sub.Destination)
			}
		}
		return err
	case message.KindData, message.KindSubscribe:
		if !s.below(m.Destination, s.config.AppPrefix) {
			return s.publish(ctx, m)
		}
		if m.Kind == message.KindData {
			return n.Router.Handle(ctx, m)
		}
		s.tell(ctx, broker.Subscribe, m, m.Destination)
		err := n.Router.Handle(ctx, m)
		if err == nil {
			s.tell(ctx, broker.Subscribed, m, m.Destination)
		}
		return err
	}
	return s.settle(ctx, m)
}

// tell hands over an event of a subscription that is no broker's.
func (s *split) tell(ctx context.Context, k broker.EventKind, m message.Raw, dest string) {
	e := broker.Event{Kind: k, Session: m.Session, Destination: dest, Subscription: m.Subscription}
	broker.Tell(ctx, s.events, s.config.logger(), e)
}

// observe takes the events of all but the relays.
func (s *split) observe(ctx context.Context, m message.Message[broker.Event]) error {
	s.own.note(m.Payload.Kind)
	return s.told(ctx, m)
}

// told tells events: Users learns of them whatever is mounted on Events, and before those
// who subscribed there.
func (s *split) told(ctx context.Context, m message.Message[broker.Event]) error {
	if m.Session != nil { // those of the broker may come while the node is made
		_ = s.node.Users.Observe(ctx, m) // it never fails
	}
	return s.node.Events.Handle(ctx, m)
}

// receipts asks for no more than the config does. It runs on the sender's
// goroutine, before the channel.
func (s *split) receipts(next message.RawHandler) message.RawHandler {
	return message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
		if m.Kind == message.KindData && m.Done != nil {
			m.Done.Suffice(s.level(m.Destination))
		}
		return next.Handle(ctx, m)
	})
}

// level returns how far a message to dest must get.
func (s *split) level(dest string) message.Level {
	if s.below(dest, s.config.AppPrefix) {
		return cmp.Or(s.config.Receipts, message.Handled)
	}
	return s.node.Broker.Receipts(dest)
}

// farewell sees to it that a session is forgotten when its last message is over,
// whatever interceptors, or a channel that is closed, made of it: one that turns a
// session away, or keeps a message to itself, means what it asks for, not its end.
func (s *split) farewell(next message.RawHandler) message.RawHandler {
	return message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) (err error) {
		if m.Kind != message.KindDisconnect || m.Session == nil {
			return next.Handle(ctx, m)
		}
		told, last := m.Done, m
		told.Hold()
		m.Done = message.NewCompletion(message.Handled, func(failed error) {
			if _, known := s.node.Users.Session(m.Session.ID()); known {
				last.Done = nil
				_ = s.exit.Handle(ctx, last) // what failed is told already
			}
			if told.Release(failed); told == nil {
				s.logFailure(m.Done.Context(ctx), failed)
			}
		})
		defer m.Done.Release(nil) // what next returns is told by returning it
		defer message.Recover(&err)
		return next.Handle(ctx, m)
	})
}

// logFailure logs the failure of a session's last message, of which nobody is told. A
// channel that was closed meanwhile is none.
func (s *split) logFailure(ctx context.Context, err error) {
	if err == nil || errors.Is(err, message.ErrDropped) || errors.Is(err, channel.ErrClosed) {
		return
	}
	attrs := []slog.Attr{slog.String("kind", message.KindDisconnect.String()), slog.Any("error", err)}
	if p, ok := errors.AsType[*message.PanicError](err); ok {
		attrs = append(attrs, slog.String("stack", string(p.Stack)))
	}
	s.config.logger().LogAttrs(ctx, slog.LevelError, "message failed", attrs...)
}

// publish takes a message, or a subscription, for the broker or a user.
func (s *split) publish(ctx context.Context, m message.Raw) error {
	broker, users := s.broker, s.users
	if m.Kind != message.KindData { // nothing is published
		broker, users = s.node.Broker, s.node.Users
	}
	if r := s.relayOf(m.Destination); r != nil {
		if m.Kind != message.KindData {
			return r.broker.Handle(ctx, m)
		}
		return r.publish.Handle(ctx, m)
	}
	if s.below(m.Destination, s.config.UserPrefix) {
		return users.Handle(ctx, m)
	}
	for _, prefix := range s.config.BrokerPrefixes {
		if s.below(m.Destination, prefix) {
			return broker.Handle(ctx, m)
		}
	}
	s.unroutable.Add(1)
	return message.Errorf(message.CodeNotFound, "no handler for %.200s; known prefixes: %s", m.Destination, s.prefixes())
}

// prefixes names all that clients can reach.
func (s *split) prefixes() string {
	all := append([]string{s.config.AppPrefix}, s.config.BrokerPrefixes...)
	for _, r := range s.relays {
		all = append(all, r.prefixes...)
	}
	if !slices.Contains(all, s.config.UserPrefix) { // as where a relay has it
		all = append(all, s.config.UserPrefix)
	}
	return strings.Join(all, ", ")
}

func (s *split) below(dest, prefix string) bool { return below(dest, prefix, s.config.Separator) }

// below reports whether a destination is the prefix or continues it with a new
// segment: "/topics" is not below "/topic".
func below(dest, prefix string, by destination.Separator) bool {
	rest, ok := strings.CutPrefix(dest, prefix)
	return ok && (rest == "" || rest[0] == '/' || rest[0] == '.' && by == destination.Dot)
}
