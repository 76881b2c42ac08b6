package headrace_test

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/interceptor"
	"github.com/headrace/headrace/jsonadapter"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/messagetest"
	"github.com/headrace/headrace/sseadapter"
	"github.com/headrace/headrace/stompadapter"
	"github.com/headrace/headrace/stompadapter/sockjs"
	"github.com/headrace/headrace/transport"
)

// wideOpen is a node with everything that opens a door, and its adapters.
func wideOpen(t *testing.T, logger *slog.Logger) (*headrace.Node, []headrace.Adapter) {
	policy := interceptor.NewPolicy(interceptor.PolicyConfig{},
		interceptor.Allow(interceptor.Send, "/app/trade", interceptor.Role("trader")),
		interceptor.Allow(interceptor.Send, "/topic/chat", interceptor.Role("trader")))
	node := headrace.New(headrace.Config{
		MaxSubscriptions: -1, MaxPatternCost: -1, MaxDestination: -1, MaxStored: -1,
		Doors:  policy.Doors(),
		Logger: logger,
	})
	anyPage := transport.Config{Handshake: transport.Handshake{NoOriginCheck: true, AllowedOrigins: []string{"https://*.example.com"}}, MaxConnections: -1}
	subdomains := transport.Config{Handshake: transport.Handshake{
		AllowedOrigins: []string{"https://example.com", "https://*.example.com"}, Principal: byHeader,
	}}
	open := transport.WebSocketConfig{Compression: true, MessageBytes: -1, IdleTimeout: -1}
	stomp := stompadapter.New(node.Inbound, stompadapter.Config{
		Transport: subdomains, WebSocket: open, Lenient: true,
		SockJS:    sockjs.MountConfig{HTMLFile: true, JSONP: true, NoAddressCheck: true},
		Heartbeat: stompadapter.HeartbeatConfig{Receive: -1},
		Logger:    logger,
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	_ = stomp.ServeTCP(listener) // returns at once, and was there
	return node, []headrace.Adapter{
		stomp,
		jsonadapter.New(node.Inbound, jsonadapter.Config{Transport: anyPage, WebSocket: open, Logger: logger}),
		sseadapter.New(node.Inbound, sseadapter.Config{MessageBytes: -1, Logger: logger}),
	}
}

// TestDoors: the report of a program that opens what can be opened names every door,
// who opens it and what for; that of one that opens nothing has what is open without
// its doing.
func TestDoors(t *testing.T) {
	quiet := slog.New(slog.DiscardHandler)
	node, adapters := wideOpen(t, quiet)
	defer node.Close()
	report := regexp.MustCompile(`\(\S*doors_test.go:\d+\)`).ReplaceAllString(node.Doors(adapters...).String(), "(the policy)")
	const want = `open doors: 26
  clients may send and subscribe whatever the policy says, for no Authorize is mounted (the policy)
  clients may receive whatever the policy says, for no AuthorizeDelivery is mounted (the policy)
  clients may send past the program: to /topic/chat, which reaches below /topic (the policy)
  clients may send to and receive from /app, /topic, /queue, /user whatever no interceptor refuses (headrace.Config.Gate)
  a session may have any number of subscriptions (headrace.Config.MaxSubscriptions)
  clients may subscribe to patterns of any cost (headrace.Config.MaxPatternCost)
  destinations may be of any length (headrace.Config.MaxDestination)
  any amount of memory may wait at the broker (headrace.Config.MaxStored)
  pages of every host like https://*.example.com may connect (stompadapter.Config.Transport.Handshake.AllowedOrigins)
  clients may compress what they send (stompadapter.Config.WebSocket.Compression)
  messages may be of any size (stompadapter.Config.WebSocket.MessageBytes)
  clients that are silent, or gone, stay (stompadapter.Config.WebSocket.IdleTimeout)
  pages may listen by htmlfile, whose answers are documents with scripts (stompadapter.Config.SockJS.HTMLFile)
  pages may listen and send by jsonp, whose answers are scripts (stompadapter.Config.SockJS.JSONP)
  who knows the session of a client without a name may continue it from another address (stompadapter.Config.SockJS.NoAddressCheck)
  who is not logged in may connect over TCP, unless an interceptor refuses it (stompadapter.Config.TCP.Principal)
  clients may send frames that the specification forbids (stompadapter.Config.Lenient)
  clients over TCP that are silent, or gone, stay (stompadapter.Config.Heartbeat.Receive)
  pages of every origin may connect, with the cookies of whoever visits them (jsonadapter.Config.Transport.Handshake.NoOriginCheck)
  who is not logged in may connect, unless an interceptor refuses it (jsonadapter.Config.Transport.Handshake.Principal)
  any number of connections may be open (jsonadapter.Config.Transport.MaxConnections)
  clients may compress what they send (jsonadapter.Config.WebSocket.Compression)
  messages may be of any size (jsonadapter.Config.WebSocket.MessageBytes)
  clients that are silent, or gone, stay (jsonadapter.Config.WebSocket.IdleTimeout)
  who is not logged in may connect, unless an interceptor refuses it (sseadapter.Config.Transport.Handshake.Principal)
  messages may be of any size (sseadapter.Config.MessageBytes)
`
	if report != want {
		t.Errorf("report:\n%s\nwant:\n%s", report, want)
	}

	policy := interceptor.Secure(interceptor.PolicyConfig{}, interceptor.Allow(interceptor.Send, "/app/trade"))
	shut := headrace.New(headrace.Config{Gate: []message.RawInterceptor{interceptor.AuthorizeDelivery(policy)}, Doors: policy.Doors()})
	defer shut.Close()
	const ajar = "clients may send and subscribe whatever the policy says, for no Authorize is mounted"
	if doors := shut.Doors(); len(doors) != 1 || doors[0].What != ajar {
		t.Errorf("without Authorize: %v", doors)
	}
	if err := messagetest.Connect(t, shut).TrySend("/topic/news", "anybody's"); err != nil {
		t.Errorf("without Authorize: %v", err) // as the report says
	}
	shut.Inbound.Intercept(interceptor.Authorize(policy))
	known := transport.Config{Handshake: transport.Handshake{Principal: byHeader}}
	for _, a := range []headrace.Adapter{
		stompadapter.New(shut.Inbound, stompadapter.Config{Transport: known}),
		jsonadapter.New(shut.Inbound, jsonadapter.Config{Transport: known}),
		sseadapter.New(shut.Inbound, sseadapter.Config{Transport: known}),
	} {
		if doors := shut.Doors(a); len(doors) != 0 {
			t.Errorf("%T by default: %v", a, doors)
		}
	}
}

// Destinations of relays are as open as those of the embedded broker.
func TestDoorsOfRelays(t *testing.T) {
	for want, prefixes := range map[string][]string{
		"/app, /topic, /queue, /exchange, /user": {"/topic", "/queue", "/exchange"},
		"/app, /queue, /user, /topic":            {"/user", "/topic"},
	} {
		node := headrace.New(headrace.Config{Relays: []headrace.Relay{relayTo(new(beside), prefixes...)}})
		defer node.Close()
		want = "clients may send to and receive from " + want + " whatever no interceptor refuses"
		if doors := node.Doors(); len(doors) != 1 || doors[0].What != want {
			t.Errorf("%v, want %q", doors, want)
		}
	}
}

// What stands in the gate may refuse nothing, so it closes no door by itself.
func TestDoorsBehindTheGate(t *testing.T) {
	node := headrace.New(headrace.Config{Gate: []message.RawInterceptor{interceptor.Recover[[]byte]}})
	defer node.Close()
	const want = `open doors: 1
  clients may send to and receive from /app, /topic, /queue, /user whatever no interceptor refuses (headrace.Config.Doors)
`
	if report := node.Doors().String(); report != want {
		t.Errorf("report:\n%s\nwant:\n%s", report, want)
	}
}

// Serve logs the report, a line for each door, before it takes the first client.
func TestServeLogsDoors(t *testing.T) {
	var log strings.Builder
	node, adapters := wideOpen(t, slog.New(slog.NewTextHandler(&log, nil)))
	ctx, stop := context.WithCancel(t.Context())
	lines := make(chan string, 1)
	server := &http.Server{Addr: "127.0.0.1:0", BaseContext: func(net.Listener) context.Context {
		lines <- log.String()
		stop()
		return ctx
	}}
	if err := node.Serve(ctx, server, adapters...); err != nil {
		t.Error(err)
	}
	logged, doors := <-lines, node.Doors(adapters...)
	for _, door := range doors {
		if !strings.Contains(logged, `level=INFO msg="open door" what="`+door.What+`" where=`+door.Where+"\n") {
			t.Errorf("%q is not in\n%s", door.What, logged)
		}
	}
	if n := strings.Count(logged, "\n"); n != len(doors) {
		t.Errorf("%d lines for %d doors", n, len(doors))
	}
}
