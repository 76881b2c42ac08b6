package headrace_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter"
	"github.com/headrace/headrace/transport"
)

// endings notes why sessions ended.
type endings struct {
	mu      sync.Mutex
	reasons map[string][]error // by session id
}

func (e *endings) wire(n *headrace.Node) {
	e.reasons = make(map[string][]error)
	channel.SubscribeFunc(n.Events, func(_ context.Context, m message.Message[broker.Event]) error {
		if m.Payload.Kind == broker.Disconnected {
			e.mu.Lock()
			defer e.mu.Unlock()
			id := m.Session.ID()
			e.reasons[id] = append(e.reasons[id], m.Payload.Reason)
		}
		return nil
	})
}

func (e *endings) of(id string) []error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.reasons[id]
}

// A client that publishes into a subscription of its own and reads nothing is
// cut when its budget is full. It blocks neither the server nor others.
func TestOwnFullSubscription(t *testing.T) {
	var ends endings
	s := serve(t, setup{
		stomp: stompadapter.Config{Transport: transport.Config{OutboxBytes: 64 << 10, WriteTimeout: time.Minute}},
		wire: func(n *headrace.Node) {
			ends.wire(n)
			handler.Handle(n.Router, "/echo", echo)
		},
	})
	good := s.connect()
	good.subscribe("echo", "/topic/echo")

	greedy := s.dialSmall()
	id := greedy.login()
	greedy.subscribe("own", "/topic/own")
	f := []byte(sendFrame("/topic/own", "", strings.Repeat("x", 8<<10)))
	greedy.ws.SetWriteDeadline(time.Now().Add(20 * time.Second))
	var err error
	for n := 0; err == nil; n++ { // never reads
		if n == 8<<10 {
			t.Fatal("64 MiB wait for a client with a budget of 64 KiB")
		}
		err = greedy.ws.WriteMessage(websocket.TextMessage, f)
		if n%16 == 0 {
			good.send(sendFrame("/app/echo", "", "alive"))
			good.wantMessage("echo", "alive")
		}
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		t.Fatal("the client was blocked and not cut")
	}
	eventually(t, "the end is told", func() bool { return len(ends.of(id)) > 0 })
	if got := ends.of(id); len(got) != 1 || !errors.Is(got[0], transport.ErrSlow) {
		t.Errorf("ended with %v, want once with ErrSlow", got)
	}
	eventually(t, "nothing of it is left", func() bool {
		st := s.node.Stats()
		return st.Broker.Sessions == 1 && st.Broker.Subscriptions == 1 && st.Inbound.UnderWay == 0
	})
	good.send(sendFrame("/app/echo", "", "after"))
	good.wantMessage("echo", "after")
	eventually(t, "it is counted", func() bool { return s.stomp.Stats().Transport.Closed["buffer_limit"] == 1 })
}

// dialSmall connects with small socket buffers, so that little fills them.
func (s *site) dialSmall() *client {
	s.t.Helper()
	d := websocket.Dialer{NetDialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		nc, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err == nil {
			// Less than a few segments of the loopback would let both ends wait for the other's window.
			err = nc.(*net.TCPConn).SetReadBuffer(128 << 10)
		}
		return nc, err
	}}
	ws, _, err := d.Dial("ws://"+s.addr+"/ws", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { ws.Close() })
	return &client{t: s.t, ws: ws}
}
