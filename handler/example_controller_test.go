package handler_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/codec"
	"github.com/headrace/headrace/message/destination"
)

// A group has what its routes share: here the first segment of their
// destinations, which dots divide.
func ExampleRouter_Group() {
	r := handler.NewRouter(toBroker, handler.Config{Separator: destination.Dot})

	red := r.Group("red", handler.SendTo("/topic/red"))
	handler.Handle(red, "blue.{green}", func(_ context.Context, req handler.Request[string]) (string, error) {
		return req.PathValue("green") + " says " + req.Payload, nil
	})
	handler.Handle(red, "alone", func(_ context.Context, text string) (string, error) { return text, nil },
		handler.SendTo("/topic/alone"))

	fromClient(r, "/app/red.blue.green123", "hi")
	fromClient(r, "/app/red.alone", "hello?")
	// Output:
	// /topic/red <- green123 says hi
	// /topic/alone <- hello?
}

func ExampleConsume() {
	r := handler.NewRouter(toBroker, handler.Config{})

	handler.Consume(r, "/log", func(_ context.Context, m message.Raw) error {
		fmt.Printf("%s: %s\n", m.Session.User().Name(), m.Payload)
		return nil
	})

	fromClient(r, "/app/log", "started")
	// Output:
	// kim: started
}

// Each value of a sequence is a message of its own.
func ExampleStream() {
	r := handler.NewRouter(toBroker, handler.Config{})

	handler.Stream(r, "/countdown", func(_ context.Context, from int) iter.Seq2[int, error] {
		return func(yield func(int, error) bool) {
			for n := from; n > 0 && yield(n, nil); n-- {
			}
		}
	})

	fromClient(r, "/app/countdown", "3")
	// Output:
	// /topic/countdown <- 3
	// /topic/countdown <- 2
	// /topic/countdown <- 1
}

// The endpoint returns at once, and the reply is sent when the work is done.
func ExampleLater() {
	r := handler.NewRouter(toBroker, handler.Config{})
	var open []*handler.Future[string] // what another system is at work on

	handler.Later(r, "/print", func(_ context.Context, text string) *handler.Future[string] {
		printed := handler.NewFuture[string]()
		open = append(open, printed)
		return printed
	})

	fromClient(r, "/app/print", "a poem")
	fmt.Println("the worker is free")
	open[0].Complete("done", nil)
	// Output:
	// the worker is free
	// /topic/print <- done
}

// Who subscribes is answered on his subscription.
func ExampleOnSubscribe() {
	toClient := message.HandlerFunc[[]byte](func(_ context.Context, m message.Raw) error {
		fmt.Printf("%s to %s of %s: %s\n", m.Destination, m.Subscription, m.Session.User().Name(), m.Payload)
		return nil
	})
	r := handler.NewRouter(toBroker, handler.Config{Outbound: toClient})

	handler.OnSubscribe(r, "/positions", func(context.Context, struct{}) ([]string, error) {
		return []string{"5 shares of ACME"}, nil
	})

	s := message.NewSession(nil, message.SessionInfo{Principal: message.User("kim")})
	_ = r.Handle(s.Context(), message.Raw{Kind: message.KindSubscribe, Session: s, Subscription: "sub-1", Destination: "/app/positions"})
	// Output:
	// /app/positions to sub-1 of kim: ["5 shares of ACME"]
}

// With SendTo a subscription is answered through the broker, to everybody who
// subscribed there.
func ExampleOnSubscribe_sendTo() {
	r := handler.NewRouter(toBroker, handler.Config{})

	handler.OnSubscribe(r, "/rooms/{room}", func(_ context.Context, req handler.Request[struct{}]) (string, error) {
		return req.User().Name() + " came in", nil
	}, handler.SendTo("/topic/rooms/{room}"))

	s := message.NewSession(nil, message.SessionInfo{Principal: message.User("kim")})
	_ = r.Handle(s.Context(), message.Raw{Kind: message.KindSubscribe, Session: s, Subscription: "sub-1", Destination: "/app/rooms/blue"})
	// Output:
	// /topic/rooms/blue <- kim came in
}

// Parts of the destination are converted to the type that is asked for.
func ExampleVar() {
	r := handler.NewRouter(toBroker, handler.Config{})

	handler.Handle(r, "/orders/{id}", func(_ context.Context, req handler.Request[struct{}]) (int, error) {
		id, err := handler.Var[int](req, "id")
		return id + 1, err
	})

	fromClient(r, "/app/orders/41", "")
	fromClient(r, "/app/orders/x", "")
	// Output:
	// /topic/orders/41 <- 42
	// refused: path "id": want int, got "x"
}

func ExampleHeaderValue() {
	r := handler.NewRouter(toBroker, handler.Config{})

	handler.Handle(r, "/remind", func(_ context.Context, req handler.Request[string]) (string, error) {
		after, err := handler.HeaderValue[time.Duration](req, "after")
		if err != nil {
			return "", err
		}
		urgent, err := handler.HeaderValue[*bool](req, "urgent") // may be missing
		return fmt.Sprintf("%s in %v, urgent given: %v", req.Payload, after, urgent != nil), err
	})

	h := message.NewHeader(message.Field{Name: "after", Value: "90s"})
	_ = r.Handle(context.Background(), message.Raw{Destination: "/app/remind", Header: h, Payload: []byte("tea")})
	fromClient(r, "/app/remind", "tea")
	// Output:
	// /topic/remind <- tea in 1m30s, urgent given: false
	// refused: header "after" is missing, want Duration
}

// withHeader stands for the way to the broker and prints a header too.
var withHeader = message.HandlerFunc[[]byte](func(_ context.Context, m message.Raw) error {
	fmt.Printf("%s <- %s", m.Destination, m.Payload)
	for name, value := range m.Header.All() {
		fmt.Printf(" %s=%s", name, value)
	}
	fmt.Println()
	return nil
})

// A reply may have a header and a destination of its own.
func ExampleReply() {
	r := handler.NewRouter(withHeader, handler.Config{})

	handler.Handle(r, "/report", func(_ context.Context, name string) (handler.Reply[Result], error) {
		return handler.Reply[Result]{
			Payload:     Result{Position: name},
			Header:      message.NewHeader(message.Field{Name: "version", Value: "2"}),
			Destination: "/topic/reports." + name,
		}, nil
	})

	fromClient(r, "/app/report", "may")
	// Output:
	// /topic/reports.may <- {"position":"may"} version=2 content-type=application/json
}

func ExampleCopyHeaders() {
	r := handler.NewRouter(withHeader, handler.Config{})

	handler.Handle(r, "/echo", func(_ context.Context, text string) (string, error) { return text, nil },
		handler.CopyHeaders(message.HeaderCorrelationID))

	h := message.NewHeader(message.Field{Name: "correlation-id", Value: "7"}, message.Field{Name: "secret", Value: "x"})
	_ = r.Handle(context.Background(), message.Raw{Destination: "/app/echo", Header: h, Payload: []byte("hi")})
	// Output:
	// /topic/echo <- hi correlation-id=7 content-type=text/plain;charset=utf-8
}

// The nearest handler answers: the route's, the group's, the router's.
func ExampleCatch() {
	r := handler.NewRouter(toBroker, handler.Config{})
	refuse := func(context.Context, Trade) error { return &TradeError{"closed today"} }

	handler.Consume(r, "/buy", refuse, handler.Catch(func(_ context.Context, e *TradeError) (string, error) {
		return "cannot buy: " + e.Reason, nil
	}, handler.SendTo("/topic/problems")))
	handler.Consume(r, "/sell", refuse)
	handler.OnError(r, func(_ context.Context, e error) (string, error) { return e.Error(), nil }, handler.SendTo("/topic/problems"))

	fromClient(r, "/app/buy", `{"shares": 5}`)
	fromClient(r, "/app/sell", `{"shares": 5}`)
	// Output:
	// /topic/problems <- cannot buy: closed today
	// /topic/problems <- trade refused: closed today
}

func ExampleOnErrorIs() {
	r := handler.NewRouter(toBroker, handler.Config{})
	errSoldOut := errors.New("sold out")

	handler.Consume(r, "/order/{item}", func(context.Context, string) error { return fmt.Errorf("store: %w", errSoldOut) })
	handler.OnErrorIs(r, errSoldOut, func(ctx context.Context, _ error) (string, error) {
		return "no more " + handler.FailedCall(ctx).PathValue("item"), nil
	}, handler.SendTo("/topic/problems"))

	fromClient(r, "/app/order/tea", "now")
	// Output:
	// /topic/problems <- no more tea
}

// A panic is an error like others. Without a handler for it the client is told of
// an internal error, and nothing more.
func ExampleOnError_panic() {
	r := handler.NewRouter(toBroker, handler.Config{Logger: slog.New(slog.DiscardHandler)}) // which is told of the panic

	handler.Handle(r, "/share/{n}", func(_ context.Context, req handler.Request[struct{}]) (int, error) {
		n, err := handler.Var[int](req, "n")
		return 100 / n, err
	})
	fromClient(r, "/app/share/0", "")

	handler.OnError(r, func(ctx context.Context, e *message.PanicError) (string, error) {
		return "could not share among " + handler.FailedCall(ctx).PathValue("n"), nil
	}, handler.SendTo("/topic/problems"))
	fromClient(r, "/app/share/0", "")
	// Output:
	// refused: internal error
	// /topic/problems <- could not share among 0
}

// Booking checks itself.
type Booking struct {
	Seats int `json:"seats"`
}

func (b Booking) Validate() error {
	if b.Seats < 1 {
		return message.Errorf(message.CodeInvalid, "field seats: want 1 or more")
	}
	return nil
}

func ExamplePayload_validate() {
	r := handler.NewRouter(toBroker, handler.Config{})

	handler.Handle(r, "/book", func(_ context.Context, b Booking) (int, error) { return b.Seats, nil })

	fromClient(r, "/app/book", `{"seats": 2}`)
	fromClient(r, "/app/book", `{"seats": 0}`)
	// Output:
	// /topic/book <- 2
	// refused: field seats: want 1 or more
}

// One function checks all payloads: that of a validation library, for instance,
// which reads the tags of structs.
func ExampleConfig_validate() {
	r := handler.NewRouter(toBroker, handler.Config{Validate: func(payload any) error {
		if t, ok := payload.(*Trade); ok && t.Shares > 100 {
			return message.Errorf(message.CodeInvalid, "field shares: want at most 100")
		}
		return nil
	}})

	handler.Consume(r, "/trade", func(context.Context, Trade) error { return nil })

	fromClient(r, "/app/trade", `{"shares": 500}`)
	// Output:
	// refused: field shares: want at most 100
}

// Codecs may insist on known fields and on a content type.
func ExampleConfig_codecs() {
	r := handler.NewRouter(toBroker, handler.Config{Codecs: codec.NewSet(codec.JSON{Strict: true}).Strict()})

	handler.Consume(r, "/trade", func(context.Context, Trade) error { return nil })

	fromClient(r, "/app/trade", `{"shares": 5}`)
	// Output:
	// refused: payload has no content type, want one for type Trade
}

// What is wrong with an input says so by field and type.
func ExampleInputError() {
	r := handler.NewRouter(toBroker, handler.Config{})

	handler.Consume(r, "/trade", func(context.Context, Trade) error { return nil })
	handler.OnError(r, func(_ context.Context, e *handler.InputError) (string, error) {
		return e.Part + " field " + e.Field + ": want " + e.Want, nil
	}, handler.SendTo("/topic/problems"))

	fromClient(r, "/app/trade", `{"shares": "five"}`)
	// Output:
	// /topic/problems <- payload field shares: want int
}

// All that a template sends may have something in common.
func ExampleTemplateConfig() {
	t := handler.NewTemplate(withHeader, handler.TemplateConfig{
		Destination: "/topic/audit",
		ContentType: "application/json",
		PostProcess: func(_ context.Context, m message.Raw) message.Raw {
			m.Header = m.Header.With("from", "mill-1")
			return m
		},
	})
	ctx := context.Background()

	_ = t.Send(ctx, "", "started", message.Field{Name: "level", Value: "info"})
	_ = t.Publish(ctx, message.Raw{Destination: "/topic/raw", Payload: []byte("as it is")})
	// Output:
	// /topic/audit <- "started" level=info content-type=application/json from=mill-1
	// /topic/raw <- as it is from=mill-1
}

// A question goes out as a message, and the answer of a client comes back in
// through an endpoint.
func ExampleTemplate_Request() {
	var r *handler.Router
	client := message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
		id := message.Field{Name: message.HeaderCorrelationID, Value: m.Header.Get(message.HeaderCorrelationID)}
		return r.Handle(ctx, message.Raw{Destination: m.Header.Get(message.HeaderReplyTo), Header: message.NewHeader(id), Payload: []byte("42")})
	})
	t := handler.NewTemplate(client, handler.TemplateConfig{ReplyTo: "/app/answers"})
	r = handler.NewRouter(toBroker, handler.Config{})
	handler.Consume(r, "/answers", t.Answer)

	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	answer, err := t.Request(ctx, "/user/kim/queue/questions", "how many?")
	fmt.Printf("%s %v\n", answer.Payload, err)
	// Output:
	// 42 <nil>
}

// Interceptors of a group are around all that is in it.
func ExampleRouter_Use() {
	r := handler.NewRouter(toBroker, handler.Config{})
	admin := r.Group("/admin")
	admin.Use(func(next message.RawHandler) message.RawHandler {
		return message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
			if m.Session.User().Name() != "admin" {
				return message.Errorf(message.CodeDenied, "only for admins")
			}
			return next.Handle(ctx, m)
		})
	})

	handler.Consume(admin, "/shutdown", func(context.Context, struct{}) error { return nil })
	handler.Handle(r, "/hello", func(context.Context, struct{}) (string, error) { return "hello", nil })

	fromClient(r, "/app/admin/shutdown", "")
	fromClient(r, "/app/hello", "")
	// Output:
	// refused: only for admins
	// /topic/hello <- hello
}

// Routes lists what is wired, and where in the program that was done.
func ExampleRouter_Routes() {
	r := handler.NewRouter(toBroker, handler.Config{})
	rooms := r.Group("/rooms/{room}")
	handler.Handle(rooms, "/say", func(_ context.Context, text string) (string, error) { return text, nil })
	handler.OnSubscribe(rooms, "/members", func(context.Context, struct{}) ([]string, error) { return nil, nil },
		handler.SendTo("/topic/rooms/{room}"))

	for _, route := range r.Routes() {
		file, _, _ := strings.Cut(filepath.Base(route.Source), ":")
		fmt.Println(route.Kind, route.Pattern, "in", file)
	}
	// Output:
	// data /rooms/{room}/say in example_controller_test.go
	// subscribe /rooms/{room}/members in example_controller_test.go
}

// The table of the routes is data.
func ExampleRouter_Describe() {
	r := handler.NewRouter(toBroker, handler.Config{})
	handler.Handle(r, "/trade/{symbol}", executeTrade,
		handler.SendTo("/topic/trades.{symbol}"), handler.SendToUser("/queue/position-updates"))

	for _, route := range r.Describe() {
		fmt.Println(route.Kind, route.Pattern, route.In, "->", route.Out)
		for _, d := range route.Replies {
			fmt.Println("  to", d.To, d.Name)
		}
	}
	// Output:
	// data /trade/{symbol} handler_test.Trade -> handler_test.Result
	//   to user /queue/position-updates
	//   to all /topic/trades.{symbol}
}
