package main

import (
	"strings"
	"testing"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/messagetest"
)

// TestRoutes: a trade is told to the trader in all his sessions and to everybody; a
// refusal to the session that asked, beside the field that it is about.
func TestRoutes(t *testing.T) {
	node := headrace.New(headrace.Config{})
	defer node.Close()
	x := &exchange{market: newMarket(), accounts: newAccounts(), template: node.Template}
	x.routes(node.Router)
	desk, phone := messagetest.Connect(t, node, messagetest.User("kim")), messagetest.Connect(t, node, messagetest.User("kim"))
	guest := messagetest.Connect(t, node)
	for _, c := range []*messagetest.Client{desk, phone, guest} {
		c.Subscribe("/user/queue/errors")
	}
	guest.Subscribe("/topic/trades")
	phone.Subscribe("/app/positions")
	if s := messagetest.Payload[statement](t, phone.Next(t)); s.Cash != startCash {
		t.Errorf("at first: %+v", s)
	}

	desk.Send("/app/trade/mill", order{"buy", 3})
	if s := messagetest.Payload[statement](t, phone.Next(t)); s.Positions["MILL"].Shares != 3 {
		t.Errorf("after the trade: %+v", s)
	}
	if n := messagetest.Payload[trade](t, guest.Next(t)); n.User != "kim" || n.Symbol != "MILL" || n.Shares != 3 {
		t.Errorf("everybody learns of %+v", n)
	}
	for _, c := range []struct {
		from          *messagetest.Client
		to            string
		payload       any
		field, reason string
	}{
		{desk, "/app/trade/MILL", order{"sell", 4}, "shares", "you have 3 of MILL"},
		{desk, "/app/trade/nope", order{"buy", 1}, "symbol", "NOPE is not traded here"},
		{desk, "/app/trade/MILL", `{"shares":"many"}`, "", `field "shares": want int`},
		{desk, "/app/nowhere", "", "", "no handler for /app/nowhere"},
		{guest, "/app/trade/MILL", order{"buy", 1}, "", "Choose a name to trade."},
	} {
		c.from.Send(c.to, c.payload)
		if r := messagetest.Payload[rejection](t, c.from.Next(t)); r.Field != c.field || !strings.Contains(r.Reason, c.reason) {
			t.Errorf("%s %v: %+v, want %q at %q", c.to, c.payload, r, c.reason, c.field)
		}
	}
	for _, c := range []*messagetest.Client{desk, phone, guest} {
		c.Refute(t)
	}
}
