package headrace_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/interceptor/telemetry"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/destination"
	"github.com/headrace/headrace/messagetest"
	stompclient "github.com/headrace/headrace/stompadapter/client"
	"github.com/headrace/headrace/watermilladapter"
)

// graph remembers of each span that ended what it hangs together with.
type graph struct {
	mu    sync.Mutex
	spans map[trace.SpanID][]trace.SpanContext // parent and links
	names map[string]int
}

func (g *graph) OnStart(context.Context, sdktrace.ReadWriteSpan) {}
func (g *graph) Shutdown(context.Context) error                  { return nil }
func (g *graph) ForceFlush(context.Context) error                { return nil }

func (g *graph) OnEnd(s sdktrace.ReadOnlySpan) {
	var to []trace.SpanContext
	if s.Parent().IsValid() {
		to = append(to, s.Parent())
	}
	for _, l := range s.Links() {
		to = append(to, l.SpanContext)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.spans[s.SpanContext().SpanID()] = to
	g.names[s.Name()]++
}

// reaches reports whether a span leads to another by parents and links.
func (g *graph) reaches(from, to trace.SpanID) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	seen, todo := map[trace.SpanID]bool{}, []trace.SpanID{from}
	for len(todo) > 0 {
		at := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if at == to {
			return true
		}
		if seen[at] {
			continue
		}
		seen[at] = true
		for _, sc := range g.spans[at] {
			todo = append(todo, sc.SpanID())
		}
	}
	return false
}

func (g *graph) count(name string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.names[name]
}

// hops says how many spans of a name each message has: on its way in, at the
// endpoint, to the broker and the engine of one node, and out of the engine and to
// the broker on the other.
var hops = map[string]int{
	"click":                          1,
	"send /app/trade/{symbol}":       1,
	"process /app/trade/{symbol}":    1,
	"send /topic/trades.{symbol}":    3,
	"process /topic/trades.{symbol}": 1,
	"publish /topic/trades.{symbol}": 2,
}

// nodeHops are those of nodes that are one: the message is sent to the engine as well, and
// the other node receives it and delivers it.
var nodeHops = map[string]int{
	"click":                          1,
	"send /app/trade/{symbol}":       1,
	"process /app/trade/{symbol}":    1,
	"send /topic/trades.{symbol}":    2,
	"process /topic/trades.{symbol}": 1,
	"publish /topic/trades.{symbol}": 1,
}

// twoNodes are joined by an engine: what the first publishes below /topic is
// published by the second too, or the two are one.
type twoNodes struct {
	graph  *graph
	tracer trace.Tracer
	a, b   *site
}

func newTwoNodes(t *testing.T, policy telemetry.RemoteContext, mode telemetry.LinkMode, one bool) *twoNodes {
	g := &graph{spans: make(map[trace.SpanID][]trace.SpanContext), names: make(map[string]int)}
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(g))
	c := telemetry.Config{
		TracerProvider: provider, RemoteContext: policy, LinkMode: mode,
		Template: telemetry.Destinations(destination.Slash, "/app/trade/{symbol}", "/topic/trades.{symbol}"),
	}
	over := c
	over.System = "gochannel"
	engine := gochannel.NewGoChannel(gochannel.Config{OutputChannelBuffer: 1024}, watermill.NopLogger{})
	t.Cleanup(func() { engine.Close() })
	mount := func(n *headrace.Node) {
		n.Inbound.Intercept(telemetry.TraceSendWith[[]byte](c))
		n.Router.Use(telemetry.TraceWith[[]byte](c))
		n.BrokerChannel.Intercept(telemetry.TraceSendWith[[]byte](c), telemetry.TracePublish(c))
		n.Outbound.Intercept(telemetry.TraceDelivery(c))
	}
	trades := func(n *headrace.Node) {
		mount(n)
		handler.Handle(n.Router, "/trade/{symbol}", func(_ context.Context, r handler.Request[string]) (string, error) {
			return r.Payload, nil
		}, handler.SendTo("/topic/trades.{symbol}"))
	}
	if one {
		config := headrace.Config{Backplane: messagetest.NewBackplane(),
			Sending: []message.RawInterceptor{telemetry.TraceSendWith[[]byte](over)}, Receiving: []message.RawInterceptor{telemetry.TraceWith[[]byte](over)}}
		a := serve(t, setup{stomp: withUsers(), node: config, wire: trades})
		b := serve(t, setup{stomp: withUsers(), node: config, wire: mount})
		return &twoNodes{graph: g, tracer: provider.Tracer("client"), a: a, b: b}
	}
	a := serve(t, setup{stomp: withUsers(), wire: func(n *headrace.Node) {
		trades(n)
		n.BrokerChannel.Subscribe(watermilladapter.To(engine, func(message.Raw) string { return "trades" }), telemetry.TraceSendWith[[]byte](over))
	}})
	b := serve(t, setup{stomp: withUsers(), wire: mount})
	source, err := watermilladapter.From(context.Background(), engine, "trades",
		message.Chain(message.RawHandler(b.node.BrokerChannel), telemetry.TraceWith[[]byte](over)),
		watermilladapter.FromConfig{Destination: "/topic/trades.ACME"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(source.Close)
	return &twoNodes{graph: g, tracer: provider.Tracer("client"), a: a, b: b}
}

// delivered is what a subscriber saw of a message.
type delivered struct {
	body        string
	traceparent string
}

// subscribe returns what a Go client of a site is delivered.
func (n *twoNodes) dial(t *testing.T, s *site, user string) *stompclient.Client {
	t.Helper()
	c, err := stompclient.Dial(t.Context(), stompclient.Config{URL: "ws://" + s.addr + "/ws", HTTPHeader: map[string][]string{"X-User": {user}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

func (n *twoNodes) subscribe(t *testing.T, s *site, messages int) <-chan delivered {
	t.Helper()
	got := make(chan delivered, messages)
	_, err := n.dial(t, s, "sub").Subscribe(t.Context(), "/topic/trades.ACME", stompclient.SubscribeConfig{}, func(_ context.Context, m message.Raw) error {
		got <- delivered{string(m.Payload), m.Header.Get("traceparent")}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s.idle()
	return got
}

// publish sends messages from a Go client, each in a span of its own, and returns
// these by payload.
func (n *twoNodes) publish(t *testing.T, user string, messages int) map[string]trace.SpanContext {
	const publishers = 4
	var mu sync.Mutex
	sent := make(map[string]trace.SpanContext)
	var all sync.WaitGroup
	for p := range publishers {
		c := n.dial(t, n.a, user)
		all.Go(func() {
			for i := range messages / publishers {
				body := fmt.Sprint(p, "-", i)
				ctx, span := n.tracer.Start(t.Context(), "click")
				carrier := propagation.MapCarrier{}
				propagation.TraceContext{}.Inject(ctx, carrier)
				mu.Lock()
				sent[body] = span.SpanContext()
				mu.Unlock()
				err := c.SendReceipt(ctx, "/app/trade/ACME", body, message.Field{Name: "traceparent", Value: carrier["traceparent"]})
				span.End()
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	return sent
}

// 10,000 messages go from a Go client through a node and an engine to the
// subscribers of two nodes: every delivery has a traceparent that leads to the span
// in which the client sent, and where the client is trusted it is of its trace.
func TestTraceAcrossTwoNodes(t *testing.T) {
	tests := map[string]struct {
		user     string
		policy   telemetry.RemoteContext
		mode     telemetry.LinkMode
		messages int
		oneTrace bool
		one      bool // broker
	}{
		"a user":                   {"kim", telemetry.TrustUsers, telemetry.ParentAndLink, 10_000, true, false},
		"a stranger":               {"", telemetry.TrustUsers, telemetry.ParentAndLink, 1000, false, false},
		"links alone":              {"kim", telemetry.TrustUsers, telemetry.LinkOnly, 1000, false, false},
		"a user, linked":           {"kim", telemetry.Link, telemetry.ParentAndLink, 1000, false, false},
		"a user of one broker":     {"kim", telemetry.TrustUsers, telemetry.ParentAndLink, 1000, true, true},
		"a stranger of one broker": {"", telemetry.TrustUsers, telemetry.ParentAndLink, 1000, false, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			n := newTwoNodes(t, tt.policy, tt.mode, tt.one)
			onA, onB := n.subscribe(t, n.a, tt.messages), n.subscribe(t, n.b, tt.messages)
			sent := n.publish(t, tt.user, tt.messages)
			received := make(map[string][]delivered)
			for site, from := range map[string]<-chan delivered{"a": onA, "b": onB} {
				for range tt.messages {
					received[site] = append(received[site], receive(t, "a delivery on "+site, from))
				}
			}
			hops := hops
			if tt.one {
				hops = nodeHops
			}
			for name, each := range hops {
				eventually(t, name+" for each message", func() bool { return n.graph.count(name) == tt.messages*each })
			}
			for site, all := range received {
				for _, d := range all {
					click := sent[d.body]
					at := trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{"traceparent": d.traceparent}))
					if !n.graph.reaches(at.SpanID(), click.SpanID()) {
						t.Fatalf("%s: message %s has the traceparent %q, which does not lead to %v", site, d.body, d.traceparent, click)
					}
					if got := at.TraceID() == click.TraceID(); got != tt.oneTrace {
						t.Fatalf("%s: message %s is in the trace %v, sent in %v", site, d.body, at.TraceID(), click.TraceID())
					}
				}
			}
			if len(n.graph.names) != len(hops) {
				t.Errorf("spans %v", n.graph.names)
			}
		})
	}
}

// What leaves for other nodes passes Sending, also where it is for a user.
func TestSendingSeesWhatLeaves(t *testing.T) {
	var seen []string
	node := headrace.New(headrace.Config{Backplane: messagetest.NewBackplane(), Sending: []message.RawInterceptor{func(next message.RawHandler) message.RawHandler {
		return message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
			seen = append(seen, m.Destination)
			return next.Handle(ctx, m)
		})
	}}})
	defer node.Close()
	for _, dest := range []string{"/topic/a", "/user/kim/queue/a"} {
		if err := node.Template.Send(t.Context(), dest, "1"); err != nil {
			t.Error(err)
		}
	}
	if want := []string{"/topic/a", "/user/kim/queue/a"}; !slices.Equal(seen, want) {
		t.Errorf("saw %q, want %q", seen, want)
	}
}
