package channel

import (
	"context"

	"github.com/headrace/headrace/message"
)

// ErrNoReply is what [Request] returns when the message was handled and nobody
// answered.
var ErrNoReply error = message.Errorf(message.CodeNotFound, "no reply")

type requestKey struct{}

// request is what travels in the context of a message that wants an answer.
type request[T any] struct {
	reply chan message.Message[T]
}

// Request sends m to ch and waits for the first message that reaches a [Reply]
// handler in the same context, whatever direct and executor channels and stages
// lie between; a [QueueChannel] ends the context, and with it the way back.
// It returns the error of a stage that failed, [ErrNoReply] when everybody is
// done and nobody answered, and ctx's error when that ends first. It replaces
// m.Done.
//
//	invoice, err := channel.Request[Invoice](ctx, orders, message.Message[Order]{Payload: order})
func Request[Out, In any](ctx context.Context, ch message.Handler[In], m message.Message[In]) (message.Message[Out], error) {
	r := &request[Out]{reply: make(chan message.Message[Out], 1)}
	ended := make(chan error, 1)
	m.Done = message.NewCompletion(message.Handled, func(err error) { ended <- err })
	m.Done.Release(ch.Handle(context.WithValue(ctx, requestKey{}, r), m))
	select {
	case reply := <-r.reply:
		return reply, nil
	case err := <-ended:
		return r.last(err)
	case <-ctx.Done():
		return message.Message[Out]{}, ctx.Err()
	}
}

// last prefers a reply that came before the end.
func (r *request[T]) last(err error) (message.Message[T], error) {
	select {
	case reply := <-r.reply:
		return reply, nil
	default:
	}
	if err == nil {
		err = ErrNoReply
	}
	return message.Message[T]{}, err
}

// Reply returns the handler that answers the [Request] a message belongs to,
// found in its context, without a Done. Only the first answer counts; one that
// comes too late is nobody's and no error. A context that no Request for this
// type made is an error of [message.CodeNotFound].
func Reply[T any]() message.Handler[T] {
	return message.HandlerFunc[T](func(ctx context.Context, m message.Message[T]) error {
		r, ok := ctx.Value(requestKey{}).(*request[T])
		if !ok {
			return message.Errorf(message.CodeNotFound, "nobody waits for this reply")
		}
		m.Done = nil // the question's; the answer is the asker's own
		select {
		case r.reply <- m:
		default:
		}
		return nil
	})
}
