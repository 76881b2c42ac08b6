package main

import (
	"errors"
	"math"
	"strings"
	"testing"
)

func TestTrade(t *testing.T) {
	const price = 50_00
	a := newAccounts()
	for _, step := range []struct {
		o    order
		cash cents
		want position
	}{
		{order{"buy", 10}, startCash - 10*price, position{10, 10 * price}},
		{order{"sell", 4}, startCash - 6*price, position{6, 6 * price}},
		{order{"buy", 1994}, startCash - 2000*price, position{2000, 2000 * price}},
		{order{"sell", 2000}, startCash, position{}},
	} {
		s, err := a.trade("kim", "MILL", step.o, price)
		if err != nil || s.Cash != step.cash || s.Positions["MILL"] != step.want {
			t.Fatalf("%+v: got %+v, %v; want cash %d and %+v", step.o, s, err, step.cash, step.want)
		}
	}
	if s := a.statement("kim"); s.Trades != 4 || len(s.Positions) != 0 {
		t.Errorf("in the end: %+v", s)
	}
	if s := a.statement("lee"); s.Trades != 0 || s.Cash != startCash {
		t.Errorf("lee, who did nothing, has %+v", s)
	}
}

func TestTradeRejects(t *testing.T) {
	for name, c := range map[string]struct {
		o             order
		field, reason string
	}{
		"none":          {order{"buy", 0}, "shares", "1 or more"},
		"negative":      {order{"sell", -3}, "shares", "1 or more"},
		"dear":          {order{"buy", 2001}, "shares", "2000 shares at most"},
		"overflow":      {order{"buy", math.MaxInt}, "shares", "2000 shares at most"},
		"too many":      {order{"sell", 1}, "shares", "you have 0 of MILL"},
		"no such order": {order{"gift", 1}, "side", "to buy or to sell"},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAccounts()
			_, err := a.trade("kim", "MILL", c.o, 50_00)
			r, ok := errors.AsType[*rejection](err)
			if !ok || r.Field != c.field || !strings.Contains(r.Reason, c.reason) {
				t.Errorf("got %#v, want %q at %s", err, c.reason, c.field)
			}
			if s := a.statement("kim"); s.Trades != 0 || s.Cash != startCash || len(s.Positions) != 0 {
				t.Errorf("a rejected order changed the account: %+v", s)
			}
		})
	}
}

// A statement is on its way to the client while its owner trades on.
func TestStatementStays(t *testing.T) {
	a := newAccounts()
	before, _ := a.trade("kim", "MILL", order{"buy", 1}, 50_00)
	a.trade("kim", "MILL", order{"buy", 1}, 50_00)
	if got := before.Positions["MILL"].Shares; got != 1 {
		t.Errorf("an old statement has %d shares now, want 1", got)
	}
}
