package main

import "fmt"

// scenario is servers that are visited in turn, and what is asked of them.
type scenario struct {
	name        string
	contestants []contestant
	claims      []claim
}

// contestant is a server and the load that it gets.
type contestant struct {
	server                         string
	subscribers, window, publishes int
}

func (c contestant) name() string { return fmt.Sprintf("%s %d", c.server, c.subscribers) }

// claim is a ratio of two contestants, and what is asked of it.
type claim struct {
	what  string
	value func(result) float64
	a, b  string
	asked string
}

func cpu(a, b, asked string) claim {
	return claim{"CPU", func(r result) float64 { return r.cpu }, a, b, asked}
}

func rate(a, b, asked string) claim {
	return claim{"rate", func(r result) float64 { return r.rate }, a, b, asked}
}

var scenarios = []scenario{
	{
		name: "WebSocket, 1000 subscribers, 64 on the way",
		contestants: []contestant{
			{"headrace", 1000, 64, 1000}, {"headrace3", 1000, 64, 1000}, {"bare", 1000, 64, 1000},
			{"centrifuge", 1000, 64, 500}, {"nats", 1000, 64, 500},
		},
		claims: []claim{
			cpu("headrace 1000", "bare 1000", "at most 1.0"),
			rate("headrace 1000", "bare 1000", "at least 0.8"),
			rate("headrace 1000", "centrifuge 1000", "at least 1.8"),
			rate("headrace 1000", "nats 1000", "at least 1.8"),
			cpu("headrace3 1000", "headrace 1000", "at most 1.25"),
			cpu("headrace 1000", "centrifuge 1000", ""),
			cpu("headrace 1000", "nats 1000", ""),
		},
	},
	{
		name: "WebSocket, 5000 subscribers, 64 on the way",
		contestants: []contestant{
			{"headrace", 5000, 64, 240}, {"headrace", 1000, 64, 1000}, {"bare", 5000, 64, 240},
			{"centrifuge", 5000, 64, 120}, {"nats", 5000, 64, 120},
		},
		claims: []claim{
			cpu("headrace 5000", "headrace 1000", "at most 1.2"),
			rate("headrace 5000", "centrifuge 5000", "at least 6"),
			rate("headrace 5000", "nats 5000", "at least 6"),
			cpu("headrace 5000", "bare 5000", ""),
			rate("headrace 5000", "bare 5000", ""),
		},
	},
	{
		name:        "WebSocket, 1000 subscribers among 100,000 other subscriptions",
		contestants: []contestant{{"headrace-others", 1000, 64, 1000}, {"headrace", 1000, 64, 1000}},
		claims: []claim{
			cpu("headrace-others 1000", "headrace 1000", "at most 1.15"),
			rate("headrace-others 1000", "headrace 1000", ""),
		},
	},
	{
		name:        "WebSocket, 1000 subscribers, one at a time",
		contestants: []contestant{{"headrace", 1000, 1, 200}, {"bare-single", 1000, 1, 200}},
		claims: []claim{
			cpu("headrace 1000", "bare-single 1000", "at most 0.95"),
			rate("headrace 1000", "bare-single 1000", ""),
		},
	},
	{
		name:        "TCP, 1000 subscribers, 64 on the way",
		contestants: []contestant{{"headrace-tcp", 1000, 64, 1000}, {"bare-tcp", 1000, 64, 1000}},
		claims: []claim{
			cpu("headrace-tcp 1000", "bare-tcp 1000", "at most 1.0"),
			rate("headrace-tcp 1000", "bare-tcp 1000", "at least 0.8"),
		},
	},
	{
		name:        "WebSocket over TLS, 1000 subscribers, 64 on the way",
		contestants: []contestant{{"headrace-tls", 1000, 64, 500}, {"bare-tls", 1000, 64, 500}},
		claims: []claim{
			cpu("headrace-tls 1000", "bare-tls 1000", ""),
			rate("headrace-tls 1000", "bare-tls 1000", ""),
		},
	},
}
