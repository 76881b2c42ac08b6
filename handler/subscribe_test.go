package handler_test

import (
	"context"
	"testing"

	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
)

func subscribe(r *handler.Router, s *message.Session, dest string) error {
	return r.Handle(context.Background(), message.Raw{Kind: message.KindSubscribe, Destination: dest, Subscription: "sub-1", Session: s})
}

func TestOnSubscribeAnswersTheSubscriber(t *testing.T) {
	outbound := new(broker)
	r, sent := newRouter(handler.Config{Outbound: outbound})
	g := r.Group("/rooms/{room}", handler.SendTo("/topic/not-for-subscriptions"))
	handler.OnSubscribe(g, "/members", func(_ context.Context, req handler.Request[struct{}]) (handler.Reply[[]string], error) {
		return handler.Reply[[]string]{
			Payload: []string{req.PathValue("room"), req.User().Name()},
			Header:  message.NewHeader(field("version", "7")),
		}, nil
	})
	kim := session("kim")
	mustHandle(t, subscribe(r, kim, "/app/rooms/blue/members"))
	m := outbound.sent[0]
	if m.Kind != message.KindData || m.Session != kim || m.Subscription != "sub-1" || m.Header.Get("version") != "7" || m.Header.Get(message.HeaderContentType) != "application/json" {
		t.Errorf("delivered %+v", m)
	}
	expect(t, "delivered", outbound.lines(), `/app/rooms/blue/members ["blue","kim"]`)
	expect(t, "to the broker", sent.lines(), "")
	expect(t, "a message is no subscription", code(sendAs(kim, r, "/app/rooms/blue/members", "")), message.CodeNotFound)
}

func TestOnSubscribeThroughTheBroker(t *testing.T) {
	outbound := new(broker)
	r, sent := newRouter(handler.Config{Outbound: outbound})
	handler.OnSubscribe(r, "/news/{of}", func(context.Context, struct{}) (string, error) { return "hi", nil },
		handler.SendTo("/topic/{of}"), handler.SendToSession("/queue/{of}"))
	kim := session("kim")
	mustHandle(t, subscribe(r, kim, "/app/news/x"))
	if m := sent.sent[1]; m.Session != nil || m.Subscription != "" {
		t.Errorf("to the broker: %+v", m)
	}
	expect(t, "to the broker", sent.lines(), "/user/"+kim.ID()+"/queue/x hi\n/topic/x hi")
	expect(t, "delivered", outbound.lines(), "")
}

func TestOnSubscribeErrors(t *testing.T) {
	outbound := new(broker)
	r, sent := newRouter(handler.Config{Outbound: outbound})
	handler.OnSubscribe(r, "/none", func(context.Context, struct{}) (string, error) { return "", handler.ErrNoReply })
	handler.OnSubscribe(r, "/fail", func(context.Context, struct{}) (string, error) { return "", errBoom })
	handler.OnSubscribe(r, "/caught", func(context.Context, struct{}) (string, error) { return "", errBoom },
		handler.Catch(func(context.Context, error) (string, error) { return "caught", nil }, handler.SendTo("/topic/errors")))
	handler.OnSubscribe(r, "/elsewhere", func(context.Context, struct{}) (handler.Reply[string], error) {
		return handler.Reply[string]{Payload: "hi", Destination: "/topic/elsewhere"}, nil
	})
	kim := session("kim")
	mustHandle(t, subscribe(r, kim, "/app/none"))
	expect(t, "error", subscribe(r, kim, "/app/fail"), errBoom)
	mustHandle(t, subscribe(r, kim, "/app/caught"))
	mustHandle(t, subscribe(r, kim, "/app/elsewhere"))
	mustHandle(t, subscribe(r, nil, "/app/none"))
	expect(t, "no route", code(subscribe(r, kim, "/app/other")), message.CodeNotFound)
	expect(t, "to the broker", sent.lines(), "/topic/errors caught\n/topic/elsewhere hi")
	expect(t, "delivered", outbound.lines(), "")
}

// TestSubscriptionsAndMessagesAreApart: one pattern may serve both.
func TestSubscriptionsAndMessagesAreApart(t *testing.T) {
	outbound := new(broker)
	r, sent := newRouter(handler.Config{Outbound: outbound})
	handler.Handle(r, "/x", echo("message"))
	handler.OnSubscribe(r, "/x", func(context.Context, struct{}) (string, error) { return "subscription", nil })
	mustHandle(t, send(r, "/app/x", "hi"))
	mustHandle(t, subscribe(r, session(""), "/app/x"))
	expect(t, "message", sent.lines(), "/topic/x message:hi")
	expect(t, "subscription", outbound.lines(), "/app/x subscription")
	routes := r.Routes()
	expect(t, "kinds", routes[0].Kind.String()+" "+routes[1].Kind.String(), "data subscribe")
}
