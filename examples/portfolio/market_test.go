package main

import (
	"context"
	"testing"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/interceptor"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/messagetest"
)

func TestMarket(t *testing.T) {
	m := newMarket()
	before := m.snapshot()
	var newest []cents
	for _, s := range before {
		newest = append(newest, s.Prices[history-1])
	}
	moved := false
	for range 10 {
		var quotes []quote
		m.tick(func(q quote) {
			quotes = append(quotes, q)
			if m.mu.TryLock() {
				t.Fatal("a snapshot may have prices that are not published yet")
			}
		})
		for i, q := range quotes {
			if now, ok := m.price(q.Symbol); !ok || now != q.Price || now <= 0 {
				t.Fatalf("%s: price %d, %v after the quote %d", q.Symbol, now, ok, q.Price)
			}
			moved = moved || q.Price != newest[i]
		}
	}
	if !moved {
		t.Error("no price moved in ten ticks")
	}
	for i, s := range m.snapshot() {
		if len(s.Prices) != history || s.Prices[history-11] != newest[i] {
			t.Errorf("%s: the newest price is not the eleventh of %d after ten ticks", s.Symbol, len(s.Prices))
		}
		if len(before[i].Prices) != history || before[i].Prices[history-1] != newest[i] {
			t.Errorf("%s: a snapshot changed", s.Symbol)
		}
	}
	if _, ok := m.price("NOPE"); ok {
		t.Error("a stock that does not exist has a price")
	}
}

// Whoever comes while prices move sees each move once: here one that was
// published when he had subscribed already, and is in his snapshot.
func TestEveryMoveOnce(t *testing.T) {
	node := headrace.New(headrace.Config{})
	defer node.Close()
	x := &exchange{market: newMarket(), template: node.Template}
	x.routes(node.Router)
	node.BrokerChannel.Intercept(interceptor.Around(func(ctx context.Context, m message.Raw, next message.RawHandler) error {
		err := next.Handle(ctx, m)
		if m.Kind == message.KindSubscribe {
			x.tick(ctx)
		}
		return err
	}))

	c := messagetest.Connect(t, node)
	c.Subscribe("/app/stocks")
	for _, s := range messagetest.Payload[[]stock](t, c.Next(t)) {
		if s.Moves != history+1 {
			t.Errorf("the snapshot has %d moves of %s, want %d", s.Moves, s.Symbol, history+1)
		}
	}
	c.Refute(t)
	x.tick(t.Context())
	for range x.market.stocks {
		if q := messagetest.Payload[quote](t, c.Next(t)); q.Moves != history+2 {
			t.Errorf("move %d of %s, want %d", q.Moves, q.Symbol, history+2)
		}
	}
	c.Refute(t)
}
