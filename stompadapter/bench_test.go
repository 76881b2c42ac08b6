package stompadapter_test

import (
	"context"
	"fmt"
	"net"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter"
	"github.com/headrace/headrace/transport"
)

// BenchmarkDeliver is one delivery of a broadcast, up to the outbox.
func BenchmarkDeliver(b *testing.B) {
	deliver, _, end := deliverer(b)
	defer end()
	b.ReportAllocs()
	for b.Loop() {
		deliver()
	}
}

// BenchmarkAnchorSend is the anchor: the same frame handed to the same kind of
// outbox without a session and without the cache.
func BenchmarkAnchorSend(b *testing.B) {
	send, _, end := sender(b)
	defer end()
	b.ReportAllocs()
	for b.Loop() {
		send()
	}
}

// BenchmarkDeliverRatio compares the two in interleaved pairs.
func BenchmarkDeliverRatio(b *testing.B) {
	deliver, q1, end := deliverer(b)
	defer end()
	send, q2, stop := sender(b)
	defer stop()
	const pairs, calls = 200, 1000
	for b.Loop() {
		var ratios []float64
		for range pairs {
			ratios = append(ratios, float64(clock(deliver, q1, calls))/float64(clock(send, q2, calls)))
		}
		slices.Sort(ratios)
		b.ReportMetric(ratios[pairs/2], "x-anchor")
		b.ReportMetric(ratios[pairs/4], "q1")
		b.ReportMetric(ratios[pairs*3/4], "q3")
	}
}

// clock measures calls of f from the moment at which nothing waits for the
// flusher any more.
func clock(f func(), queued func() int, calls int) time.Duration {
	for queued() > 0 {
		runtime.Gosched()
	}
	began := time.Now()
	for range calls {
		f()
	}
	return time.Since(began)
}

// roomy holds all that a benchmark sends before the flusher comes round.
var roomy = transport.Config{OutboxBytes: 1 << 30}

func deliverer(b *testing.B) (deliver func(), queued func() int, end func()) {
	sessions := make(chan *message.Session, 1)
	a := stompadapter.New(message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
		if m.Kind == message.KindConnect {
			sessions <- m.Session
		}
		return accept(ctx, m)
	}), stompadapter.Config{Transport: roomy})
	server := httptest.NewServer(a.WebSocket())
	nc := dialRaw(b, server.URL)
	fmt.Fprint(nc, "\x81\xa8\x00\x00\x00\x00", "CONNECT\naccept-version:1.2\nhost:local\n\n\x00") // masked with zeros
	session := <-sessions
	m := delivery()
	for session.Deliver(b.Context(), m) != nil { // CONNECTED may be on its way
	}
	go discard(nc)
	return func() { session.Deliver(context.Background(), m) },
		func() int { return a.Stats().Transport.QueuedBytes },
		func() { nc.Close(); a.Close(); server.Close() }
}

type mute struct{}

func (mute) Receive([]byte) error { return nil }
func (mute) Closed(error)         {}

func sender(b *testing.B) (send func(), queued func() int, end func()) {
	conns := make(chan *transport.Conn, 1)
	s := transport.NewServer(roomy)
	server := httptest.NewServer(s.WebSocket(transport.WebSocketConfig{}, func(c *transport.Conn) transport.Protocol {
		conns <- c
		return mute{}
	}))
	nc := dialRaw(b, server.URL)
	c := <-conns
	go discard(nc)
	f := transport.NewFrame(transport.FramingWebSocket, []byte("MESSAGE\ndestination:/topic/a\nsubscription:s1\nmessage-id:m1\ncontent-length:5\n\nhello\x00"))
	return func() { c.Send(f) }, func() int { return s.Stats().QueuedBytes }, func() { nc.Close(); s.Close(); server.Close() }
}

func dialRaw(b *testing.B, url string) net.Conn {
	ws, _, err := websocket.DefaultDialer.Dial(strings.Replace(url, "http", "ws", 1), nil)
	if err != nil {
		b.Fatal(err)
	}
	return ws.NetConn()
}
