package stompadapter_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"

	"github.com/gorilla/websocket"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter"
)

// An application may stand in for the broker: it answers KindConnect and sends
// to sessions what it wants.
func Example() {
	stomp := stompadapter.New(message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
		switch m.Kind {
		case message.KindConnect:
			return m.Session.Deliver(ctx, message.Raw{Kind: message.KindConnected})
		case message.KindData:
			fmt.Printf("%s: %s\n", m.Destination, m.Payload)
		}
		return nil
	}), stompadapter.Config{})
	defer stomp.Close()
	server := httptest.NewServer(stomp.WebSocket())
	defer server.Close()

	client, _, err := websocket.DefaultDialer.Dial(strings.Replace(server.URL, "http", "ws", 1), nil)
	if err != nil {
		panic(err)
	}
	defer client.Close()
	client.WriteMessage(websocket.TextMessage, []byte("CONNECT\naccept-version:1.2\nhost:mill\n\n\x00"))
	client.ReadMessage()
	client.WriteMessage(websocket.TextMessage, []byte("SEND\ndestination:/app/grind\nreceipt:1\n\nwheat\x00"))
	_, receipt, _ := client.ReadMessage()
	fmt.Printf("%q\n", receipt)
	// Output:
	// /app/grind: wheat
	// "RECEIPT\nreceipt-id:1\n\n\x00"
}
