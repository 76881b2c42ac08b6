package channel_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/message"
)

type Order struct {
	Symbol   string
	Quantity int
}

func ExampleDirectChannel() {
	var orders channel.DirectChannel[Order]
	channel.SubscribeFunc(&orders, func(_ context.Context, m message.Message[Order]) error {
		fmt.Println("price", m.Payload.Symbol)
		return nil
	})
	unsubscribe := channel.SubscribeFunc(&orders, func(_ context.Context, m message.Message[Order]) error {
		fmt.Println("audit", m.Payload.Symbol)
		return nil
	})
	ctx := context.Background()
	fmt.Println(orders.Handle(ctx, message.Message[Order]{Payload: Order{Symbol: "ACME"}}))
	unsubscribe()
	fmt.Println(orders.Handle(ctx, message.Message[Order]{Payload: Order{Symbol: "INIT"}}))
	// Output:
	// price ACME
	// audit ACME
	// <nil>
	// price INIT
	// <nil>
}

// Messages to one destination are handled in order, on another goroutine.
func ExampleExecutorChannel() {
	orders := channel.NewExecutorChannel(channel.Config[Order]{Name: "orders"})
	channel.SubscribeFunc(orders, func(_ context.Context, m message.Message[Order]) error {
		fmt.Println(m.Payload.Symbol, m.Payload.Quantity)
		return nil
	})
	ctx := context.Background()
	for i := range 3 {
		orders.Handle(ctx, message.Message[Order]{Destination: "/orders", Payload: Order{"ACME", i}})
	}
	fmt.Println(orders.Shutdown(ctx)) // what was accepted is handled first
	fmt.Println(orders.Handle(ctx, message.Message[Order]{}))
	// Output:
	// ACME 0
	// ACME 1
	// ACME 2
	// <nil>
	// unavailable: channel is closed
}

func ExampleQueueChannel() {
	orders := channel.NewQueueChannel[Order](channel.QueueConfig{Capacity: 100})
	ctx := context.Background()
	for i := range 2 {
		orders.Handle(ctx, message.Message[Order]{Payload: Order{"ACME", i}})
	}
	received := make(chan struct{})
	go func() {
		defer close(received)
		for {
			m, err := orders.Receive(ctx)
			if errors.Is(err, channel.ErrClosed) {
				return
			}
			fmt.Println(m.Payload.Symbol, m.Payload.Quantity)
			m.Done.Release(nil) // this receiver is done with it
		}
	}()
	orders.Shutdown(ctx) // takes no more, and waits until all was received
	<-received
	// Output:
	// ACME 0
	// ACME 1
}

// The answer may come from any number of channels and stages later.
func ExampleRequest() {
	orders := channel.NewExecutorChannel(channel.Config[Order]{})
	defer orders.Close()
	invoices := new(channel.DirectChannel[string])
	invoices.Subscribe(channel.Reply[string]())
	channel.SubscribeFunc(orders, func(ctx context.Context, m message.Message[Order]) error {
		if m.Payload.Quantity == 0 {
			return message.Errorf(message.CodeInvalid, "an order of nothing")
		}
		return invoices.Handle(ctx, message.WithPayload(m, fmt.Sprintf("%d x %s", m.Payload.Quantity, m.Payload.Symbol)))
	})
	for _, quantity := range []int{3, 0} {
		invoice, err := channel.Request[string](context.Background(), orders, message.Message[Order]{Payload: Order{"ACME", quantity}})
		fmt.Printf("%q %v\n", invoice.Payload, err)
	}
	// Output:
	// "3 x ACME" <nil>
	// "" invalid: an order of nothing
}
