package headrace_test

import (
	"context"
	"fmt"
	"strconv"
	"sync/atomic"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
)

// visitor is a client in process: a session that prints what it is sent.
type visitor struct {
	name    string
	node    *headrace.Node
	session *message.Session
	came    chan message.Raw
}

func visit(node *headrace.Node, name string, user message.Principal) *visitor {
	v := &visitor{name: name, node: node, came: make(chan message.Raw, 100)}
	v.session = message.NewSession(v, message.SessionInfo{Principal: user})
	v.do(message.Raw{Kind: message.KindConnect})
	return v
}

// Deliver prints a message on the way to the client.
func (v *visitor) Deliver(_ context.Context, m message.Raw) error {
	if m.Kind == message.KindData {
		text := string(m.Payload)
		if recovered, asked := m.Header.Lookup(message.HeaderRecovered); asked {
			text = "recovered: " + recovered
		}
		fmt.Printf("%s: %s %s\n", v.name, m.Destination, text)
		v.came <- m
	}
	return nil
}

// Close prints what the client is told at its end.
func (v *visitor) Close(reason error) {
	if reason != nil {
		fmt.Printf("%s: closed: %s\n", v.name, message.Public(reason).Message)
	}
}

// do sends a message and returns when it is handled, with how it ended.
func (v *visitor) do(m message.Raw) error {
	handled := make(chan error, 1)
	m.Session = v.session
	m.Done = message.NewCompletion(message.Handled, func(err error) { handled <- err })
	m.Done.Release(v.node.Inbound.Handle(v.session.Context(), m))
	return <-handled
}

// try does what the client is told of when it is refused.
func (v *visitor) try(m message.Raw) {
	if err := v.do(m); err != nil {
		fmt.Printf("%s: refused: %s\n", v.name, message.Public(err).Message)
	}
}

func (v *visitor) subscribe(dest string, header ...message.Field) {
	v.try(message.Raw{Kind: message.KindSubscribe, Subscription: dest, Destination: dest, Header: message.NewHeader(header...)})
}

func (v *visitor) send(dest, payload string, header ...message.Field) {
	v.try(message.Raw{Destination: dest, Payload: []byte(payload), Header: message.NewHeader(header...)})
}

// settle acknowledges a message, or refuses it.
func (v *visitor) settle(k message.Kind, m message.Raw) {
	id := message.Field{Name: message.HeaderAck, Value: m.Header.Get(message.HeaderAck)}
	v.try(message.Raw{Kind: k, Header: message.NewHeader(id)})
}

func (v *visitor) leave() { v.try(message.Raw{Kind: message.KindDisconnect}) }

// What is sent to /app/greeting goes to everybody who subscribed to
// /topic/greeting.
func Example() {
	node := headrace.New(headrace.Config{}) // /app, /topic + /queue, /user; embedded broker; ordered
	defer node.Close()
	handler.Handle(node.Router, "/greeting", func(_ context.Context, greeting string) (string, error) {
		return "[12:00] " + greeting, nil
	})

	a, b := visit(node, "a", nil), visit(node, "b", nil) // an adapter brings clients in
	a.subscribe("/topic/greeting")
	b.subscribe("/topic/greeting")
	a.send("/app/greeting", "hello")
	b.send("/app/parting", "goodbye")
	b.send("/greeting", "hello?")
	// Unordered output:
	// a: /topic/greeting [12:00] hello
	// b: /topic/greeting [12:00] hello
	// b: refused: no handler for /app/parting
	// b: refused: no handler for /greeting; known prefixes: /app, /topic, /queue, /user
}

type trade struct{ Shares int }

type position struct {
	Symbol string `json:"symbol"`
	Shares int    `json:"shares"`
}

func executeTrade(_ context.Context, r handler.Request[trade]) (position, error) {
	if r.Payload.Shares > 100 {
		return position{}, &tradeError{"not so many of " + r.PathValue("symbol")}
	}
	return position{r.PathValue("symbol"), r.Payload.Shares}, nil
}

// A trade is told to everybody who watches the symbol, and to all sessions of
// the user who made it.
func Example_sendToUser() {
	node := headrace.New(headrace.Config{})
	defer node.Close()
	handler.Handle(node.Router, "/trade/{symbol}", executeTrade,
		handler.SendTo("/topic/trades.{symbol}"), handler.SendToUser("/queue/position-updates"))

	desktop := visit(node, "kim's desktop", message.User("kim"))
	phone := visit(node, "kim's phone", message.User("kim"))
	stranger := visit(node, "lee", message.User("lee"))
	desktop.subscribe("/user/queue/position-updates")
	phone.subscribe("/user/queue/position-updates")
	stranger.subscribe("/user/queue/position-updates")
	stranger.subscribe("/topic/trades.ACME")
	desktop.send("/app/trade/ACME", `{"shares": 3}`)
	// Unordered output:
	// kim's desktop: /user/queue/position-updates {"symbol":"ACME","shares":3}
	// kim's phone: /user/queue/position-updates {"symbol":"ACME","shares":3}
	// lee: /topic/trades.ACME {"symbol":"ACME","shares":3}
}

type tradeError struct{ reason string }

func (e *tradeError) Error() string { return e.reason }

type problem struct {
	Reason string `json:"reason"`
}

// An error of a type becomes a message to the session that caused it.
func Example_onError() {
	node := headrace.New(headrace.Config{})
	defer node.Close()
	handler.Handle(node.Router, "/trade/{symbol}", executeTrade, handler.SendToUser("/queue/position-updates"))
	handler.OnError(node.Router, func(_ context.Context, e *tradeError) (problem, error) {
		return problem{Reason: e.reason}, nil
	}, handler.SendToSession("/queue/errors"))

	desktop := visit(node, "kim's desktop", message.User("kim"))
	phone := visit(node, "kim's phone", message.User("kim"))
	desktop.subscribe("/user/queue/errors")
	phone.subscribe("/user/queue/errors")
	desktop.send("/app/trade/ACME", `{"shares": 3000}`)
	// Output: kim's desktop: /user/queue/errors {"reason":"not so many of ACME"}
}

// A subscription is answered with what is, and goes on with every change, without
// a gap between the two.
func Example_live() {
	node := headrace.New(headrace.Config{})
	defer node.Close()
	var total atomic.Int64
	handler.OnSubscribe(node.Router, "/total", func(context.Context, struct{}) (int64, error) {
		return total.Load(), nil
	}, handler.Live("/topic/total"))
	handler.Handle(node.Router, "/add", func(_ context.Context, n int64) (int64, error) {
		return total.Add(n), nil
	}, handler.SendTo("/topic/total"))

	a, b := visit(node, "a", nil), visit(node, "b", nil)
	a.subscribe("/app/total")
	a.send("/app/add", "40")
	b.subscribe("/app/total")
	a.do(message.Raw{Kind: message.KindUnsubscribe, Subscription: "/app/total"})
	b.send("/app/add", "2")
	// Output:
	// a: /app/total 0
	// a: /topic/total 40
	// b: /app/total 40
	// b: /topic/total 42
}

// Typed channels behind an endpoint: the compiler checks that each stage takes
// what the one before it gives.
func Example_typed() {
	type quantity int
	node := headrace.New(headrace.Config{})
	defer node.Close()
	quantities := new(channel.DirectChannel[quantity])
	channel.SubscribeFunc(quantities, func(ctx context.Context, m message.Message[quantity]) error {
		return node.Template.Send(ctx, "/topic/total", m.Payload*2)
	})
	parse := handler.Transform(func(_ context.Context, text string) (quantity, error) {
		n, err := strconv.Atoi(text)
		return quantity(n), err
	}, quantities)
	handler.Consume(node.Router, "/count", func(ctx context.Context, text string) error {
		return parse.Handle(ctx, message.Message[string]{Payload: text})
	})

	v := visit(node, "visitor", nil)
	v.subscribe("/topic/total")
	v.send("/app/count", "21")
	v.send("/app/count", "many")
	// Output:
	// visitor: /topic/total 42
	// visitor: refused: internal error
}
