package relay_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/relay"
)

// The relay delivers to where an embedded broker would, usually Node.Outbound: see
// headrace.Config.Relays.
func ExampleNew() {
	outbound := message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
		return m.Session.Deliver(ctx, m)
	})
	rabbit := relay.New(outbound, relay.Config{
		Address:     "rabbit.example.com:61613",
		VirtualHost: "/shop",
		Dial: func(context.Context, string) (net.Conn, error) { // in this example nobody is there
			return nil, fmt.Errorf("no such host")
		},
		Logger: slog.New(slog.DiscardHandler),
	})
	defer rabbit.Close()

	order := message.Raw{Destination: "/queue/orders", Payload: []byte("two sacks")}
	told := make(chan error, 1) // who completes a message must not wait
	order.Done = message.NewCompletion(message.Stored, func(err error) { told <- message.Public(err) })
	go func() { order.Done.Release(rabbit.Handle(context.Background(), order)) }()
	rabbit.Close() // before the broker is there
	fmt.Println((<-told).(*message.Error).Code)
	// Output: unavailable
}
