package transport_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"

	"github.com/gorilla/websocket"

	"github.com/headrace/headrace/transport"
)

// shouter is a protocol that answers in capital letters.
type shouter struct{ conn *transport.Conn }

func (s shouter) Receive(p []byte) error {
	loud := strings.ToUpper(string(p))
	return s.conn.Send(transport.NewFrame(s.conn.Framing(), []byte(loud)))
}

func (s shouter) Closed(reason error) { fmt.Println("closed:", reason) }

func Example() {
	server := transport.NewServer(transport.Config{})
	site := httptest.NewServer(server.WebSocket(transport.WebSocketConfig{}, func(c *transport.Conn) transport.Protocol {
		return shouter{c}
	}))
	defer site.Close()

	client, _, err := websocket.DefaultDialer.Dial(strings.Replace(site.URL, "http", "ws", 1), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	client.WriteMessage(websocket.TextMessage, []byte("hello"))
	_, answer, _ := client.ReadMessage()
	fmt.Println(string(answer))

	go client.ReadMessage() // answers the close frame
	fmt.Println("shutdown:", server.Shutdown(context.Background()))
	// Output:
	// HELLO
	// closed: unavailable: server is shutting down; retry-after=0ms
	// shutdown: <nil>
}
