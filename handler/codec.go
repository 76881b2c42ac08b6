package handler

import (
	"context"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/codec"
)

// Decode passes on payloads as Go values: it reads each by its content-type
// header with codecs (nil means the built-in ones; see [codec.Decode] for what
// happens without that header). What cannot be read is refused with
// CodeInvalid. Every kind of message is read; put a [Filter] before it where
// some have no payload.
func Decode[T any](codecs *codec.Set, next message.Handler[T]) message.RawHandler {
	mustWire(next != nil, "Decode needs a next handler")
	return message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
		payload, err := codec.Decode[T](codecs, m.Header.Get(message.HeaderContentType), m.Payload)
		if err != nil {
			return err
		}
		return next.Handle(ctx, message.WithPayload(m, payload))
	})
}

// Encode passes on Go values as payloads: it writes each as contentType with
// codecs (nil means the built-in ones) and sets the content-type header. An
// empty contentType leaves it to the value (see [codec.Encode]).
func Encode[T any](codecs *codec.Set, contentType string, next message.RawHandler) message.Handler[T] {
	mustWire(next != nil, "Encode needs a next handler")
	return message.HandlerFunc[T](func(ctx context.Context, m message.Message[T]) error {
		payload, writtenAs, err := codec.Encode(codecs, contentType, m.Payload)
		if err != nil {
			return err
		}
		if m.Header.Get(message.HeaderContentType) != writtenAs {
			m.Header = m.Header.With(message.HeaderContentType, writtenAs)
		}
		return next.Handle(ctx, message.WithPayload(m, payload))
	})
}
