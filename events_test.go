package headrace_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/transport"
)

// diary notes the events of a node.
type diary struct {
	mu     sync.Mutex
	events []broker.Event
}

func (d *diary) wire(n *headrace.Node) {
	channel.SubscribeFunc(n.Events, func(_ context.Context, m message.Message[broker.Event]) error {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.events = append(d.events, m.Payload)
		return nil
	})
}

// of returns the events of a session in words, and why it ended.
func (d *diary) of(id string) (lines []string, reason error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range d.events {
		if e.Session == nil || e.Session.ID() != id {
			continue
		}
		switch e.Kind {
		case broker.Connected:
			lines = append(lines, "connected")
		case broker.Subscribed:
			lines = append(lines, fmt.Sprintf("subscribed %s to %s", e.Subscription, e.Destination))
		case broker.Unsubscribed:
			lines = append(lines, fmt.Sprintf("unsubscribed %s from %s", e.Subscription, e.Destination))
		case broker.Disconnected:
			lines, reason = append(lines, "disconnected"), e.Reason
		}
	}
	return lines, reason
}

// However a session ends, its end is told once, last, with the reason.
func TestEvents(t *testing.T) {
	isLost := func(err error) bool { return errors.Is(err, transport.ErrLost) }
	isNil := func(err error) bool { return err == nil }
	hasCode := func(code message.Code) func(error) bool {
		return func(err error) bool { return err != nil && message.Public(err).Code == code }
	}
	gone := message.Errorf(message.CodeDenied, "you are out")
	for _, tc := range []struct {
		name   string
		end    func(*site, *client)
		reason func(error) bool
	}{
		{"DISCONNECT", func(_ *site, c *client) {
			c.send("DISCONNECT\nreceipt:bye\n\n\x00")
			c.wantReceipt("bye")
			c.wantClosed()
		}, isNil},
		{"close frame", func(_ *site, c *client) {
			c.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""), time.Now().Add(time.Second))
			c.wantClosed()
		}, isNil},
		{"connection reset", func(_ *site, c *client) {
			c.ws.NetConn().(*net.TCPConn).SetLinger(0)
			c.ws.NetConn().Close()
		}, isLost},
		{"connection closed", func(_ *site, c *client) { c.ws.NetConn().Close() }, isLost},
		{"ERROR", func(_ *site, c *client) {
			c.send(sendFrame("/nowhere", "", ""))
			c.want("ERROR")
			c.wantClosed()
		}, hasCode(message.CodeNotFound)},
		{"closed by an endpoint", func(_ *site, c *client) {
			c.send(sendFrame("/app/leave", "", ""))
			c.wantError("you are out")
		}, func(err error) bool { return errors.Is(err, gone) }},
		{"Shutdown", func(s *site, c *client) {
			s.end()
			c.wantClosed()
		}, func(err error) bool { return errors.Is(err, transport.ErrShutdown) }},
		{"Close", func(s *site, _ *client) { s.stomp.Close() }, func(err error) bool { return errors.Is(err, transport.ErrShutdown) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var d diary
			s := serve(t, setup{wire: func(n *headrace.Node) {
				d.wire(n)
				handler.Consume(n.Router, "/leave", func(_ context.Context, r handler.Request[struct{}]) error {
					r.Session.Close(gone)
					return nil
				})
			}})
			c := s.dial()
			id := c.login()
			c.subscribe("1", "/topic/a")
			c.subscribe("2", "/topic/*")
			c.send("UNSUBSCRIBE\nid:1\nreceipt:u\n\n\x00")
			c.wantReceipt("u")
			tc.end(s, c)
			eventually(t, "the end", func() bool {
				lines, _ := d.of(id)
				return slices.Contains(lines, "disconnected")
			})
			if err := s.stop(); err != nil { // nothing comes after that
				t.Error(err)
			}
			want := []string{"connected", "subscribed 1 to /topic/a", "subscribed 2 to /topic/*", "unsubscribed 1 from /topic/a", "disconnected"}
			got, reason := d.of(id)
			if !slices.Equal(got, want) {
				t.Errorf("events %q, want %q", got, want)
			}
			if !tc.reason(reason) {
				t.Errorf("reason %v", reason)
			}
		})
	}
}

// An interceptor that turns a session away, or keeps its last message to itself, does
// not keep it from ending, whichever side of the channel it stands on.
func TestRefusedDisconnect(t *testing.T) {
	for name, veto := range map[string]func() error{
		"drop":  func() error { return message.ErrDropped },
		"error": func() error { return message.Errorf(message.CodeDenied, "token expired") },
		"nil":   func() error { return nil },
		"panic": explode,
	} {
		for _, mount := range []string{"Inbound", "Handling"} {
			t.Run(name+" on "+mount, func(t *testing.T) {
				var d diary
				var expired atomic.Bool
				turnAway := at(func(message.Raw) bool { return expired.Load() }, veto)
				config := setup{stomp: withUsers(), wire: func(n *headrace.Node) {
					d.wire(n)
					if mount == "Inbound" {
						n.Inbound.Intercept(turnAway)
					}
				}}
				if mount == "Handling" {
					config.node.Handling = []message.RawInterceptor{turnAway}
				}
				s := serve(t, config)
				c := s.dialAs("kim")
				id := c.login()
				c.subscribe("1", "/topic/a")
				c.subscribe("2", "/user/queue/a")
				c.send("BEGIN\ntransaction:t\nreceipt:b\n\n\x00")
				c.wantReceipt("b")
				expired.Store(true)
				c.ws.Close()
				eventually(t, "nothing is left", func() bool {
					st := s.node.Stats()
					return st.Broker.Sessions == 0 && st.Broker.Subscriptions == 0 && st.Users.Sessions == 0 && st.Transactions.Open == 0
				})
				if err := s.stop(); err != nil {
					t.Error(err)
				}
				got, _ := d.of(id)
				if want := []string{"connected", "subscribed 1 to /topic/a", "disconnected"}; !slices.Equal(got[:2], want[:2]) || got[len(got)-1] != want[2] {
					t.Errorf("events %q, want %q", got, want)
				}
				if n := len(slices.DeleteFunc(got, func(line string) bool { return line != "disconnected" })); n != 1 {
					t.Errorf("its end is told %d times", n)
				}
			})
		}
	}
}

// What fails about a session's last message is logged, for nobody is told, and who
// asks for its outcome is told when the session is forgotten.
func TestFailedDisconnect(t *testing.T) {
	var log strings.Builder
	node := headrace.New(headrace.Config{
		Logger:   slog.New(slog.NewTextHandler(&log, nil)),
		Handling: []message.RawInterceptor{at(func(m message.Raw) bool { return m.Kind == message.KindDisconnect }, explode)},
	})
	defer node.Close()
	handler.Consume(node.Router, "/stuck", func(ctx context.Context, _ []byte) error {
		<-ctx.Done()
		return nil
	})
	connect := func() message.Raw {
		m := message.Raw{Kind: message.KindConnect, Session: message.NewSession(new(inbox), message.SessionInfo{})}
		if err := handled(t, node, m); err != nil {
			t.Fatal(err)
		}
		m.Kind = message.KindDisconnect
		return m
	}
	if err := node.Handle(t.Context(), connect()); err != nil {
		t.Error(err)
	}
	eventually(t, "it is over", func() bool { return node.Stats().Inbound.UnderWay == 0 })
	got := log.String()
	if strings.Count(got, "message failed") != 1 || !strings.Contains(got, "kind=disconnect") || !strings.Contains(got, "stack=") {
		t.Errorf("logged %q", got)
	}
	if err := handled(t, node, connect()); err == nil || node.Stats().Broker.Sessions != 0 {
		t.Errorf("told %v with %d sessions", err, node.Stats().Broker.Sessions)
	}
	eventually(t, "it is over", func() bool { return node.Stats().Inbound.UnderWay == 0 })
	if log.String() != got {
		t.Errorf("somebody was told, and it was logged: %q", log.String())
	}
	stuck := connect()
	stuck.Kind = message.KindData
	stuck.Destination = "/app/stuck"
	last := stuck
	last.Kind = message.KindDisconnect
	for _, m := range []message.Raw{stuck, last} {
		if err := node.Handle(t.Context(), m); err != nil {
			t.Error(err)
		}
	}
	node.Close() // gives up what waits behind it
	if rest := strings.TrimPrefix(log.String(), got); strings.Contains(rest, "kind=disconnect") || node.Stats().Broker.Sessions != 0 {
		t.Errorf("%d sessions, logged %q", node.Stats().Broker.Sessions, rest)
	}
}

// What panics or fails in a listener is not the session's.
func TestEventListenersCannotHurt(t *testing.T) {
	s := serve(t, setup{wire: func(n *headrace.Node) {
		channel.SubscribeFunc(n.Events, func(_ context.Context, m message.Message[broker.Event]) error {
			if m.Payload.Kind == broker.Subscribed {
				panic("listener")
			}
			return errors.New("listener")
		})
	}})
	c := s.connect()
	c.subscribe("x", "/topic/x")
	c.send(sendFrame("/topic/x", "", "fine"))
	c.wantMessage("x", "fine")
}

// Cycles of sessions leave nothing behind; goleak looks for their goroutines.
func TestNothingIsLeftOfSessions(t *testing.T) {
	s := serve(t, setup{stomp: withUsers(), wire: echoes})
	var all sync.WaitGroup
	for worker := range 10 {
		all.Go(func() {
			for cycle := range 100 {
				s.cycle(t, worker+cycle)
			}
		})
	}
	all.Wait()
	eventually(t, "nothing is left", func() bool {
		st, adapter := s.node.Stats(), s.stomp.Stats()
		return st.Broker.Sessions == 0 && st.Broker.Subscriptions == 0 && st.Users.Sessions == 0 && st.Users.Users == 0 &&
			st.Inbound.UnderWay == 0 && adapter.Sessions == 0 && adapter.Transport.Open == 0 && adapter.Transport.QueuedBytes == 0
	})
	if got := s.stomp.Stats().Transport.Total; got != 1000 {
		t.Errorf("%d connections, want 1000", got)
	}
}

// cycle is the life of one session. It ends in one of three ways.
func (s *site) cycle(t *testing.T, n int) {
	ws, _, err := websocket.DefaultDialer.Dial("ws://"+s.addr+"/ws", map[string][]string{"X-User": {fmt.Sprint("user", n%7)}})
	if err != nil {
		t.Error(err)
		return
	}
	defer ws.Close()
	c := &client{t: t, ws: ws}
	frames := connectFrame + subscribeFrame("1", "/topic/a", "") + subscribeFrame("2", "/topic/b/**", "") + subscribeFrame("3", "/user/queue/c", "r")
	switch n % 3 {
	case 1:
		frames += "DISCONNECT\n\n\x00"
	case 2:
		frames += "NONSENSE\n\n\x00"
	}
	if err := ws.WriteMessage(websocket.TextMessage, []byte(frames)); err != nil {
		t.Error(err)
		return
	}
	for { // read to the end, or to the last receipt where this side hangs up
		f, ok := c.next()
		if !ok || n%3 == 0 && f.command == "RECEIPT" && f.header["receipt-id"] == "r" {
			return
		}
	}
}
