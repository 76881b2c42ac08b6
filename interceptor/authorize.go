package interceptor

import (
	"context"

	"github.com/headrace/headrace/message"
)

// Authorize asks a policy about what clients send and subscribe to. It is mounted where
// they come in, behind what logs them in:
//
//	node.Inbound.Intercept(authenticate, interceptor.Authorize(policy))
//
// A message of KindData needs a rule of [Send], also in a transaction, where it is
// asked about when it comes; one of KindSubscribe needs a rule of [Subscribe]. What a
// client says of its own session, subscriptions, deliveries and transactions passes;
// kinds that no client sends do not. A message without a session is the program's and
// passes.
//
// A refusal is an authored error that names action and destination: of CodeDenied, or
// of CodeUnauthenticated when nobody is logged in, whether a login would help or not.
// Authorize panics when the policy is nil.
func Authorize(policy *Policy) message.RawInterceptor {
	return authorize(policy, inward, func(kind message.Kind) (Action, error) {
		switch kind {
		case message.KindData:
			return Send, nil
		case message.KindSubscribe:
			return Subscribe, nil
		case message.KindConnect, message.KindDisconnect, message.KindUnsubscribe, message.KindAck, message.KindNack,
			message.KindBegin, message.KindCommit, message.KindAbort:
			return 0, nil
		}
		return 0, message.Errorf(message.CodeDenied, "a client does not send messages of kind %s", kind)
	})
}

// AuthorizeDelivery asks a policy about what reaches a session, whatever way it came:
// broadcasts, messages of users, direct replies, what is kept and resumed. It is the
// choke point behind all of them:
//
//	node := headrace.New(headrace.Config{Gate: []message.RawInterceptor{interceptor.AuthorizeDelivery(policy)}})
//
// A delivery needs a rule of [Deliver] or [Subscribe] that allows the session's user
// the destination of the message, not that of the subscription: a user is delivered
// what he may subscribe to, by the rules and the roles of the moment. So the rule by
// which he subscribes to "/user/queue/x", or to "/app/positions" which the program
// answers, is also that of the deliveries, for these have the destination that he
// wrote. To a destination that a client may not subscribe to by itself, such as one to
// which the program subscribes it, opens a rule of Deliver.
//
// That the session is connected, and errors, pass; other kinds do not go to clients.
// The error of a refusal goes to whoever delivers, not to the client. AuthorizeDelivery
// runs on the publisher's goroutine, once for each receiver. It panics when the policy
// is nil.
func AuthorizeDelivery(policy *Policy) message.RawInterceptor {
	return authorize(policy, outward, func(kind message.Kind) (Action, error) {
		switch kind {
		case message.KindData:
			return Deliver, nil
		case message.KindConnected, message.KindError:
			return 0, nil
		}
		return 0, message.Errorf(message.CodeDenied, "a client is not delivered messages of kind %s", kind)
	})
}

// The ways that a policy guards.
const (
	inward = iota
	outward
	bothWays
)

// authorize asks the policy about the action that a message is; 0 is none.
func authorize(policy *Policy, way int, action func(message.Kind) (Action, error)) message.RawInterceptor {
	if policy == nil {
		panic("interceptor: authorization needs a policy")
	}
	return func(next message.RawHandler) message.RawHandler {
		policy.mounted[way].Store(true)
		return message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
			if m.Session != nil {
				what, err := action(m.Kind)
				if err == nil && what != 0 {
					err = policy.check(m.Session, what, m.Destination)
				}
				if err != nil {
					return err
				}
			}
			return next.Handle(ctx, m)
		})
	}
}
