package handler_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/codec"
)

// Order and Invoice are what the examples send.
type (
	Order struct {
		ID     string
		Symbol string
		Shares int
	}
	Invoice struct {
		ID    string
		Total int
	}
)

// printing is a subscriber that shows what arrives.
func printing[T any](_ context.Context, m message.Message[T]) error {
	fmt.Printf("%+v\n", m.Payload)
	return nil
}

func place(ctx context.Context, orders message.Handler[Order], all ...Order) {
	for _, o := range all {
		if err := orders.Handle(ctx, message.Message[Order]{Destination: "/orders", Payload: o}); err != nil {
			fmt.Println(err)
		}
	}
}

func ExampleFilter() {
	var orders, large channel.DirectChannel[Order]
	channel.SubscribeFunc(&large, printing)
	orders.Subscribe(handler.Filter(func(m message.Message[Order]) bool { return m.Payload.Shares >= 100 }, &large))

	place(context.Background(), &orders, Order{"1", "ACME", 5}, Order{"2", "ACME", 500})
	// Output:
	// {ID:2 Symbol:ACME Shares:500}
}

func ExampleTransform() {
	var orders channel.DirectChannel[Order]
	var invoices channel.DirectChannel[Invoice]
	price := func(_ context.Context, o Order) (Invoice, error) {
		if o.Symbol != "ACME" {
			return Invoice{}, message.Errorf(message.CodeInvalid, "no price for %s", o.Symbol)
		}
		return Invoice{o.ID, o.Shares * 7}, nil
	}
	channel.SubscribeFunc(&invoices, printing)
	orders.Subscribe(handler.Transform(price, &invoices))

	place(context.Background(), &orders, Order{"1", "ACME", 5}, Order{"2", "EMCA", 5})
	// Output:
	// {ID:1 Total:35}
	// invalid: no price for EMCA
}

func ExampleSplit() {
	var lines channel.DirectChannel[string]
	var words channel.DirectChannel[string]
	channel.SubscribeFunc(&words, printing)
	lines.Subscribe(handler.Split(func(_ context.Context, line string) ([]string, error) { return strings.Fields(line), nil }, &words))

	lines.Handle(context.Background(), message.Message[string]{Payload: "to the mill"})
	// Output:
	// to
	// the
	// mill
}

func ExampleSwitch() {
	var orders, acme channel.DirectChannel[Order]
	channel.SubscribeFunc(&acme, printing)
	bySymbol := func(m message.Message[Order]) string { return m.Payload.Symbol }
	orders.Subscribe(handler.Switch(bySymbol, map[string]message.Handler[Order]{"ACME": &acme}, nil))

	place(context.Background(), &orders, Order{"1", "ACME", 5}, Order{"2", "EMCA", 5})
	// Output:
	// {ID:1 Symbol:ACME Shares:5}
	// not-found: nobody handles "EMCA"
}

func ExampleDecode() {
	var wire channel.DirectChannel[[]byte]
	var orders channel.DirectChannel[Order]
	channel.SubscribeFunc(&orders, printing)
	wire.Subscribe(handler.Decode(codec.NewSet(codec.JSON{Strict: true}), &orders))

	for _, payload := range []string{`{"ID":"1","Shares":5}`, `{"ID":"1","Shares":"five"}`, `{"Colour":"red"}`} {
		if err := wire.Handle(context.Background(), message.Raw{Payload: []byte(payload)}); err != nil {
			fmt.Println(message.Public(err).Message)
		}
	}
	// Output:
	// {ID:1 Symbol: Shares:5}
	// payload is not valid JSON for type Order: field "Shares": want int, got string
	// payload is not valid JSON for type Order: unknown field "Colour"
}

func ExampleEncode() {
	var invoices channel.DirectChannel[Invoice]
	var wire channel.DirectChannel[[]byte]
	channel.SubscribeFunc(&wire, func(_ context.Context, m message.Raw) error {
		fmt.Printf("%s %s\n", m.Header.Get(message.HeaderContentType), m.Payload)
		return nil
	})
	invoices.Subscribe(handler.Encode[Invoice](nil, "", &wire))

	invoices.Handle(context.Background(), message.Message[Invoice]{Payload: Invoice{"1", 35}})
	// Output:
	// application/json {"ID":"1","Total":35}
}

func ExampleBatch() {
	var orders channel.DirectChannel[Order]
	var archive channel.DirectChannel[[]Order]
	channel.SubscribeFunc(&archive, printing)
	batches := handler.Batch(handler.BatchConfig{Size: 2, Wait: time.Minute}, &archive)
	orders.Subscribe(batches)

	place(context.Background(), &orders, Order{"1", "ACME", 5}, Order{"2", "ACME", 6}, Order{"3", "ACME", 7})
	fmt.Println("shutdown")
	batches.Shutdown(context.Background())
	// Output:
	// [{ID:1 Symbol:ACME Shares:5} {ID:2 Symbol:ACME Shares:6}]
	// shutdown
	// [{ID:3 Symbol:ACME Shares:7}]
}

// The deliveries of an order are invoiced together.
func ExampleAggregate() {
	var deliveries channel.DirectChannel[Order]
	var invoices channel.DirectChannel[Invoice]
	channel.SubscribeFunc(&invoices, printing)
	groups := handler.Aggregate(handler.AggregateConfig[Order]{
		Key:      func(m message.Message[Order]) string { return m.Payload.ID },
		Complete: func(group []message.Message[Order]) bool { return len(group) == 2 },
	}, func(_ context.Context, group []message.Message[Order]) (Invoice, error) {
		sum := Invoice{ID: group[0].Payload.ID}
		for _, m := range group {
			sum.Total += 7 * m.Payload.Shares
		}
		return sum, nil
	}, &invoices)
	defer groups.Close()
	deliveries.Subscribe(groups)

	place(context.Background(), &deliveries, Order{"1", "ACME", 5}, Order{"2", "ACME", 1}, Order{"1", "ACME", 6})
	// Output:
	// {ID:1 Total:77}
}

func ExampleDelay() {
	var orders, later channel.DirectChannel[Order]
	channel.SubscribeFunc(&later, printing)
	delay := handler.Delay(handler.DelayConfig{Wait: time.Hour}, &later)
	orders.Subscribe(delay)

	place(context.Background(), &orders, Order{"1", "ACME", 5})
	fmt.Println("shutdown")
	delay.Shutdown(context.Background())
	// Output:
	// shutdown
	// {ID:1 Symbol:ACME Shares:5}
}

func ExampleBridge() {
	queue := channel.NewQueueChannel[Order](channel.QueueConfig{})
	var orders channel.DirectChannel[Order]
	channel.SubscribeFunc(&orders, printing)

	place(context.Background(), queue, Order{"1", "ACME", 5}, Order{"2", "ACME", 6})
	ended := make(chan error)
	go func() { ended <- handler.Bridge(context.Background(), queue, &orders) }()
	if err := queue.Shutdown(context.Background()); err != nil { // waits until the queue is empty
		fmt.Println(err)
	}
	fmt.Println(errors.Is(<-ended, channel.ErrClosed))
	// Output:
	// {ID:1 Symbol:ACME Shares:5}
	// {ID:2 Symbol:ACME Shares:6}
	// true
}
