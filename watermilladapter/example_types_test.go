package watermilladapter_test

import (
	"context"
	"errors"
	"fmt"

	wmessage "github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"
	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/watermilladapter"
)

type Order struct {
	Symbol string `json:"symbol"`
	Shares int    `json:"shares"`
}

// A typed channel is one call from the engine, by way of handler.Decode, and one
// from it, by way of handler.Encode.
func ExampleFrom_typed() {
	ctx := context.Background()
	engine := gochannel.NewGoChannel(gochannel.Config{BlockPublishUntilSubscriberAck: true}, nil)
	defer engine.Close()

	var orders channel.DirectChannel[Order]
	channel.SubscribeFunc(&orders, func(_ context.Context, m message.Message[Order]) error {
		fmt.Println(m.Payload.Shares, m.Payload.Symbol)
		return nil
	})
	source, err := watermilladapter.From(ctx, engine, "orders", handler.Decode(nil, &orders), watermilladapter.FromConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer source.Close()

	send := handler.Encode[Order](nil, "application/json", watermilladapter.To(engine, nil))
	if err := send.Handle(ctx, message.Message[Order]{Destination: "orders", Payload: Order{"ACME", 100}}); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 100 ACME
}

// What Watermill's router has as middleware guards a channel of ours.
func ExampleMiddleware() {
	retry := middleware.Retry{MaxRetries: 3}
	var orders channel.DirectChannel[[]byte]
	tries := 0
	channel.SubscribeFunc(&orders, func(_ context.Context, m message.Raw) error {
		if tries++; tries < 3 {
			return errors.New("the exchange is closed")
		}
		fmt.Printf("%s, at try %d\n", m.Payload, tries)
		return nil
	}, watermilladapter.Middleware(middleware.Recoverer), watermilladapter.Middleware(retry.Middleware))

	if err := orders.Handle(context.Background(), message.Raw{Payload: []byte("100 ACME")}); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 100 ACME, at try 3
}

// A router of Watermill runs on channels of ours.
func ExamplePubSub() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	pubsub := watermilladapter.NewPubSub(watermilladapter.PubSubConfig{})
	defer pubsub.Close()

	var invoices channel.DirectChannel[[]byte]
	channel.SubscribeFunc(&invoices, func(_ context.Context, m message.Raw) error {
		fmt.Printf("%s: %s\n", m.Destination, m.Payload)
		cancel()
		return nil
	})
	router, err := wmessage.NewRouter(wmessage.RouterConfig{}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	router.AddHandler("price", "orders", pubsub.Subscriber(), "invoices", watermilladapter.NewPublisher(&invoices),
		func(m *wmessage.Message) ([]*wmessage.Message, error) {
			return wmessage.Messages{wmessage.NewMessage("2", append(m.Payload, " at 7.50"...))}, nil
		})
	if err := pubsub.Publish("orders", wmessage.NewMessage("1", []byte("100 ACME"))); err != nil {
		fmt.Println(err)
	}
	if err := router.Run(ctx); err != nil {
		fmt.Println(err)
	}
	// Output:
	// invoices: 100 ACME at 7.50
}

// Nodes are joined by any pub/sub that several processes reach; this one is within
// the process.
func ExampleNewBackplane() {
	ctx := context.Background()
	engine := gochannel.NewGoChannel(gochannel.Config{BlockPublishUntilSubscriberAck: true}, nil)
	defer engine.Close()
	backplane := watermilladapter.NewBackplane(watermilladapter.BackplaneConfig{
		Publisher:  engine,
		Subscriber: func(topic, group string) (wmessage.Subscriber, error) { return shared{engine}, nil }, // its Close does nothing
	})
	defer backplane.Close()

	unsubscribe, err := backplane.Subscribe(ctx, "/topic/trades", "", func(_ context.Context, e broker.Envelope) error {
		fmt.Printf("%s from %s\n", e.Payload, e.Origin)
		return nil
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer unsubscribe()
	if err := backplane.Publish(ctx, "/topic/trades", broker.Envelope{ID: "1", Origin: "node 1", Destination: "/topic/trades", Payload: []byte("100 ACME")}); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 100 ACME from node 1
}
