package main

import "testing"

func TestMarket(t *testing.T) {
	m := newMarket()
	before := m.snapshot()
	moved := false
	for range 10 {
		for i, q := range m.tick() {
			if now, ok := m.price(q.Symbol); !ok || now != q.Price || now <= 0 {
				t.Fatalf("%s: price %d, %v after the quote %d", q.Symbol, now, ok, q.Price)
			}
			moved = moved || q.Price != before[i].Prices[history-1]
		}
	}
	if !moved {
		t.Error("no price moved in ten ticks")
	}
	for i, s := range m.snapshot() {
		if len(s.Prices) != history || len(before[i].Prices) != history {
			t.Errorf("%s keeps %d prices, then %d, want %d", s.Symbol, len(before[i].Prices), len(s.Prices), history)
		}
		if s.Prices[history-11] != before[i].Prices[history-1] {
			t.Errorf("%s: what was the newest price is not the eleventh now", s.Symbol)
		}
	}
	if _, ok := m.price("NOPE"); ok {
		t.Error("a stock that does not exist has a price")
	}
}
