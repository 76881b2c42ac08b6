package headrace_test

import (
	"context"
	"fmt"
	"net"
	"net/http/httptest"
	"strings"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/stompadapter"
	stompclient "github.com/headrace/headrace/stompadapter/client"
)

// A topic that keeps its last messages has them for clients that lose their
// connection and come back.
func Example_resume() {
	node := headrace.New(headrace.Config{Rules: []broker.Rule{{Prefix: "/topic/prices", History: broker.History{Messages: 100}}}})
	defer node.Close()
	stomp := stompadapter.New(node.Inbound, stompadapter.Config{})
	defer stomp.Close()
	server := httptest.NewServer(stomp.WebSocket())
	defer server.Close()

	ctx, lines := context.Background(), make(chan net.Conn, 2)
	c, err := stompclient.Dial(ctx, stompclient.Config{
		URL: strings.Replace(server.URL, "http", "ws", 1),
		Dial: func(context.Context) (net.Conn, error) {
			line, err := net.Dial("tcp", server.Listener.Addr().String())
			lines <- line
			return line, err
		},
	})
	if err != nil {
		panic(err)
	}
	defer c.Close(ctx)
	prices, err := c.Subscribe(ctx, "/topic/prices", stompclient.SubscribeConfig{Resume: true}, nil)
	if err != nil {
		panic(err)
	}
	node.Template.Send(ctx, "/topic/prices", "42")
	for m, err := range prices.Messages(ctx) {
		fmt.Printf("%s %v\n", m.Payload, err)
		if string(m.Payload) == "44" {
			break
		}
		if string(m.Payload) == "42" {
			(<-lines).Close()
			node.Template.Send(ctx, "/topic/prices", "43") // meanwhile
			node.Template.Send(ctx, "/topic/prices", "44")
		}
	}
	// Output:
	// 42 <nil>
	// 43 <nil>
	// 44 <nil>
}
