package main

import (
	"context"
	"testing"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/messagetest"
)

// newNode returns a node that is kept to tenants on both ways and answers with the
// tenant that its endpoint finds.
func newNode(t *testing.T) *headrace.Node {
	node := headrace.New(headrace.Config{Gate: []message.RawInterceptor{withinTenant}})
	t.Cleanup(node.Close)
	node.Inbound.Intercept(withinTenant)
	handler.Handle(node.Router, "/{tenant}/whoami", func(ctx context.Context, _ struct{}) (string, error) {
		return tenantOf(ctx), nil
	})
	return node
}

func TestWithinTenant(t *testing.T) {
	node := newNode(t)
	kim := messagetest.Connect(t, node, messagetest.Attribute("tenant", "acme"))
	kim.Subscribe("/topic/acme/whoami")
	kim.Send("/app/acme/whoami", "")
	if got := messagetest.Payload[string](t, kim.Next(t)); got != "acme" {
		t.Errorf("the endpoint finds %q", got)
	}
}

func TestStrangersAreRefused(t *testing.T) {
	node := newNode(t)
	zoe := messagetest.Connect(t, node, messagetest.Attribute("tenant", "zenith"))
	nobody := messagetest.Connect(t, node)
	for _, c := range []*messagetest.Client{zoe, nobody} {
		for _, destination := range []string{
			"/topic/acme/whoami", "/topic/*/whoami", "/topic/**", "/topic/{t}/whoami", "/topic/zenith", "/topic/zenithal/x",
			"/topic//x", "/user/zenith/queue/x", "/user/queue/x", "/queue/zenith/x", "",
		} {
			if _, err := c.TrySubscribe(destination); err == nil || message.Public(err).Code != message.CodeDenied {
				t.Errorf("subscribed to %s: %v", destination, err)
			}
		}
		if err := c.TrySend("/app/acme/whoami", ""); err == nil || message.Public(err).Code != message.CodeDenied {
			t.Errorf("sent: %v", err)
		}
	}
}

// Who changes tenants with subscriptions that he has keeps them, and gets nothing.
func TestTheGateLooksAtTheTenantOfTheMoment(t *testing.T) {
	node := newNode(t)
	kim := messagetest.Connect(t, node, messagetest.Attribute("tenant", "acme"))
	kim.Subscribe("/topic/acme/news")
	kim.Session().SetAttribute("tenant", "zenith")
	if err := node.Template.Send(t.Context(), "/topic/acme/news", "secret"); err != nil {
		t.Fatal(err)
	}
	kim.Refute(t)
}

func TestTheProgramIsNoTenant(t *testing.T) {
	node := newNode(t)
	kim := messagetest.Connect(t, node, messagetest.Attribute("tenant", "acme"))
	kim.Subscribe("/topic/acme/news")
	if err := node.Handle(t.Context(), message.Raw{Destination: "/topic/acme/news", Payload: []byte("free beer")}); err != nil {
		t.Error(err)
	}
	if got := messagetest.Payload[string](t, kim.Next(t)); got != "free beer" {
		t.Errorf("got %q", got)
	}
}
