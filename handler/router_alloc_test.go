//go:build !race

package handler_test

import (
	"context"
	"testing"

	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
)

type shout string

func (shout) Validate() error { return nil }

// The promise is 2 allocations for a message with one path variable and a
// []byte payload: the variable, and the input with its call. Where a reply
// option has no variable, the reply costs nothing.
func TestRouterAllocations(t *testing.T) {
	reply := []byte("reply")
	for _, c := range []struct {
		name string
		wire func(r *handler.Router)
		want float64
	}{
		{"payload", func(r *handler.Router) {
			handler.Consume(r, "/trade/{symbol}", func(context.Context, []byte) error { return nil })
		}, 2},
		{"request", func(r *handler.Router) {
			handler.Consume(r, "/trade/{symbol}", func(_ context.Context, req handler.Request[[]byte]) error {
				_ = req.PathValue("symbol")
				return nil
			})
		}, 2},
		{"request that is validated", func(r *handler.Router) {
			handler.Consume(r, "/trade/{symbol}", func(_ context.Context, req handler.Request[shout]) error { return nil })
		}, 3}, // and the text
		{"request and reply", func(r *handler.Router) {
			handler.Handle(r, "/trade/{symbol}", func(_ context.Context, req handler.Request[[]byte]) ([]byte, error) {
				_ = req.PathValue("symbol")
				return reply, nil
			}, handler.SendTo("/topic/a", "/topic/b"))
		}, 2},
		{"reply to the default destination", func(r *handler.Router) {
			handler.Handle(r, "/trade/{symbol}", func(context.Context, []byte) ([]byte, error) { return reply, nil })
		}, 3},
		{"exact pattern", func(r *handler.Router) {
			handler.Consume(r, "/trade/ACME", func(context.Context, []byte) error { return nil })
		}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			discard := message.HandlerFunc[[]byte](func(context.Context, message.Raw) error { return nil })
			r := handler.NewRouter(discard, handler.Config{})
			c.wire(r)
			m := message.Raw{Destination: "/app/trade/ACME", Payload: []byte("payload")}
			ctx := context.Background()
			if got := testing.AllocsPerRun(200, func() { _ = r.Handle(ctx, m) }); got > c.want {
				t.Errorf("%v allocations, want at most %v", got, c.want)
			}
		})
	}
}
