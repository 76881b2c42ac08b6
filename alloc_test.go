//go:build !race

package headrace_test

import (
	"context"
	"net"
	"testing"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
)

// pass is an interceptor that only hands on.
func pass(next message.RawHandler) message.RawHandler {
	return message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error { return next.Handle(ctx, m) })
}

// discard reads until the connection is closed.
func discard(nc net.Conn) {
	for buffer := make([]byte, 64<<10); ; {
		if _, err := nc.Read(buffer); err != nil {
			return
		}
	}
}

// TestBroadcastAllocations: a publication costs no memory for each of its subscribers
// on the whole way from the program to their sockets: through the broker, what is
// mounted on Outbound, the gate, and the frames and queues of an adapter.
func TestBroadcastAllocations(t *testing.T) {
	for name, rules := range map[string][]broker.Rule{
		"topics":  nil,
		"rules":   {{Prefix: "/queue", Mode: broker.Queue}, {Prefix: "/topic", NoPatterns: true}},
		"history": {{Prefix: "/topic", History: broker.History{Messages: 10}}},
	} {
		t.Run(name, func(t *testing.T) {
			const few, many = 10, 110
			of := func(subscribers int) float64 { return allocationsOfBroadcast(t, subscribers, rules) }
			if each := (of(many) - of(few)) / (many - few); each >= 0.1 {
				t.Errorf("%.2f allocations for each subscriber", each)
			}
		})
	}
}

func allocationsOfBroadcast(t *testing.T, subscribers int, rules []broker.Rule) float64 {
	const publications = 200
	s := serve(t, setup{
		node: headrace.Config{Gate: []message.RawInterceptor{pass}, Rules: rules},
		wire: func(n *headrace.Node) { n.Outbound.Intercept(pass, pass) },
	})
	for range subscribers {
		c := s.connect()
		c.subscribe("1", "/topic/a")
		go discard(c.ws.NetConn())
	}
	ctx, m := t.Context(), message.Raw{Destination: "/topic/a", Payload: make([]byte, 128)}
	publish := func() {
		if err := s.node.BrokerChannel.Handle(ctx, m); err != nil {
			t.Fatal(err)
		}
	}
	testing.AllocsPerRun(2*publications, publish) // until the queues have grown
	n := testing.AllocsPerRun(publications, publish)
	if got, want := s.node.Stats().Broker.Delivered, uint64(subscribers*(3*publications+2)); got != want {
		t.Errorf("%d deliveries, want %d", got, want)
	}
	return n
}
