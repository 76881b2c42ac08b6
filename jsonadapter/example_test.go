package jsonadapter_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"

	"github.com/gorilla/websocket"

	"github.com/headrace/headrace/jsonadapter"
	"github.com/headrace/headrace/message"
)

// An application may stand in for the broker: it answers KindConnect and sends
// to sessions what it wants.
func Example() {
	adapter := jsonadapter.New(message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
		switch m.Kind {
		case message.KindConnect:
			return m.Session.Deliver(ctx, message.Raw{Kind: message.KindConnected})
		case message.KindData:
			fmt.Printf("%s: %s\n", m.Destination, m.Payload)
		}
		return nil
	}), jsonadapter.Config{})
	defer adapter.Close()
	server := httptest.NewServer(adapter.WebSocket())
	defer server.Close()

	client, _, err := websocket.DefaultDialer.Dial(strings.Replace(server.URL, "http", "ws", 1), nil)
	if err != nil {
		panic(err)
	}
	defer client.Close()
	client.WriteMessage(websocket.TextMessage, []byte(`{"type":"connect"}`))
	client.ReadMessage()
	client.WriteMessage(websocket.TextMessage, []byte(`{"type":"send","destination":"/app/grind","payload":{"grain":"wheat"},"receipt":"1"}`))
	_, receipt, _ := client.ReadMessage()
	fmt.Printf("%s\n", receipt)
	// Output:
	// /app/grind: {"grain":"wheat"}
	// {"type":"receipt","receipt":"1"}
}
