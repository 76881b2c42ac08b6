package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"

	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/codec"
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

// A handler takes the messages one by one, and its error refuses the message.
func ExampleClient_Subscribe() {
	ctx := context.Background()
	c, end := dialScribe(ctx) // prints what it is sent

	weighed := make(chan string)
	_, err := c.Subscribe(ctx, "/queue/sacks", client.SubscribeConfig{Ack: client.AckIndividual},
		func(_ context.Context, m message.Raw) error {
			text, err := codec.Decode[string](nil, m.Header.Get("content-type"), m.Payload)
			defer func() { weighed <- text }()
			if text == "sack 2" {
				return errors.New("too heavy")
			}
			return err
		})
	if err != nil {
		panic(err)
	}
	<-weighed
	<-weighed
	end()
	// Output:
	// SUBSCRIBE
	// ACK id:a1
	// NACK id:a2
}

// The stages of package handler go between: here one that reads the payload as
// a Go value.
func ExampleClient_Subscribe_decoded() {
	adapter, stop := newSite() // a server to talk to
	defer stop()
	server := httptest.NewServer(adapter.WebSocket())
	defer server.Close()

	type Price struct {
		Symbol string
		Cents  int
	}
	ctx := context.Background()
	c, err := client.Dial(ctx, client.Config{URL: strings.Replace(server.URL, "http", "ws", 1)})
	if err != nil {
		panic(err)
	}
	defer c.Close(ctx)
	seen := make(chan Price)
	prices := handler.Decode(nil, message.HandlerFunc[Price](func(_ context.Context, m message.Message[Price]) error {
		seen <- m.Payload
		return nil
	}))
	if _, err := c.Subscribe(ctx, "/topic/prices", client.SubscribeConfig{}, prices.Handle); err != nil {
		panic(err)
	}
	if err := c.Send(ctx, "/topic/prices", Price{"ACME", 4200}); err != nil {
		panic(err)
	}
	fmt.Printf("%+v\n", <-seen)
	// Output: {Symbol:ACME Cents:4200}
}

// A loop takes the messages, and acknowledges them by hand: here the second for
// both.
func ExampleSubscription_Messages() {
	ctx := context.Background()
	c, end := dialScribe(ctx) // prints what it is sent

	sacks, err := c.Subscribe(ctx, "/queue/sacks", client.SubscribeConfig{Ack: client.AckCumulative}, nil)
	if err != nil {
		panic(err)
	}
	for m, err := range sacks.Messages(ctx) {
		if err != nil {
			panic(err)
		}
		if string(m.Payload) == "sack 2" {
			if err := c.Ack(m); err != nil {
				panic(err)
			}
			break
		}
	}
	end()
	// Output:
	// SUBSCRIBE
	// ACK id:a2
}

// What a transaction holds takes effect together.
func ExampleClient_Begin() {
	ctx := context.Background()
	c, end := dialScribe(ctx) // prints what it is sent

	tx, err := c.Begin(ctx)
	if err != nil {
		panic(err)
	}
	err = errors.Join(
		tx.Send(ctx, "/queue/grain", "12 sacks out"),
		tx.Send(ctx, "/queue/flour", "10 sacks in"),
	)
	if err != nil {
		panic(errors.Join(err, tx.Abort(ctx)))
	}
	if err := tx.Commit(ctx); err != nil {
		panic(err)
	}
	end()
	// Output:
	// BEGIN transaction:t1
	// SEND destination:/queue/grain transaction:t1 12 sacks out
	// SEND destination:/queue/flour transaction:t1 10 sacks in
	// COMMIT transaction:t1
}

// The error of a server that refuses says why.
func ExampleServerError() {
	adapter, stop := newSite() // a server that denies /secret
	defer stop()
	server := httptest.NewServer(adapter.WebSocket())
	defer server.Close()

	ctx := context.Background()
	c, err := client.Dial(ctx, client.Config{URL: strings.Replace(server.URL, "http", "ws", 1)})
	if err != nil {
		panic(err)
	}
	defer c.Close(ctx)
	err = c.SendReceipt(ctx, "/secret/recipe", "rye")
	if refused, ok := errors.AsType[*client.ServerError](err); ok {
		fmt.Printf("%s: %s\n", refused.Code, refused.Message)
	}
	// Output: denied: not for you
}
