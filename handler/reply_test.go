package handler_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
)

func TestReplyDestinations(t *testing.T) {
	kim, nobody := session("kim"), session("")
	me := nobody.ID()
	for _, c := range []struct {
		name string
		from *message.Session
		opts []handler.Option
		want string
	}{
		{"default", kim, nil, "/topic/trade/ACME/7"},
		{"default named", kim, []handler.Option{handler.SendTo()}, "/topic/trade/ACME/7"},
		{"one", kim, []handler.Option{handler.SendTo("/topic/trades")}, "/topic/trades"},
		{"several", kim, []handler.Option{handler.SendTo("/topic/a", "/topic/b"), handler.SendTo("/topic/c")}, "/topic/a /topic/b /topic/c"},
		{"variable", kim, []handler.Option{handler.SendTo("/topic/trades.{symbol}")}, "/topic/trades.ACME"},
		{"variables", kim, []handler.Option{handler.SendTo("{n}/{symbol}/x")}, "7/ACME/x"},
		{"user", kim, []handler.Option{handler.SendToUser("/queue/done")}, "/user/kim/queue/done"},
		{"user by default", kim, []handler.Option{handler.SendToUser()}, "/user/kim/queue/trade/ACME/7"},
		{"user without slash", kim, []handler.Option{handler.SendToUser("queue/done")}, "/user/kim/queue/done"},
		{"user with variable", kim, []handler.Option{handler.SendToUser("/queue/{symbol}", "/queue/b")}, "/user/kim/queue/ACME /user/kim/queue/b"},
		{"nobody's session", nobody, []handler.Option{handler.SendToUser("/queue/done")}, "/user/" + me + "/queue/done"},
		{"session", kim, []handler.Option{handler.SendToSession("/queue/done")}, "/user/" + kim.ID() + "/queue/done"},
		{"session by default", kim, []handler.Option{handler.SendToSession()}, "/user/" + kim.ID() + "/queue/trade/ACME/7"},
		{"sender first", kim, []handler.Option{handler.SendTo("/topic/a", "/topic/b"), handler.SendToUser("/queue/c"), handler.SendToSession("/queue/d")},
			"/user/" + kim.ID() + "/queue/d /user/kim/queue/c /topic/a /topic/b"},
		{"strange name", session("a/b%c"), []handler.Option{handler.SendToUser("/queue/done")}, "/user/a%2Fb%25c/queue/done"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, sent := newRouter(handler.Config{})
			handler.Handle(r, "/trade/{symbol}/{n}", func(context.Context, []byte) (string, error) { return "ok", nil }, c.opts...)
			mustHandle(t, sendAs(c.from, r, "/app/trade/ACME/7", "-"))
			expect(t, "sent", sent.lines(), strings.ReplaceAll(c.want, " ", " ok\n")+" ok")
		})
	}
}

func TestReplyPrefixes(t *testing.T) {
	r, sent := newRouter(handler.Config{Prefix: "/in", ReplyPrefix: "/out/", UserPrefix: "/people"})
	handler.Handle(r, "/x", echo("x"), handler.SendTo(), handler.SendToUser("/queue/x"))
	mustHandle(t, sendAs(session("kim"), r, "/in/x", "-"))
	expect(t, "sent", sent.lines(), "/people/kim/queue/x x:-\n/out/x x:-")
}

func TestReplyMessage(t *testing.T) {
	for _, c := range []struct {
		name          string
		wire          func(r *handler.Router)
		payload, ctyp string
	}{
		{"text", func(r *handler.Router) {
			handler.Handle(r, "/x", func(context.Context, []byte) (string, error) { return "hi", nil })
		}, "hi", "text/plain;charset=utf-8"},
		{"bytes", func(r *handler.Router) {
			handler.Handle(r, "/x", func(context.Context, []byte) ([]byte, error) { return []byte("hi"), nil })
		}, "hi", "application/octet-stream"},
		{"struct", func(r *handler.Router) {
			handler.Handle(r, "/x", func(context.Context, []byte) (trade, error) { return trade{"A", 1}, nil })
		}, `{"Symbol":"A","Shares":1}`, "application/json"},
		{"interface", func(r *handler.Router) {
			handler.Handle(r, "/x", func(context.Context, []byte) (any, error) { return []byte("hi"), nil })
		}, "hi", "application/octet-stream"},
		{"nil", func(r *handler.Router) {
			handler.Handle(r, "/x", func(context.Context, []byte) (any, error) { return nil, nil })
		}, "null", "application/json"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, sent := newRouter(handler.Config{})
			c.wire(r)
			s := session("kim")
			mustHandle(t, r.Handle(t.Context(), message.Raw{
				Destination: "/app/x", Session: s, Subscription: "sub",
				Header: message.NewHeader(message.Field{Name: "custom", Value: "of the request"}),
				Done:   message.NewCompletion(message.Handled, func(error) {}),
			}))
			m := sent.sent[0]
			if m.Kind != message.KindData || m.Session != nil || m.Subscription != "" || m.Done != nil {
				t.Errorf("reply has what belongs to the request: %+v", m)
			}
			expect(t, "payload", string(m.Payload), c.payload)
			expect(t, "content type", m.Header.Get(message.HeaderContentType), c.ctyp)
			expect(t, "fields", m.Header.Len(), 1)
		})
	}
}

// counted counts how often it is encoded.
type counted struct{ n *int }

func (c counted) MarshalJSON() ([]byte, error) { *c.n++; return []byte(`1`), nil }

func TestReplyIsEncodedOnce(t *testing.T) {
	r, sent := newRouter(handler.Config{})
	n := 0
	handler.Handle(r, "/x", func(context.Context, []byte) (counted, error) { return counted{&n}, nil },
		handler.SendTo("/topic/a", "/topic/b"), handler.SendToUser("/queue/c"))
	mustHandle(t, sendAs(session("kim"), r, "/app/x", "-"))
	expect(t, "encoded", n, 1)
	a, b := sent.sent[0], sent.sent[2]
	if &a.Payload[0] != &b.Payload[0] || !a.Header.Same(b.Header) {
		t.Error("the replies do not share payload and header")
	}
}

func TestNoReplySendsNothing(t *testing.T) {
	r, sent := newRouter(handler.Config{})
	handler.OnError(r, func(context.Context, error) (string, error) { return "never", nil })
	handler.Handle(r, "/x", func(context.Context, []byte) (string, error) { return "never", handler.ErrNoReply })
	handler.Consume(r, "/y", func(context.Context, []byte) error { return handler.ErrNoReply })
	handler.Handle(r, "/wrapped", func(context.Context, []byte) (string, error) {
		return "never", errors.Join(nil, fmt.Errorf("enough: %w", handler.ErrNoReply))
	})
	mustHandle(t, send(r, "/app/x", "-"))
	mustHandle(t, send(r, "/app/y", "-"))
	mustHandle(t, send(r, "/app/wrapped", "-"))
	expect(t, "sent", sent.lines(), "")
}

// TestErrorBesideNoReplyIsAnError: what went wrong beside it is not swallowed.
func TestErrorBesideNoReplyIsAnError(t *testing.T) {
	r, sent := newRouter(handler.Config{})
	handler.Handle(r, "/x", func(context.Context, []byte) (string, error) {
		return "never", fmt.Errorf("enough: %w", errors.Join(handler.ErrNoReply, errBoom))
	})
	if err := send(r, "/app/x", "-"); !errors.Is(err, errBoom) {
		t.Errorf("got %v, want what was joined", err)
	}
	expect(t, "sent", sent.lines(), "")
}

func TestReplyThatFailsKeepsNoOtherBack(t *testing.T) {
	r, sent := newRouter(handler.Config{})
	handler.Handle(r, "/x", echo("x"), handler.SendToUser("/queue/a"), handler.SendTo("/topic/b"))
	err := send(r, "/app/x", "-") // the message has no session
	expect(t, "code", code(err), message.CodeInternal)
	expect(t, "sent", sent.lines(), "/topic/b x:-")

	sent.err = errBoom
	err = sendAs(session("kim"), r, "/app/x", "-")
	if !errors.Is(err, errBoom) {
		t.Errorf("the broker's error is lost: %v", err)
	}
	expect(t, "sent", sent.lines(), "/user/kim/queue/a x:-\n/topic/b x:-")
}

func TestReplyThatCannotBeWritten(t *testing.T) {
	r, sent := newRouter(handler.Config{})
	handler.Handle(r, "/x", func(context.Context, []byte) (chan int, error) { return nil, nil })
	expect(t, "code", code(send(r, "/app/x", "-")), message.CodeInternal)
	expect(t, "sent", sent.lines(), "")
}
