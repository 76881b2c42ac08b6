package watermilladapter

import (
	"context"
	"maps"
	"slices"

	wmessage "github.com/ThreeDotsLabs/watermill/message"

	"github.com/headrace/headrace/message"
)

var (
	errNoContext = message.Errorf(message.CodeInternal, "a middleware lost the context of its message")
	errNacked    = message.Errorf(message.CodeInternal, "a middleware refused the message")
	errProduced  = message.Errorf(message.CodeInternal, "a middleware produced messages, which nobody publishes")
)

// Middleware is a middleware of a Watermill router as an interceptor:
//
//	retry := middleware.Retry{MaxRetries: 3}
//	orders.Subscribe(handler, watermilladapter.Middleware(retry.Middleware))
//
// It wraps once, when the interceptor is mounted. What it does to metadata, UUID,
// payload and context reaches what is behind it; header fields that it leaves alone
// stay as they are, also where they repeat. Its error is the outcome. An
// acknowledgement by it is told as [message.Handled], a refusal is an error.
//
// A handler of headrace produces no messages: it sends them. So the middleware sees
// none, and an error with [message.CodeInternal] is the outcome when it returns
// some of its own. The same happens when it hands on a message whose context is not
// made of the one that it got, as [wmessage.Message.Copy] does.
//
// On a channel that queues, mount it around a subscriber: on the send side it sees
// how queueing went, and its context ends before the message is handled.
func Middleware(m wmessage.HandlerMiddleware) message.RawInterceptor {
	if m == nil {
		panic("watermilladapter: Middleware needs one")
	}
	return func(next message.RawHandler) message.RawHandler {
		h := m(func(w *wmessage.Message) ([]*wmessage.Message, error) {
			return nil, resume(w, next)
		})
		return message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
			w := fromRaw(m)
			w.SetContext(context.WithValue(ctx, originalKey{}, original{m, w.UUID}))
			produced, err := h(w)
			switch {
			case err != nil:
				return err
			case len(produced) > 0:
				return errProduced
			case isClosed(w.Nacked()):
				return errNacked
			}
			return nil
		})
	}
}

// original is what a middleware was given. The context carries it past.
type original struct {
	message message.Raw
	uuid    string
}

type originalKey struct{}

// resume goes on with a message that comes out of a middleware.
func resume(w *wmessage.Message, next message.RawHandler) error {
	ctx := w.Context()
	o, ok := ctx.Value(originalKey{}).(original)
	if !ok {
		return errNoContext
	}
	m := o.message
	m.Payload = w.Payload
	m.Header = changed(m.Header, w.Metadata)
	if w.UUID != o.uuid {
		m.Header = m.Header.With(message.HeaderMessageID, w.UUID)
	}
	if isClosed(w.Acked()) {
		m.Done.Reached(message.Handled)
	}
	return next.Handle(ctx, m)
}

// changed is h with what metadata has changed in it.
func changed(h message.Header, metadata wmessage.Metadata) message.Header {
	var gone []string
	for name := range h.All() {
		if _, ok := metadata[name]; !ok && name != message.HeaderMessageID {
			gone = append(gone, name)
		}
	}
	h = h.Without(gone...)
	for _, name := range slices.Sorted(maps.Keys(metadata)) {
		if value, ok := h.Lookup(name); !ok || value != metadata[name] {
			h = h.With(name, metadata[name])
		}
	}
	return h
}
