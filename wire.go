package headrace

import (
	"context"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
)

// wire connects the parts of a node.
func (n *Node) wire() {
	n.Inbound.Intercept(n.split.farewell, n.split.receipts) // around all that are mounted later
	n.makeRelays()
	inbound := message.RawHandler(message.HandlerFunc[[]byte](n.split.inbound))
	handling := message.Chain(inbound, n.split.config.Handling...)
	n.split.entry = n.split.transact(n.Transactions.Intercept(handling), handling)
	n.split.exit = n.split.transact(n.Transactions.Intercept(inbound), inbound)
	n.split.broker = message.Chain(message.RawHandler(n.Broker), n.split.config.Publishing...)
	n.split.users = message.Chain(message.RawHandler(n.Users), n.split.config.Publishing...)
	n.Inbound.Subscribe(n.split.entry)
	n.BrokerChannel.Subscribe(message.HandlerFunc[[]byte](n.split.publish))
	end := message.Chain(message.RawHandler(message.HandlerFunc[[]byte](deliver)), n.split.config.Gate...)
	if n.split.config.UnorderedOutbound {
		n.outgoing = channel.NewExecutorChannel(channel.Config[[]byte]{
			Name:      "outbound",
			Workers:   n.split.config.Workers,
			Unordered: true,
			Logger:    n.split.config.Logger,
		})
		n.outgoing.Subscribe(end)
		end = n.outgoing
	}
	n.Outbound.Subscribe(end)
}

// deliver is the end of Outbound.
func deliver(ctx context.Context, m message.Raw) error {
	if m.Session == nil {
		return message.Errorf(message.CodeInvalid, "the message has no session to deliver to")
	}
	return m.Session.Deliver(ctx, m)
}

func (c Config) broker(events message.Handler[broker.Event]) broker.Config {
	return broker.Config{
		Separator:        c.Separator,
		MaxSubscriptions: c.MaxSubscriptions,
		MaxPatternCost:   c.MaxPatternCost,
		MaxDestination:   c.MaxDestination,
		MaxBytes:         c.MaxStored,
		Rules:            c.Rules,
		Backplane:        c.Backplane,
		NodeID:           c.NodeID,
		Sending:          c.Sending,
		Receiving:        c.Receiving,
		Events:           events,
		Logger:           c.Logger,
	}
}

func (c Config) users(events message.Handler[broker.Event], letters message.RawHandler) broker.UsersConfig {
	return broker.UsersConfig{
		Prefix:           c.UserPrefix,
		Separator:        c.Separator,
		NoBroadcast:      c.NoUserBroadcast,
		MaxSubscriptions: c.MaxSubscriptions,
		MaxBytes:         c.MaxStored,
		Rules:            c.Rules,
		DeadLetters:      letters,
		Backplane:        c.Backplane,
		NodeID:           c.NodeID,
		Sending:          c.Sending,
		Receiving:        c.Receiving,
		Events:           events,
		Logger:           c.Logger,
	}
}

func (c Config) router(outbound message.RawHandler, b *broker.Memory) handler.Config {
	return handler.Config{
		CatchUp:     b.CatchUp,
		Prefix:      c.AppPrefix,
		ReplyPrefix: c.replyPrefix(),
		UserPrefix:  c.UserPrefix,
		Separator:   c.Separator,
		Codecs:      c.Codecs,
		Validate:    c.Validate,
		Outbound:    outbound,
		Logger:      c.Logger,
	}
}

func (c Config) template() handler.TemplateConfig {
	return handler.TemplateConfig{
		UserPrefix: c.UserPrefix,
		ReplyTo:    c.AppPrefix + answers,
		Codecs:     c.Codecs,
	}
}
