package handler_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
)

type ticket struct {
	Account string            `json:"account"`
	Symbol  string            `json:"symbol"`
	Side    string            `json:"side"`
	Shares  int               `json:"shares"`
	Limit   float64           `json:"limit"`
	Notes   map[string]string `json:"notes"`
}

type confirmation struct {
	Ticket ticket  `json:"ticket"`
	Price  float64 `json:"price"`
	Fills  []int   `json:"fills"`
}

var ticketJSON = []byte(`{"account":"kim-0001","symbol":"ACME","side":"buy","shares":250,"limit":101.5,"notes":{"desk":"north","reason":"rebalance"}}`)

func confirm(_ context.Context, t ticket) (confirmation, error) {
	return confirmation{Ticket: t, Price: 101.25, Fills: []int{100, 100, 50}}, nil
}

// jsonRoute handles a JSON message and its JSON reply; jsonAlone does the same
// with encoding/json and nothing else.
func jsonRoute() func() {
	discard := message.HandlerFunc[[]byte](func(context.Context, message.Raw) error { return nil })
	r := handler.NewRouter(discard, handler.Config{})
	handler.Handle(r, "/trade/{symbol}", confirm)
	ctx, m := context.Background(), message.Raw{Destination: "/app/trade/ACME", Payload: ticketJSON}
	return func() {
		if err := r.Handle(ctx, m); err != nil {
			panic(err)
		}
	}
}

func jsonAlone() {
	var t ticket
	if err := json.Unmarshal(ticketJSON, &t); err != nil {
		panic(err)
	}
	c, _ := confirm(context.Background(), t)
	if _, err := json.Marshal(c); err != nil {
		panic(err)
	}
}

func BenchmarkJSON(b *testing.B) {
	route := jsonRoute()
	b.Run("router", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			route()
		}
	})
	b.Run("alone", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			jsonAlone()
		}
	})
}

// BenchmarkJSONToAlone prints what a routed JSON message with a JSON reply costs
// relative to encoding/json alone, at most 1.3 times.
func BenchmarkJSONToAlone(b *testing.B) {
	pass := func(f func()) func() time.Duration {
		return func() time.Duration {
			start := time.Now()
			for range 100 {
				f()
			}
			return time.Since(start)
		}
	}
	reportRatio(b, pass(jsonRoute()), pass(jsonAlone))
}
