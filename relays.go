package headrace

import (
	"context"
	"errors"
	"slices"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
)

// Relay gives destinations to another broker, such as RabbitMQ by stompadapter/relay.
//
// A client is connected, and told so once, when all brokers let it in; where one does
// not, it is refused. What a transaction sends to a relay is a transaction there, as is
// what it sends to each other one and to the embedded broker; COMMIT ends that of the
// embedded broker first, which decides about the others. So what goes to one broker takes
// effect as a whole; over several a broker that fails at the COMMIT leaves out its part,
// and the client is told. A message that its relay refuses ends the transaction everywhere.
// Acknowledgements take effect at the COMMIT, one by one.
type Relay struct {
	// Prefixes begin the destinations of the broker. That of Config.UserPrefix takes
	// the destinations of users from Node.Users, which goes on to know who is there.
	// There is no default: empty makes no sense.
	Prefixes []string
	// New makes the broker. It delivers to outbound and tells what becomes of it to
	// events, that it is available too: before that the node is not ready. The node
	// closes it, after a call of Shutdown(context.Context) error where it has that
	// method, as [broker.Memory] does; Close alone should not take long.
	New func(outbound message.RawHandler, events message.Handler[broker.Event]) broker.Broker
	// Sending is put before what is published at the broker, behind Config.Publishing. The
	// first is the outermost. Zero (nil) means none.
	Sending []message.RawInterceptor
}

// relayed is a broker of Config.Relays.
type relayed struct {
	prefixes []string
	broker   broker.Broker
	publish  message.RawHandler // it behind Config.Publishing and Relay.Sending
}

// unclaimed returns the prefixes that no relay has.
func (c Config) unclaimed(prefixes ...string) []string {
	return slices.DeleteFunc(prefixes, func(a string) bool {
		return slices.ContainsFunc(c.Relays, func(r Relay) bool {
			return slices.ContainsFunc(r.Prefixes, func(b string) bool { return below(a, b, c.Separator) || below(b, a, c.Separator) })
		})
	})
}

// replyPrefix is where replies go that have no destination.
func (c Config) replyPrefix() string {
	if len(c.BrokerPrefixes) > 0 {
		return c.BrokerPrefixes[0]
	}
	return c.Relays[0].Prefixes[0] // there are some, for they have claimed all
}

// checkPrefixes refuses prefixes that claim each other's destinations.
func checkPrefixes(c Config) {
	all := append([]string{c.AppPrefix}, c.BrokerPrefixes...)
	for _, r := range c.Relays {
		all = append(all, r.Prefixes...)
	}
	if len(all) == 1 {
		panic("headrace: no broker has a prefix")
	}
	if !slices.ContainsFunc(c.Relays, func(r Relay) bool { return slices.Contains(r.Prefixes, c.UserPrefix) }) {
		all = append(all, c.UserPrefix)
	}
	for i, a := range all {
		for _, b := range slices.Concat(all[:i], all[i+1:]) {
			if below(a, b, c.Separator) {
				panic("headrace: the prefixes " + a + " and " + b + " overlap")
			}
		}
	}
}

// makeRelays makes the brokers of Config.Relays. They may begin to tell at once.
func (n *Node) makeRelays() {
	s := &n.split
	for _, r := range s.config.Relays {
		there := n.life.awaits()
		b := r.New(message.HandlerFunc[[]byte](s.fromRelay), message.HandlerFunc[broker.Event](func(ctx context.Context, m message.Message[broker.Event]) error {
			there.note(m.Payload.Kind)
			return s.toldByRelay(ctx, m)
		}))
		n.Relays = append(n.Relays, b)
		s.relays = append(s.relays, relayed{
			prefixes: r.Prefixes,
			broker:   b,
			publish:  message.Chain(message.Chain(message.RawHandler(b), r.Sending...), s.config.Publishing...),
		})
	}
}

// fromRelay takes what a relay delivers. That it has let a session in is no answer yet.
func (s *split) fromRelay(ctx context.Context, m message.Raw) error {
	if m.Kind == message.KindConnected {
		return nil
	}
	return s.node.Outbound.Handle(ctx, m)
}

// toldByRelay takes a relay's events. Sessions come and go once, with the embedded broker.
func (s *split) toldByRelay(ctx context.Context, m message.Message[broker.Event]) error {
	switch m.Payload.Kind {
	case broker.Connect, broker.Connected, broker.Disconnected:
		return nil
	}
	return s.told(ctx, m)
}

// relayOf returns the relay that claims a destination, or nil.
func (s *split) relayOf(dest string) *relayed {
	for i := range s.relays {
		for _, prefix := range s.relays[i].prefixes {
			if s.below(dest, prefix) {
				return &s.relays[i]
			}
		}
	}
	return nil
}

// connect lets a session into the relays, one after the other, and at last into the
// embedded broker, which answers.
func (s *split) connect(ctx context.Context, m message.Raw, left []relayed) error {
	if len(left) == 0 {
		return s.node.Broker.Handle(ctx, m)
	}
	m.Done.Hold()
	step := m
	step.Done = message.NewCompletion(message.Handled, func(err error) {
		if err == nil {
			err = func() (err error) {
				defer message.Recover(&err)
				return s.connect(ctx, m, left[1:])
			}()
		}
		if err != nil {
			err = errors.Join(err, s.disconnect(ctx, message.Raw{Kind: message.KindDisconnect, Session: m.Session}))
			if m.Done == nil {
				m.Session.Close(message.Public(err))
			}
		}
		m.Done.Release(err)
	})
	step.Done.Release(left[0].broker.Handle(ctx, step))
	return nil
}

// disconnect lets a session go everywhere.
func (s *split) disconnect(ctx context.Context, m message.Raw) error {
	err := errors.Join(s.node.Users.Handle(ctx, m), s.node.Broker.Handle(ctx, m))
	return errors.Join(err, s.toRelays(ctx, m))
}

// toRelays hands m to all relays.
func (s *split) toRelays(ctx context.Context, m message.Raw) (err error) {
	for _, r := range s.relays {
		err = errors.Join(err, r.broker.Handle(ctx, m))
	}
	return err
}

// settle finds the one who has made the delivery that m settles.
func (s *split) settle(ctx context.Context, m message.Raw) error {
	err := s.node.Broker.Handle(ctx, m)
	if errors.Is(err, broker.ErrUnknownAck) {
		err = s.node.Users.Handle(ctx, m)
	}
	for i := 0; i < len(s.relays) && errors.Is(err, broker.ErrUnknownAck); i++ {
		err = s.relays[i].broker.Handle(ctx, m)
	}
	return err
}
