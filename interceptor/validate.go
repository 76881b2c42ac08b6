package interceptor

import (
	"context"
	"errors"

	"github.com/headrace/headrace/message"
)

// Validate refuses messages whose payload check does not accept. A nil check is the
// payload's own method Validate() error, on T or *T; Validate panics when there is none.
//
// An authored [message.Error] goes to the sender as it is; any other error becomes one
// of CodeInvalid, which says no more, and its cause. Only messages of KindData are
// looked at: others have no payload.
func Validate[T any](check func(ctx context.Context, payload T) error) message.Interceptor[T] {
	if check == nil {
		check = ownCheck[T]()
	}
	return func(next message.Handler[T]) message.Handler[T] {
		return message.HandlerFunc[T](func(ctx context.Context, m message.Message[T]) error {
			if m.Kind == message.KindData {
				if err := check(ctx, m.Payload); err != nil {
					return invalid(err)
				}
			}
			return next.Handle(ctx, m)
		})
	}
}

var errNotValid = message.Errorf(message.CodeInvalid, "the payload is not valid")

func invalid(err error) error {
	if _, ok := errors.AsType[*message.Error](err); ok {
		return err
	}
	return errNotValid.WithCause(err)
}

type validator interface{ Validate() error }

func ownCheck[T any]() func(context.Context, T) error {
	var zero T
	if _, ok := any(zero).(validator); ok {
		return func(_ context.Context, payload T) error { return any(payload).(validator).Validate() }
	}
	if _, ok := any(&zero).(validator); ok {
		return func(_ context.Context, payload T) error { return any(&payload).(validator).Validate() }
	}
	panic("interceptor: Validate needs a function, or a payload with a method Validate() error")
}
