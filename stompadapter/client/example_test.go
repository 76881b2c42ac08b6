package client_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"

	"github.com/headrace/headrace/stompadapter/client"
)

func Example() {
	adapter, stop := newSite() // a server to talk to
	defer stop()
	server := httptest.NewServer(adapter.WebSocket())
	defer server.Close()

	ctx := context.Background()
	c, err := client.Dial(ctx, client.Config{URL: strings.Replace(server.URL, "http", "ws", 1)})
	if err != nil {
		panic(err)
	}
	defer c.Close(ctx)
	prices, err := c.Subscribe(ctx, "/topic/prices", client.SubscribeConfig{}, nil)
	if err != nil {
		panic(err)
	}
	if err := c.SendReceipt(ctx, "/topic/prices", map[string]int{"ACME": 42}); err != nil {
		panic(err)
	}
	for m, err := range prices.Messages(ctx) {
		if err != nil {
			panic(err)
		}
		fmt.Printf("%s: %s\n", m.Destination, m.Payload)
		break
	}
	// Output: /topic/prices: {"ACME":42}
}
