package handler_test

import (
	"context"
	"fmt"
	"strconv"

	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
)

// screen is a client that shows what it is sent.
type screen struct{}

func (screen) Deliver(_ context.Context, m message.Raw) error {
	fmt.Printf("%s: %s\n", m.Subscription, m.Payload)
	return nil
}

func (screen) Close(error) {}

// What is sent while a snapshot is taken comes behind it, unless it is in it.
func ExampleNewer() {
	kim := message.NewSession(screen{}, message.SessionInfo{})
	publish := func(n int) { // as a broker does it
		_ = kim.Deliver(kim.Context(), message.Raw{Destination: "/topic/count", Subscription: "sub-1", Payload: []byte(strconv.Itoa(n))})
	}
	toBroker := message.HandlerFunc[[]byte](func(context.Context, message.Raw) error {
		publish(41)
		publish(42)
		return nil
	})
	toClient := message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error { return m.Session.Deliver(ctx, m) })
	r := handler.NewRouter(toBroker, handler.Config{Outbound: toClient})

	newer := func(snapshot, update int) bool { return update > snapshot }
	handler.OnSubscribe(r, "/count", func(context.Context, struct{}) (int, error) {
		defer publish(43)
		return 42, nil
	}, handler.Live("/topic/count", handler.Newer(newer)))

	_ = r.Handle(kim.Context(), message.Raw{Kind: message.KindSubscribe, Session: kim, Subscription: "sub-1", Destination: "/app/count"})
	publish(44)
	// Output:
	// sub-1: 42
	// sub-1: 43
	// sub-1: 44
}
