package watermilladapter_test

import (
	"context"
	"fmt"

	wmessage "github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"

	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/watermilladapter"
)

func ExampleFrom() {
	ctx := context.Background()
	engine := gochannel.NewGoChannel(gochannel.Config{BlockPublishUntilSubscriberAck: true}, nil)
	defer engine.Close()

	orders := channel.NewExecutorChannel(channel.Config[[]byte]{Name: "orders"})
	channel.SubscribeFunc(orders, func(_ context.Context, m message.Raw) error {
		fmt.Printf("%s: %s\n", m.Destination, m.Payload)
		return nil
	})
	source, err := watermilladapter.From(ctx, engine, "orders", orders, watermilladapter.FromConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	// Publish returns when the message is acknowledged: after it was handled.
	if err := engine.Publish("orders", wmessage.NewMessage("1", []byte("100 ACME"))); err != nil {
		fmt.Println(err)
	}
	// Downstream goes last: what is under way needs it.
	if err := source.Shutdown(ctx); err != nil {
		fmt.Println(err)
	}
	if err := orders.Shutdown(ctx); err != nil {
		fmt.Println(err)
	}
	// Output:
	// orders: 100 ACME
}

func ExampleTo() {
	ctx := context.Background()
	engine := gochannel.NewGoChannel(gochannel.Config{OutputChannelBuffer: 1}, nil)
	defer engine.Close()
	published, err := engine.Subscribe(ctx, "orders")
	if err != nil {
		fmt.Println(err)
		return
	}

	var orders channel.DirectChannel[[]byte]
	orders.Subscribe(watermilladapter.To(engine, func(message.Raw) string { return "orders" }))
	err = orders.Handle(ctx, message.Raw{
		Destination: "/app/orders",
		Header:      message.NewHeader(message.Field{Name: "symbol", Value: "ACME"}),
		Payload:     []byte("100"),
	})
	if err != nil {
		fmt.Println(err)
	}

	m := <-published
	m.Ack()
	fmt.Println(string(m.Payload), m.Metadata.Get("symbol"))
	// Output:
	// 100 ACME
}
