package main

import "testing"

func TestMarket(t *testing.T) {
	m := newMarket()
	before := m.snapshot()
	var newest []cents
	for _, s := range before {
		newest = append(newest, s.Prices[history-1])
	}
	moved := false
	for range 10 {
		for i, q := range m.tick() {
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
