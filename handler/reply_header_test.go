package handler_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
)

// fields returns a header as text, in its order.
func fields(h message.Header) string {
	text := ""
	for name, value := range h.All() {
		text += fmt.Sprintf("%s=%s ", name, value)
	}
	return text
}

func TestReplyHeaders(t *testing.T) {
	const json, text = "content-type=application/json ", "content-type=text/plain;charset=utf-8 "
	header := func(f ...message.Field) message.Header { return message.NewHeader(f...) }
	replies := func(h message.Header) func(r *handler.Router) {
		return func(r *handler.Router) {
			handler.Handle(r, "/x", func(context.Context, []byte) (handler.Reply[int], error) {
				return handler.Reply[int]{Payload: 7, Header: h}, nil
			}, handler.CopyHeaders("b", "a", "none"))
		}
	}
	plain := func(opts ...handler.Option) func(r *handler.Router) {
		return func(r *handler.Router) { handler.Handle(r, "/x", echo("x"), opts...) }
	}
	for _, c := range []struct {
		name string
		wire func(r *handler.Router)
		want string
	}{
		{"nothing is copied by itself", plain(), text},
		{"copied", plain(handler.CopyHeaders("b", "a", "none")), "b=2 a=1 " + text},
		{"several options", plain(handler.CopyHeaders("a"), handler.CopyHeaders("b")), "a=1 b=2 " + text},
		{"bytes", func(r *handler.Router) {
			handler.Handle(r, "/x", func(_ context.Context, in []byte) ([]byte, error) { return in, nil }, handler.CopyHeaders("a"))
		}, "a=1 content-type=application/octet-stream "},
		{"of the reply", replies(header(field("v", "1"), field("w", "2"))), "v=1 w=2 b=2 a=1 " + json},
		{"the reply keeps its own", replies(header(field("a", "mine"))), "a=mine b=2 " + json},
		{"content type chooses the codec", replies(header(field("content-type", "application/vnd.n+json"))), "content-type=application/vnd.n+json b=2 a=1 "},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, sent := newRouter(handler.Config{})
			c.wire(r)
			m := message.Raw{Destination: "/app/x", Header: header(field("a", "1"), field("b", "2"), field("a", "3")), Payload: []byte("hi")}
			mustHandle(t, r.Handle(t.Context(), m))
			expect(t, "header", fields(sent.sent[0].Header), c.want)
		})
	}
}

func TestReplyDestination(t *testing.T) {
	r, sent := newRouter(handler.Config{})
	handler.Handle(r, "/x", func(_ context.Context, in string) (handler.Reply[string], error) {
		if in == "usual" {
			in = ""
		}
		return handler.Reply[string]{Payload: "hi", Destination: in}, nil
	}, handler.SendTo("/topic/a", "/topic/b"))
	mustHandle(t, send(r, "/app/x", "/topic/mine"))
	expect(t, "its own", sent.lines(), "/topic/mine hi")
	mustHandle(t, send(r, "/app/x", "usual"))
	expect(t, "the route's", sent.lines(), "/topic/a hi\n/topic/b hi")
}

func TestReplyThatNoCodecWrites(t *testing.T) {
	r, sent := newRouter(handler.Config{})
	handler.Handle(r, "/x", func(context.Context, string) (handler.Reply[trade], error) {
		return handler.Reply[trade]{Header: message.NewHeader(field("content-type", "image/png"))}, nil
	})
	handler.Handle(r, "/y", func(context.Context, string) (chan int, error) { return nil, nil })
	expect(t, "content type", code(send(r, "/app/x", "-")), message.CodeInternal)
	expect(t, "value", code(send(r, "/app/y", "-")), message.CodeInternal)
	expect(t, "sent", sent.lines(), "")
}

// A reply that nobody takes is the server's mistake, not that of who asked.
func TestReplyThatNobodyTakes(t *testing.T) {
	r, sent := newRouter(handler.Config{})
	sent.err = message.Errorf(message.CodeNotFound, "no handler for /elsewhere")
	handler.Handle(r, "/x", echo("x"), handler.SendTo("/elsewhere"))
	err := send(r, "/app/x", "-")
	expect(t, "told", message.Public(err).Error(), "internal: internal error")
	expect(t, "the cause is kept", errors.Is(err, sent.err), true)
	sent.err = message.Errorf(message.CodeFull, "queue is full")
	expect(t, "no room", code(send(r, "/app/x", "-")), message.CodeFull)
}
