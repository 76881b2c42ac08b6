package handler

import (
	"context"

	"github.com/headrace/headrace/message"
)

// OnSubscribe makes f answer the subscriptions to a pattern: what f returns goes
// to the subscriber alone, through Config.Outbound, on the subscription that
// asked and with its destination, and the broker does not learn of the
// subscription. With [Live] it does, and what f returns is the beginning of a
// stream. With [SendTo], [SendToUser] or [SendToSession] it goes through the
// broker, to whoever subscribed there. Everything else is as for [Handle]; a
// subscription has no payload, so In is struct{}, or a Request[struct{}].
//
//	handler.OnSubscribe(node.Router, "/positions", positions) // SUBSCRIBE to /app/positions
//
// It panics when the reply is to be direct and the router has no Outbound.
func OnSubscribe[In, Out any](r *Router, pattern string, f func(ctx context.Context, in In) (Out, error), opts ...SubscribeOption) {
	rt := r.newRoute(message.KindSubscribe, pattern, (*In)(nil), (*Out)(nil), f != nil)
	o := collect(opts)
	mustWire(len(o.replies) > 0 || r.config.Outbound != nil, "the subscription at "+rt.Source+" needs a SendTo, or a router with an Outbound")
	mustWire(len(o.replies) == 0 || o.live == nil, "the subscription at "+rt.Source+" is to begin a stream and to be answered elsewhere")
	rt.plan = r.newPlan(o, toSubscriber, rt.names, rt.Source)
	endpoint := answering(rt, f)
	if o.live != nil {
		rt.plan.stream = rt.follower(o.live)
		endpoint = rt.plan.stream.around(endpoint)
	}
	rt.wire(o, endpoint)
}
