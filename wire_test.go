package headrace_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/messagetest"
)

// TestHandlingAndPublishing: interceptors of the config see what clients send, once
// in their turn, and what is published, once whoever sent it; each may refuse.
func TestHandlingAndPublishing(t *testing.T) {
	var mu sync.Mutex
	var seen []string
	no := errors.New("no")
	mount := func(where string) message.RawInterceptor {
		return func(next message.RawHandler) message.RawHandler {
			return message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
				mu.Lock()
				seen = append(seen, fmt.Sprint(where, " ", m.Kind, " ", m.Destination))
				mu.Unlock()
				if string(m.Payload) == "not by "+where {
					return no
				}
				return next.Handle(ctx, m)
			})
		}
	}
	node := headrace.New(headrace.Config{
		Handling:   []message.RawInterceptor{mount("handling")},
		Publishing: []message.RawInterceptor{mount("publishing"), mount("behind")},
	})
	defer node.Close()
	handler.Handle(node.Router, "/echo", func(_ context.Context, text string) (string, error) { return text, nil })
	kim := messagetest.Connect(t, node, messagetest.User("kim"))
	id := kim.Subscribe("/topic/a")
	kim.Send("/topic/a", "x")
	kim.Send("/app/echo", "x")
	kim.Send("/user/kim/queue/a", "x")
	must(t, node.Template.Send(t.Context(), "/topic/a", "x"))
	kim.Unsubscribe(id)
	kim.Disconnect()
	want := []string{
		"handling connect ", "handling subscribe /topic/a", "handling data /topic/a", "publishing data /topic/a", "behind data /topic/a",
		"handling data /app/echo", "publishing data /topic/echo", "behind data /topic/echo",
		"handling data /user/kim/queue/a", "publishing data /user/kim/queue/a", "behind data /user/kim/queue/a",
		"publishing data /topic/a", "behind data /topic/a", "handling unsubscribe ", "handling disconnect ",
	}
	mu.Lock()
	if !slices.Equal(seen, want) {
		t.Errorf("seen %q, want %q", seen, want)
	}
	mu.Unlock()
	lee := messagetest.Connect(t, node)
	for _, where := range []string{"handling", "publishing"} {
		if err := lee.TrySend("/topic/a", "not by "+where); err == nil {
			t.Errorf("%s cannot refuse", where)
		}
	}
}
