package interceptor_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/interceptor"
	"github.com/headrace/headrace/message"
)

type Order struct {
	Symbol   string
	Quantity int
}

// A plain interceptor is mounted as it is; one that takes arguments names the
// payload type once.
func Example() {
	var orders channel.DirectChannel[Order]
	channel.SubscribeFunc(&orders, func(context.Context, message.Message[Order]) error {
		panic("no such symbol")
	}, interceptor.Recover, interceptor.Timeout[Order](time.Second))

	err := orders.Handle(context.Background(), message.Message[Order]{Payload: Order{"ACME", 1}})
	fmt.Println("handler:", err)
	fmt.Println("client: ", message.Public(err))
	// Output:
	// handler: panic: no such symbol
	// client:  internal: internal error
}

func ExampleAround() {
	limit := interceptor.Around(func(ctx context.Context, m message.Message[Order], next message.Handler[Order]) error {
		if m.Payload.Quantity > 1000 {
			return message.Errorf(message.CodeDenied, "at most 1000 pieces")
		}
		return next.Handle(ctx, m)
	})
	var orders channel.DirectChannel[Order]
	orders.Intercept(limit)
	channel.SubscribeFunc(&orders, func(_ context.Context, m message.Message[Order]) error {
		fmt.Println("bought", m.Payload.Quantity, m.Payload.Symbol)
		return nil
	})

	for _, n := range []int{100, 5000} {
		if err := orders.Handle(context.Background(), message.Message[Order]{Payload: Order{"ACME", n}}); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// bought 100 ACME
	// denied: at most 1000 pieces
}

func ExampleLog() {
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == "duration" {
				return slog.Attr{}
			}
			return a
		},
	}))
	var orders channel.DirectChannel[Order]
	channel.SubscribeFunc(&orders, func(_ context.Context, m message.Message[Order]) error {
		if m.Payload.Quantity == 0 {
			return message.Errorf(message.CodeInvalid, "nothing ordered")
		}
		return nil
	}, interceptor.Log[Order](logger))

	for n := range 2 {
		_ = orders.Handle(context.Background(), message.Message[Order]{Destination: "/orders", Payload: Order{"ACME", n}})
	}
	// Output:
	// level=WARN msg="message refused" kind=data destination=/orders error="invalid: nothing ordered"
	// level=DEBUG msg="message handled" kind=data destination=/orders
}

func ExampleTap() {
	var audit, orders channel.DirectChannel[Order]
	orders.Intercept(interceptor.Tap(message.Handler[Order](&audit)))
	channel.SubscribeFunc(&audit, func(_ context.Context, m message.Message[Order]) error {
		fmt.Println("audit:", m.Payload.Symbol)
		return nil
	})
	channel.SubscribeFunc(&orders, func(_ context.Context, m message.Message[Order]) error {
		fmt.Println("order:", m.Payload.Symbol)
		return nil
	})
	if err := orders.Handle(context.Background(), message.Message[Order]{Payload: Order{"ACME", 1}}); err != nil {
		fmt.Println(err)
	}
	// Output:
	// audit: ACME
	// order: ACME
}

func ExampleOrdered() {
	executor := channel.NewExecutor(channel.Config[Order]{Name: "orders"})
	var orders channel.DirectChannel[Order]
	channel.SubscribeFunc(&orders, func(_ context.Context, m message.Message[Order]) error {
		fmt.Println(m.Payload.Symbol, m.Payload.Quantity)
		return nil
	}, interceptor.Ordered(executor, func(m message.Message[Order]) string { return m.Payload.Symbol }))

	for n := range 3 {
		if err := orders.Handle(context.Background(), message.Message[Order]{Payload: Order{"ACME", n}}); err != nil {
			fmt.Println(err)
		}
	}
	if err := executor.Shutdown(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// ACME 0
	// ACME 1
	// ACME 2
}

func ExampleRetry() {
	var orders channel.DirectChannel[Order]
	attempts := 0
	channel.SubscribeFunc(&orders, func(context.Context, message.Message[Order]) error {
		if attempts++; attempts < 3 {
			return errors.New("the exchange does not answer")
		}
		return nil
	}, interceptor.Retry(interceptor.RetryConfig[Order]{
		Backoff: time.Millisecond,
		Poison: func(_ context.Context, m message.Message[Order], err error) error {
			fmt.Println("given up:", m.Payload.Symbol, err)
			return nil
		},
	}), interceptor.Timeout[Order](time.Second)) // of each attempt

	err := orders.Handle(context.Background(), message.Message[Order]{Payload: Order{"ACME", 1}})
	fmt.Println(err, "after", attempts, "attempts")
	// Output:
	// <nil> after 3 attempts
}

func ExampleRateLimit() {
	var inbound channel.DirectChannel[[]byte]
	inbound.Intercept(interceptor.RateLimit(interceptor.RateLimitConfig{
		Session: interceptor.Limits{
			Messages: interceptor.Rate{PerSecond: 1, Burst: 2},
			Bytes:    interceptor.Rate{PerSecond: 64 << 10},
		},
	}))
	channel.SubscribeFunc(&inbound, func(context.Context, message.Raw) error { return nil })

	session := message.NewSession(nullSink{}, message.SessionInfo{})
	for range 3 {
		fmt.Println(inbound.Handle(context.Background(), message.Raw{Destination: "/app/order", Session: session}))
	}
	// Output:
	// <nil>
	// <nil>
	// full: a session may send 1 messages a second
}

// A client that did not get its receipt sends again, with the same key.
func ExampleDeduplicate() {
	var orders channel.DirectChannel[Order]
	channel.SubscribeFunc(&orders, func(_ context.Context, m message.Message[Order]) error {
		fmt.Println("bought", m.Payload.Symbol)
		return nil
	}, interceptor.Deduplicate(interceptor.DeduplicateConfig[Order]{}))

	m := message.Message[Order]{
		Payload: Order{"ACME", 1},
		Header:  message.NewHeader(message.Field{Name: "idempotency-key", Value: "order-1"}),
	}
	fmt.Println(orders.Handle(context.Background(), m))
	fmt.Println(orders.Handle(context.Background(), m))
	// Output:
	// bought ACME
	// <nil>
	// <nil>
}

func ExampleValidate() {
	var orders channel.DirectChannel[Order]
	orders.Intercept(interceptor.Validate(func(_ context.Context, o Order) error {
		if o.Quantity <= 0 {
			return message.Errorf(message.CodeInvalid, "nothing ordered")
		}
		return nil
	}))
	channel.SubscribeFunc(&orders, func(context.Context, message.Message[Order]) error { return nil })

	fmt.Println(orders.Handle(context.Background(), message.Message[Order]{Payload: Order{"ACME", 1}}))
	fmt.Println(orders.Handle(context.Background(), message.Message[Order]{Payload: Order{"ACME", 0}}))
	// Output:
	// <nil>
	// invalid: nothing ordered
}
