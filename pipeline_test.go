package headrace_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/interceptor"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter"
	"github.com/headrace/headrace/transport"
)

// goroutine returns the number of the goroutine that calls it.
func goroutine() string {
	buf := make([]byte, 64)
	return string(bytes.Fields(buf[:runtime.Stack(buf, false)])[1])
}

// track notes in which order mounts see a message, and on which goroutine.
type track struct {
	mu    sync.Mutex
	lines []string
	on    map[string]string // goroutine of each mount
}

func (tr *track) at(mount string) message.RawInterceptor {
	return interceptor.Around(func(ctx context.Context, m message.Raw, next message.RawHandler) error {
		if m.Kind != message.KindData {
			return next.Handle(ctx, m)
		}
		tr.note("> " + mount)
		tr.mu.Lock()
		tr.on[mount] = goroutine()
		tr.mu.Unlock()
		err := next.Handle(ctx, m)
		tr.note("< " + mount)
		return err
	})
}

func (tr *track) note(line string) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.lines = append(tr.lines, line)
}

func (tr *track) before(a, b string) bool {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return slices.Index(tr.lines, a) < slices.Index(tr.lines, b)
}

// Interceptors on the send side run on the sender's goroutine and around the
// send alone; everything behind the channel runs on one worker, nested.
func TestInterceptorsOnEveryMount(t *testing.T) {
	tr := &track{on: make(map[string]string)}
	s := serve(t, setup{wire: func(n *headrace.Node) {
		n.Inbound.Intercept(tr.at("send 1"), tr.at("send 2"))
		n.Router.Use(tr.at("router"))
		handler.Handle(n.Router, "/echo", func(_ context.Context, text string) (string, error) {
			tr.note("endpoint")
			return text, nil
		}, handler.Interceptors(tr.at("route")))
		n.BrokerChannel.Intercept(tr.at("broker"))
		n.Outbound.Intercept(tr.at("outbound"))
	}})
	c := s.connect()
	c.subscribe("echo", "/topic/echo")
	c.send(sendFrame("/app/echo", "r", "x"))
	c.wantMessage("echo", "x")
	c.wantReceipt("r")
	// The sender may note its way back late.
	eventually(t, "the sender returned", func() bool { return !tr.before("< send 1", "> send 1") })

	tr.mu.Lock()
	isSend := func(line string) bool {
		return slices.Contains([]string{"> send 1", "> send 2", "< send 2", "< send 1"}, line)
	}
	lines := slices.DeleteFunc(slices.Clone(tr.lines), isSend)
	sends := slices.DeleteFunc(slices.Clone(tr.lines), func(line string) bool { return !isSend(line) })
	on := tr.on
	tr.mu.Unlock()
	if want := []string{"> send 1", "> send 2", "< send 2", "< send 1"}; !slices.Equal(sends, want) {
		t.Errorf("send side %q, want %q", sends, want)
	}
	want := []string{"> router", "> route", "endpoint", "> broker", "> outbound", "< outbound", "< broker", "< route", "< router"}
	if !slices.Equal(lines, want) {
		t.Errorf("behind the channel %q, want %q", lines, want)
	}
	if on["send 1"] != on["send 2"] || on["send 1"] == on["router"] {
		t.Errorf("the send side ran on %s and %s, the router on %s", on["send 1"], on["send 2"], on["router"])
	}
	for _, mount := range []string{"route", "broker", "outbound"} {
		if on[mount] != on["router"] {
			t.Errorf("%s ran on goroutine %s, the router on %s", mount, on[mount], on["router"])
		}
	}
}

// What Template sends passes BrokerChannel and Outbound on the caller's goroutine.
func TestTemplateRunsOnTheCallersGoroutine(t *testing.T) {
	tr := &track{on: make(map[string]string)}
	s := serve(t, setup{wire: func(n *headrace.Node) {
		n.BrokerChannel.Intercept(tr.at("broker"))
		n.Outbound.Intercept(tr.at("outbound"))
	}})
	c := s.connect()
	c.subscribe("x", "/topic/x")
	if err := s.node.Template.Send(t.Context(), "/topic/x", "hello"); err != nil {
		t.Fatal(err)
	}
	c.wantMessage("x", "hello")
	if here := goroutine(); tr.on["broker"] != here || tr.on["outbound"] != here {
		t.Errorf("ran on %v, the caller on %s", tr.on, here)
	}
}

// What the handshake found out reaches the endpoint: the principal, the
// attributes and the values of the request's context.
func TestHandshakeReachesTheEndpoint(t *testing.T) {
	config := stompadapter.Config{Transport: transport.Config{Handshake: transport.Handshake{
		Principal: byHeader,
		Hooks: []func(*http.Request, map[string]any) error{func(r *http.Request, attributes map[string]any) error {
			attributes["path"] = r.URL.Path
			return nil
		}},
	}}}
	type mark struct{}
	s := serve(t, setup{stomp: config, wire: func(n *headrace.Node) {
		n.Inbound.Intercept(interceptor.Around(func(ctx context.Context, m message.Raw, next message.RawHandler) error {
			return next.Handle(context.WithValue(ctx, mark{}, "of the sender"), m)
		}))
		handler.Handle(n.Router, "/who", func(ctx context.Context, r handler.Request[string]) (string, error) {
			path, _ := r.Session.Attribute("path")
			user := "nobody"
			if p := r.User(); p != nil {
				user = p.Name()
			}
			return fmt.Sprintf("%s at %v by %s: %v, %v, %v", user, path, r.Session.Transport(),
				ctx.Value(contextKey{}), r.Session.Context().Value(contextKey{}), ctx.Value(mark{})), nil
		}, handler.SendToSession("/queue/me"))
	}})
	for user, name := range map[string]string{"kim": "kim", "": "nobody"} {
		c := s.connectAs(user)
		c.subscribe("me", "/user/queue/me")
		c.send(sendFrame("/app/who", "", "?"))
		c.wantMessage("me", name+" at /ws by websocket: of the server, of the server, of the sender")
	}
}

// An interceptor may say who the session belongs to while it handles CONNECT.
func TestLoginByInterceptor(t *testing.T) {
	s := serve(t, setup{wire: func(n *headrace.Node) {
		secrets(n)
		n.Inbound.Intercept(interceptor.Around(func(ctx context.Context, m message.Raw, next message.RawHandler) error {
			if m.Kind == message.KindConnect {
				if m.Header.Get("passcode") != "open" {
					return message.Errorf(message.CodeUnauthenticated, "wrong passcode")
				}
				m.Session.SetUser(message.User(m.Header.Get("login")))
			}
			return next.Handle(ctx, m)
		}))
	}})
	c := s.dial()
	c.send("CONNECT\naccept-version:1.2\nhost:h\nlogin:kim\npasscode:open\n\n\x00")
	if f := c.want("CONNECTED"); f.header["user-name"] != "kim" {
		t.Errorf("got %v", f)
	}
	c.subscribe("own", "/user/queue/mine")
	if err := s.node.Template.SendToUser(t.Context(), "kim", "/queue/mine", "hello"); err != nil {
		t.Fatal(err)
	}
	c.wantMessage("own", "hello")

	bad := s.dial()
	bad.send("CONNECT\naccept-version:1.2\nhost:h\nlogin:kim\npasscode:shut\n\n\x00")
	bad.wantError("wrong passcode")
}
