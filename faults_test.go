package headrace_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/interceptor"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter"
)

// at returns an interceptor that calls f for the messages that are picked.
func at(picked func(message.Raw) bool, f func() error) message.RawInterceptor {
	return interceptor.Around(func(ctx context.Context, m message.Raw, next message.RawHandler) error {
		if picked(m) {
			return f()
		}
		return next.Handle(ctx, m)
	})
}

func isBoom(m message.Raw) bool { return m.Kind == message.KindData && string(m.Payload) == "boom" }

func explode() error { panic("secret of the program") }

// A panic is an error of its message alone: its session is told that something
// went wrong inside, all others go on.
func TestPanicOnTheWayIn(t *testing.T) {
	for name, wire := range map[string]func(*headrace.Node){
		"endpoint": func(n *headrace.Node) {
			handler.Consume(n.Router, "/other", func(context.Context, string) error { return explode() })
		},
		"interceptor of the endpoint": func(n *headrace.Node) {
			handler.Handle(n.Router, "/other", echo, handler.Interceptors(at(isBoom, explode)))
		},
		"interceptor of the router": func(n *headrace.Node) {
			handler.Handle(n.Router, "/other", echo)
			n.Router.Use(at(isBoom, explode))
		},
		"send side of Inbound": func(n *headrace.Node) {
			handler.Handle(n.Router, "/other", echo)
			n.Inbound.Intercept(at(isBoom, explode))
		},
		"around a subscriber of Inbound": func(n *headrace.Node) {
			handler.Handle(n.Router, "/other", echo, handler.SendToSession("/queue/none"))
			n.Inbound.Subscribe(message.HandlerFunc[[]byte](func(context.Context, message.Raw) error { return nil }), at(isBoom, explode))
		},
		"send side of BrokerChannel": func(n *headrace.Node) {
			handler.Handle(n.Router, "/other", echo)
			n.BrokerChannel.Intercept(at(isBoom, explode))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, setup{wire: func(n *headrace.Node) {
				handler.Handle(n.Router, "/echo", echo)
				wire(n)
			}})
			bad, good := s.connect(), s.connect()
			good.subscribe("echo", "/topic/echo")
			bad.send(sendFrame("/app/echo", "", "before"))
			bad.send(sendFrame("/app/other", "r", "boom"))
			f := bad.wantError("internal error")
			wantNoInternals(t, f)
			if f.header["receipt-id"] != "r" || f.header["code"] != "internal" {
				t.Errorf("got %v", f)
			}
			good.wantMessage("echo", "before")
			good.send(sendFrame("/app/echo", "", "after"))
			good.wantMessage("echo", "after")
		})
	}
}

// A panic on Outbound costs one delivery: neither the publisher nor the other
// subscribers notice.
func TestPanicOnTheWayOut(t *testing.T) {
	var victim atomic.Pointer[string]
	s := serve(t, setup{wire: func(n *headrace.Node) {
		n.Outbound.Intercept(at(func(m message.Raw) bool {
			id := victim.Load()
			return isBoom(m) && id != nil && m.Session.ID() == *id
		}, explode))
	}})
	bad := s.dial()
	id := bad.login()
	victim.Store(&id)
	good, publisher := s.connect(), s.connect()
	bad.subscribe("x", "/topic/x")
	good.subscribe("x", "/topic/x")
	for range 3 {
		publisher.send(sendFrame("/topic/x", "r", "boom"))
		publisher.wantReceipt("r")
		good.wantMessage("x", "boom")
	}
	publisher.send(sendFrame("/topic/x", "", "fine"))
	bad.wantMessage("x", "fine")
	good.wantMessage("x", "fine")
	eventually(t, "3 deliveries failed and 5 did not", func() bool {
		st := s.node.Stats().Broker
		return st.Failed == 3 && st.Delivered == 5
	})
}

// A vetoed CONNECT is all that a session ever does: what was sent behind it at
// once is never dispatched.
func TestConnectVeto(t *testing.T) {
	denied := message.Errorf(message.CodeDenied, "not you")
	isConnect := func(m message.Raw) bool { return m.Kind == message.KindConnect }
	for _, tc := range []struct {
		name    string
		veto    func() error
		want    string
		timeout time.Duration // of the login
	}{
		{"drop", func() error { return message.ErrDropped }, "message dropped", 0},
		{"authored error", func() error { return denied }, "not you", 0},
		{"error", func() error { return errors.New("secret of the program") }, "internal error", 0},
		{"panic", explode, "internal error", 0},
		{"nil", func() error { return nil }, "the login took too long", 100 * time.Millisecond},
	} {
		for side, mount := range map[string]func(*headrace.Node, message.RawInterceptor){
			"Inbound":  func(n *headrace.Node, i message.RawInterceptor) { n.Inbound.Intercept(i) },
			"Outbound": func(n *headrace.Node, i message.RawInterceptor) { n.Outbound.Intercept(i) },
		} {
			t.Run(tc.name+" on "+side, func(t *testing.T) {
				var handled atomic.Int64
				s := serve(t, setup{
					stomp: stompadapter.Config{LoginTimeout: tc.timeout},
					wire: func(n *headrace.Node) {
						mount(n, at(func(m message.Raw) bool {
							return isConnect(m) || m.Kind == message.KindConnected
						}, tc.veto))
						handler.Consume(n.Router, "/count", func(context.Context, string) error {
							handled.Add(1)
							return nil
						})
					},
				})
				c := s.dial()
				c.send(connectFrame + sendFrame("/app/count", "r1", "") + subscribeFrame("1", "/topic/x", "r2") + sendFrame("/topic/x", "r3", ""))
				wantNoInternals(t, c.wantError(tc.want)) // the first frame: no CONNECTED
				eventually(t, "the session is gone", func() bool { return s.stomp.Stats().Sessions == 0 })
				eventually(t, "the broker forgot it", func() bool {
					st := s.node.Stats()
					return st.Inbound.UnderWay == 0 && st.Broker.Sessions == 0 && st.Users.Sessions == 0
				})
				if st := s.node.Stats().Broker; handled.Load() != 0 || st.Subscriptions != 0 || st.Published != 0 {
					t.Errorf("handled %d messages, %+v: want nothing", handled.Load(), st)
				}
			})
		}
	}
}

// A veto of a SEND refuses its receipt and says why.
func TestSendVeto(t *testing.T) {
	for name, tc := range map[string]struct {
		err        error
		text, code string
	}{
		"drop":           {message.ErrDropped, "message dropped", "dropped"},
		"authored error": {message.Errorf(message.CodeDenied, "only in the morning"), "only in the morning", "denied"},
		"wrapped cause":  {message.Errorf(message.CodeDenied, "no").WithCause(errors.New("secret")), "no", "denied"},
		"error":          {errors.New("secret of the program"), "internal error", "internal"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, setup{wire: func(n *headrace.Node) {
				n.Inbound.Intercept(at(isBoom, func() error { return tc.err }))
			}})
			good, bad := s.connect(), s.connect()
			good.subscribe("x", "/topic/x")
			bad.send(sendFrame("/topic/x", "r1", "fine") + sendFrame("/topic/x", "r2", "boom") + sendFrame("/topic/x", "r3", "late"))
			bad.wantReceipt("r1")
			f := bad.wantError(tc.text)
			if f.header["receipt-id"] != "r2" || f.header["code"] != tc.code {
				t.Errorf("got %v", f)
			}
			good.wantMessage("x", "fine")
			if tc.code != "dropped" {
				wantNoInternals(t, f)
			}
		})
	}
}
