package message_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/headrace/headrace/message"
)

type Order struct {
	Symbol   string
	Quantity int
}

func ExampleHandler() {
	price := message.HandlerFunc[Order](func(ctx context.Context, m message.Message[Order]) error {
		fmt.Println(m.Destination, m.Payload.Symbol, m.Payload.Quantity)
		return nil
	})
	err := price.Handle(context.Background(), message.Message[Order]{
		Destination: "/app/orders",
		Payload:     Order{Symbol: "ACME", Quantity: 3},
	})
	fmt.Println(err)
	// Output:
	// /app/orders ACME 3
	// <nil>
}

// An interceptor that does not call next decides the outcome itself. The error
// reaches the sender, and its text was written for him.
func ExampleInterceptor() {
	limit := func(next message.Handler[Order]) message.Handler[Order] {
		return message.HandlerFunc[Order](func(ctx context.Context, m message.Message[Order]) error {
			if m.Payload.Quantity > 100 {
				return message.Errorf(message.CodeDenied, "at most 100 %s", m.Payload.Symbol)
			}
			return next.Handle(ctx, m)
		})
	}
	price := message.HandlerFunc[Order](func(context.Context, message.Message[Order]) error {
		fmt.Println("priced")
		return nil
	})
	guarded := message.Chain(price, limit)
	for _, quantity := range []int{3, 300} {
		err := guarded.Handle(context.Background(), message.Message[Order]{Payload: Order{"ACME", quantity}})
		fmt.Println(err)
	}
	// Output:
	// priced
	// <nil>
	// denied: at most 100 ACME
}

func ExampleHeader() {
	h := message.NewHeader(
		message.Field{Name: message.HeaderContentType, Value: "application/json"},
		message.Field{Name: "priority", Value: "1"},
	)
	urgent := h.With("priority", "9")
	for name, value := range urgent.All() {
		fmt.Println(name, value)
	}
	fmt.Println("before:", h.Get("priority"))
	// Output:
	// content-type application/json
	// priority 9
	// before: 1
}

// Who answers later holds the message's completion until the outcome is known.
func ExampleCompletion() {
	var waiting message.Message[Order]
	delay := message.HandlerFunc[Order](func(_ context.Context, m message.Message[Order]) error {
		m.Done.Hold()
		waiting = m
		return nil // taken over, not handled yet
	})

	done := message.NewCompletion(message.Handled, func(err error) { fmt.Println("receipt, error:", err) })
	done.Release(delay.Handle(context.Background(), message.Message[Order]{Done: done}))
	fmt.Println("Handle returned")
	waiting.Done.Release(nil)
	// Output:
	// Handle returned
	// receipt, error: <nil>
}

func ExamplePublic() {
	denied := message.Errorf(message.CodeDenied, "this account is not yours")
	for _, err := range []error{
		fmt.Errorf("account 7: %w", denied.WithCause(errors.New("acl row 3"))),
		errors.New("dial tcp 10.0.0.3:5432: connection refused"),
	} {
		public := message.Public(err)
		fmt.Println(public.Code, "|", public.Message)
	}
	// Output:
	// denied | this account is not yours
	// internal | internal error
}
