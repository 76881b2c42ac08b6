//go:build !race

package handler_test

import (
	"context"
	"testing"

	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
)

// A typed value costs two allocations beside the two of the message, the group and its error handler none.
func TestValueAllocations(t *testing.T) {
	r := handler.NewRouter(message.HandlerFunc[[]byte](func(context.Context, message.Raw) error { return nil }), handler.Config{})
	g := r.Group("/trade")
	naming[error](g, "any")
	handler.Consume(g, "/{id}", func(_ context.Context, req handler.Request[[]byte]) error {
		_, err := handler.Var[int](req, "id")
		return err
	}, handler.Catch(func(context.Context, *tradeError) (string, error) { return "", nil }))
	m := message.Raw{Destination: "/app/trade/77", Payload: []byte("payload")}
	ctx := context.Background()
	if got := testing.AllocsPerRun(200, func() { _ = r.Handle(ctx, m) }); got > 4 {
		t.Errorf("%v allocations, want at most 4", got)
	}
}
