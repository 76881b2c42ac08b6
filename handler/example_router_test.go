package handler_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/destination"
)

// toBroker stands for the way to the broker and prints what comes along.
var toBroker = message.HandlerFunc[[]byte](func(_ context.Context, m message.Raw) error {
	fmt.Printf("%s <- %s\n", m.Destination, m.Payload)
	return nil
})

// fromClient stands for what an adapter makes of a client's frame.
func fromClient(r *handler.Router, destination, payload string) {
	s := message.NewSession(nil, message.SessionInfo{Principal: message.User("kim")})
	m := message.Raw{Destination: destination, Session: s, Payload: []byte(payload)}
	if err := r.Handle(s.Context(), m); err != nil {
		fmt.Println("refused:", message.Public(err).Message)
	}
}

// What a function returns goes to everybody who subscribed to the destination,
// with /topic in place of /app.
func ExampleHandle() {
	r := handler.NewRouter(toBroker, handler.Config{})

	handler.Handle(r, "/greeting", func(_ context.Context, name string) (string, error) {
		return "hello " + name, nil
	})

	fromClient(r, "/app/greeting", "world")
	fromClient(r, "/app/meeting", "world")
	// Output:
	// /topic/greeting <- hello world
	// refused: no handler for /app/meeting
}

type Trade struct {
	Shares int `json:"shares"`
}

type Result struct {
	Position string `json:"position"`
}

func executeTrade(_ context.Context, req handler.Request[Trade]) (Result, error) {
	return Result{fmt.Sprintf("%s has %d shares of %s", req.User().Name(), req.Payload.Shares, req.PathValue("symbol"))}, nil
}

// The sender hears of his position in all his sessions, everybody of the trade.
func ExampleSendToUser() {
	r := handler.NewRouter(toBroker, handler.Config{})

	handler.Handle(r, "/trade/{symbol}", executeTrade,
		handler.SendTo("/topic/trades.{symbol}"), handler.SendToUser("/queue/position-updates"))

	fromClient(r, "/app/trade/ACME", `{"shares": 5}`)
	// Output:
	// /user/kim/queue/position-updates <- {"position":"kim has 5 shares of ACME"}
	// /topic/trades.ACME <- {"position":"kim has 5 shares of ACME"}
}

type TradeError struct{ Reason string }

func (e *TradeError) Error() string { return "trade refused: " + e.Reason }

type Problem struct {
	Title string `json:"title"`
}

// Only the session that sent the trade hears what was wrong with it.
func ExampleOnError() {
	r := handler.NewRouter(message.HandlerFunc[[]byte](func(_ context.Context, m message.Raw) error {
		own := strings.HasPrefix(m.Destination, "/user/") && strings.HasSuffix(m.Destination, "/queue/errors")
		fmt.Println("to the session's own queue:", own)
		fmt.Printf("%s %s\n", m.Header.Get(message.HeaderContentType), m.Payload)
		return nil
	}), handler.Config{})

	handler.Consume(r, "/trade", func(context.Context, Trade) error {
		return fmt.Errorf("market: %w", &TradeError{"closed today"})
	})
	handler.OnError(r, func(_ context.Context, e *TradeError) (Problem, error) {
		return Problem{Title: e.Reason}, nil
	}, handler.SendToSession("/queue/errors"))

	fromClient(r, "/app/trade", `{"shares": 5}`)
	// Output:
	// to the session's own queue: true
	// application/json {"title":"closed today"}
}

// Variables match one segment, or what their regular expression says. The most
// specific pattern gets the message.
func ExampleRequest() {
	r := handler.NewRouter(toBroker, handler.Config{})

	handler.Handle(r, "/rooms/{room}/{action}", func(_ context.Context, req handler.Request[string]) (string, error) {
		return req.User().Name() + " does " + req.PathValue("action") + ": " + req.Payload, nil
	}, handler.SendTo("/topic/rooms/{room}"))
	handler.Handle(r, "/rooms/{id:[0-9]+}/close", func(_ context.Context, req handler.Request[struct{}]) (string, error) {
		return "closing room number " + req.PathValue("id"), nil
	})

	fromClient(r, "/app/rooms/blue/say", "hi")
	fromClient(r, "/app/rooms/12/close", "")
	// Output:
	// /topic/rooms/blue <- kim does say: hi
	// /topic/rooms/12/close <- closing room number 12
}

// Dots may divide what follows the prefix.
func ExampleConfig_separator() {
	r := handler.NewRouter(toBroker, handler.Config{Separator: destination.Dot})

	handler.Handle(r, "red.blue.{green}", func(_ context.Context, req handler.Request[string]) (string, error) {
		return req.PathValue("green") + " says " + req.Payload, nil
	})

	fromClient(r, "/app/red.blue.green123", "hi")
	// Output:
	// /topic/red.blue.green123 <- green123 says hi
}

func ExampleErrNoReply() {
	r := handler.NewRouter(toBroker, handler.Config{})

	handler.Handle(r, "/search", func(_ context.Context, word string) (string, error) {
		if word == "nothing" {
			return "", handler.ErrNoReply
		}
		return "found " + word, nil
	})

	fromClient(r, "/app/search", "nothing")
	fromClient(r, "/app/search", "wheel")
	// Output:
	// /topic/search <- found wheel
}

// Purchase is an input that fills itself, so that its endpoints need not.
type Purchase struct {
	Customer string
	Trade    Trade
}

func (o *Purchase) Bind(c *handler.Call) (err error) {
	if c.User() == nil {
		return message.Errorf(message.CodeUnauthenticated, "orders need a login")
	}
	o.Customer = c.User().Name()
	o.Trade, err = handler.Payload[Trade](c)
	return err
}

func ExampleBinder() {
	r := handler.NewRouter(toBroker, handler.Config{})

	handler.Handle(r, "/order", func(_ context.Context, o Purchase) (string, error) {
		return fmt.Sprintf("%s orders %d", o.Customer, o.Trade.Shares), nil
	})

	fromClient(r, "/app/order", `{"shares": 5}`)
	// Output:
	// /topic/order <- kim orders 5
}

func ExampleInterceptors() {
	r := handler.NewRouter(toBroker, handler.Config{})
	adminsOnly := func(next message.RawHandler) message.RawHandler {
		return message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
			if m.Session.User().Name() != "admin" {
				return message.Errorf(message.CodeDenied, "only for admins")
			}
			return next.Handle(ctx, m)
		})
	}

	handler.Consume(r, "/shutdown", func(context.Context, struct{}) error {
		return errors.New("never reached")
	}, handler.Interceptors(adminsOnly))

	fromClient(r, "/app/shutdown", "")
	// Output:
	// refused: only for admins
}

// A template sends from anywhere: here a greeting, as an HTTP handler would,
// and the news for one user.
func ExampleTemplate() {
	t := handler.NewTemplate(toBroker, handler.TemplateConfig{})
	ctx := context.Background()

	_ = t.Send(ctx, "/topic/greetings", "hello all")
	_ = t.SendToUser(ctx, "kim", "/queue/position-updates", Result{Position: "5 shares"})
	// Output:
	// /topic/greetings <- hello all
	// /user/kim/queue/position-updates <- {"position":"5 shares"}
}
