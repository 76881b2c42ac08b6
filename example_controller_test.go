package headrace_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/destination"
	"github.com/headrace/headrace/stompadapter"
	stompclient "github.com/headrace/headrace/stompadapter/client"
)

// An HTTP POST greets everybody who subscribed to /topic/greetings.
func Example_template() {
	node := headrace.New(headrace.Config{})
	defer node.Close()
	greet := func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<10))
		if err != nil {
			http.Error(w, "the greeting is too long", http.StatusRequestEntityTooLarge)
			return
		}
		if err := node.Template.Send(r.Context(), "/topic/greetings", "[12:00]: "+string(text)); err != nil {
			http.Error(w, message.Public(err).Message, http.StatusBadGateway)
		}
	}

	visit(node, "a", nil).subscribe("/topic/greetings")
	w := httptest.NewRecorder()
	greet(w, httptest.NewRequest(http.MethodPost, "/greetings", strings.NewReader("hello")))
	fmt.Println(w.Code)
	// Output:
	// a: /topic/greetings [12:00]: hello
	// 200
}

// Who subscribes is told at once what he has, and nobody else is.
func Example_onSubscribe() {
	node := headrace.New(headrace.Config{})
	defer node.Close()
	handler.OnSubscribe(node.Router, "/positions", func(_ context.Context, r handler.Request[struct{}]) (string, error) {
		return "5 shares of " + r.User().Name(), nil
	})

	visit(node, "lee", message.User("lee"))
	visit(node, "kim", message.User("kim")).subscribe("/app/positions")
	// Output: kim: /app/positions 5 shares of kim
}

// Dots divide destinations, a group has the first part, and a STOMP client sends.
func Example_dots() {
	node := headrace.New(headrace.Config{Separator: destination.Dot})
	defer node.Close()
	red := node.Router.Group("red")
	handler.Handle(red, "blue.{green}", func(_ context.Context, r handler.Request[string]) (string, error) {
		return r.PathValue("green") + " says " + r.Payload, nil
	})
	stomp := stompadapter.New(node.Inbound, stompadapter.Config{})
	defer stomp.Close()
	server := httptest.NewServer(stomp.WebSocket())
	defer server.Close()

	ctx := context.Background()
	c, err := stompclient.Dial(ctx, stompclient.Config{URL: "ws" + strings.TrimPrefix(server.URL, "http")})
	if err != nil {
		panic(err)
	}
	defer c.Close(ctx)
	heard := make(chan message.Raw, 1)
	_, err = c.Subscribe(ctx, "/topic/red.blue.*", stompclient.SubscribeConfig{}, func(_ context.Context, m message.Raw) error {
		heard <- m
		return nil
	})
	if err != nil {
		panic(err)
	}
	if err := c.Send(ctx, "/app/red.blue.green123", "hi"); err != nil {
		panic(err)
	}
	m := <-heard
	fmt.Printf("%s: %s\n", m.Destination, m.Payload)
	// Output: /topic/red.blue.green123: green123 says hi
}

// A group, a variable and dots, as a client sees them.
func TestDotsOverTheWire(t *testing.T) {
	s := serve(t, setup{node: headrace.Config{Separator: destination.Dot}, wire: func(n *headrace.Node) {
		red := n.Router.Group("red")
		handler.Handle(red, "blue.{green}", func(_ context.Context, r handler.Request[string]) (string, error) {
			return r.PathValue("green") + ": " + r.Payload, nil
		})
		handler.OnSubscribe(red, "all", func(context.Context, struct{}) (string, error) { return "blue", nil })
	}})
	c := s.connect()
	c.subscribe("1", "/topic/red.blue.*")
	c.send(sendFrame("/app/red.blue.green123", "", "hi"))
	c.wantMessage("1", "green123: hi")
	c.send(subscribeFrame("2", "/app/red.all", "s"))
	c.wantMessage("2", "blue")
	c.wantReceipt("s")
	c.send("UNSUBSCRIBE\nid:2\nreceipt:r\n\n\x00")
	c.wantReceipt("r")
}
