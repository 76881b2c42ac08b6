package e2e_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/interceptor"
	"github.com/headrace/headrace/interceptor/telemetry"
	"github.com/headrace/headrace/jsonadapter"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/sseadapter"
	"github.com/headrace/headrace/stompadapter"
)

// TestPages runs the JavaScript of the pages in docs/ against a server as they describe it.
func TestPages(t *testing.T) {
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close) // when the adapters have ended what it serves
	n := headrace.New(headrace.Config{
		Rules:    []broker.Rule{{Prefix: "/queue", Mode: broker.Queue}},
		Handling: []message.RawInterceptor{telemetry.Trace[[]byte]},
	})
	t.Cleanup(n.Close)
	n.Inbound.Intercept(interceptor.Authenticate(interceptor.AuthenticateConfig{Check: good, Anonymous: true}), telemetry.TraceSend)
	n.BrokerChannel.Intercept(telemetry.TraceSend)
	type trade struct {
		Shares int `json:"shares"`
	}
	handler.Handle(n.Router, "/trade", func(_ context.Context, t trade) (trade, error) { return t, nil },
		handler.SendTo("/topic/trade", "/queue/jobs"))
	stomp := stompadapter.New(n.Inbound, stompadapter.Config{})
	t.Cleanup(stomp.Close)
	plain := jsonadapter.New(n.Inbound, jsonadapter.Config{})
	t.Cleanup(plain.Close)
	events := sseadapter.New(n.Inbound, sseadapter.Config{})
	t.Cleanup(events.Close)
	mux.Handle("/ws", stomp.WebSocket())
	mux.Handle("/portfolio/", stomp.SockJS())
	mux.Handle("/json", plain.WebSocket())
	mux.Handle("/events", events.Events())

	docs, err := filepath.Abs("../../docs")
	if err != nil {
		t.Fatal(err)
	}
	script := node(t, "pages.js", docs, strings.TrimPrefix(server.URL, "http://"))
	script.wait(t, unheard(t))
}

// good is a check that knows one token.
func good(_ context.Context, c interceptor.Credentials) (message.Principal, error) {
	if c.Token != "good" {
		return nil, nil
	}
	return message.User("kim"), nil
}
