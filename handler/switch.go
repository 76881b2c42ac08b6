package handler

import (
	"context"
	"fmt"
	"maps"

	"github.com/headrace/headrace/message"
)

// Switch passes each message to the case of its key, or to otherwise when there
// is none. Without an otherwise (nil) such a message is refused with
// CodeNotFound. The map is copied.
func Switch[T any, K comparable](key func(message.Message[T]) K, cases map[K]message.Handler[T], otherwise message.Handler[T]) message.Handler[T] {
	mustWire(key != nil, "Switch needs a key function")
	cases = maps.Clone(cases)
	for k, h := range cases {
		mustWire(h != nil, fmt.Sprintf("Switch has a nil handler for key %v", k))
	}
	return message.HandlerFunc[T](func(ctx context.Context, m message.Message[T]) error {
		k := key(m)
		if h, ok := cases[k]; ok {
			return h.Handle(ctx, m)
		}
		if otherwise == nil {
			return message.Errorf(message.CodeNotFound, "nobody handles %.80q", fmt.Sprint(k))
		}
		return otherwise.Handle(ctx, m)
	})
}
