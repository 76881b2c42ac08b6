package channel

import (
	"context"

	"github.com/headrace/headrace/internal/detach"
	"github.com/headrace/headrace/message"
)

// later returns the context in which m is handled later. A context that ends
// with nothing but m's session passes unchanged and so costs nothing; anything
// else keeps its values and loses its cancellation.
func later[T any](ctx, life context.Context, m *message.Message[T]) context.Context {
	if done := ctx.Done(); m.Session != nil && done != nil && done == m.Session.Context().Done() {
		return ctx
	}
	return detach.Context(ctx, life)
}
