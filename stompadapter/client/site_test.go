package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter"
	"github.com/headrace/headrace/stompadapter/client"
	"github.com/headrace/headrace/transport"
)

// newSite is a STOMP server over WebSocket: adapter, executor channel, broker.
// Destinations under /secret are denied.
func newSite(rules ...broker.Rule) (*stompadapter.Adapter, func()) {
	inbound := channel.NewExecutorChannel(channel.Config[[]byte]{Name: "inbound"})
	outbound := new(channel.DirectChannel[[]byte])
	channel.SubscribeFunc(outbound, func(ctx context.Context, m message.Raw) error { return m.Session.Deliver(ctx, m) })
	memory := broker.NewMemory(outbound, broker.Config{Rules: rules})
	channel.SubscribeFunc(inbound, func(ctx context.Context, m message.Raw) error {
		if strings.HasPrefix(m.Destination, "/secret") {
			return message.Errorf(message.CodeDenied, "not for you")
		}
		return memory.Handle(ctx, m)
	})
	adapter := stompadapter.New(inbound, stompadapter.Config{
		WebSocket: transport.WebSocketConfig{MessageBytes: 8 << 10}, // as Tomcat has it
	})
	return adapter, func() {
		adapter.Close()
		inbound.Close()
		memory.Close()
	}
}

func TestAgainstOurServer(t *testing.T) {
	for _, scheme := range []string{"ws", "wss"} {
		t.Run(scheme, func(t *testing.T) {
			adapter, stop := newSite()
			defer stop()
			server := httptest.NewUnstartedServer(adapter.WebSocket())
			config := client.Config{}
			if scheme == "wss" {
				server.StartTLS()
				config.TLS = server.Client().Transport.(*http.Transport).TLSClientConfig
			} else {
				server.Start()
			}
			defer server.Close()
			config.URL = scheme + "://" + server.Listener.Addr().String() + "/"
			c, err := client.Dial(t.Context(), config)
			if err != nil {
				t.Fatal(err)
			}
			conversation(t, c)
			if err := c.Close(t.Context()); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
	}
}

func conversation(t *testing.T, c *client.Client) {
	ctx := t.Context()
	got := make(chan string, 10)
	news, err := c.Subscribe(ctx, "/topic/*", client.SubscribeConfig{}, func(_ context.Context, m message.Raw) error {
		got <- fmt.Sprintf("%s %s %q", m.Destination, m.Header.Get("content-type"), m.Payload)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.Send(ctx, "/topic/a", "wheat"), c.SendReceipt(ctx, "/topic/b", []byte("\xff\x00"))); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`/topic/a text/plain;charset=utf-8 "wheat"`, `/topic/b application/octet-stream "\xff\x00"`} {
		if line := <-got; line != want {
			t.Errorf("got %s, want %s", line, want)
		}
	}
	if err := c.Send(ctx, "/topic/large", strings.Repeat("größer ", 4000)); err != nil {
		t.Fatal(err)
	}
	if line := <-got; strings.Count(line, "größer") != 4000 {
		t.Errorf("got %.100s", line)
	}
	err = c.SendReceipt(ctx, "/secret/a", "x")
	if e, ok := errors.AsType[*client.ServerError](err); !ok || e.Code != message.CodeDenied || e.Message != "not for you" {
		t.Errorf("denied: %v", err)
	}
	// The connection is another now, and the subscription is there again.
	for err := client.ErrAway; err != nil; {
		err = c.SendReceipt(ctx, "/topic/c", "again")
	}
	if line := <-got; !strings.Contains(line, "again") {
		t.Errorf("got %s", line)
	}
	if err := news.Unsubscribe(ctx); err != nil {
		t.Error(err)
	}
}
