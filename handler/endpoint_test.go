package handler_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/codec"
)

type trade struct {
	Symbol string
	Shares int
}

// form fills itself, as users' own input types do.
type form struct {
	who   string
	trade trade
}

type formKey struct{}

func (f *form) Bind(c *handler.Call) (err error) {
	f.who = fmt.Sprint(c.Context().Value(formKey{}), " ", c.PathValue("id"), " ", c.Header.Get("who"))
	f.trade, err = handler.Payload[trade](c)
	return err
}

// told wires an endpoint that answers with what it was given, printed.
func told[In any](r *handler.Router, pattern string) {
	handler.Handle(r, pattern, func(_ context.Context, in In) (string, error) { return fmt.Sprintf("%+v", in), nil })
}

func TestEndpointInput(t *testing.T) {
	const json, text, bytes = "application/json", "text/plain", "application/octet-stream"
	for _, c := range []struct {
		name        string
		wire        func(r *handler.Router, pattern string)
		contentType string
		payload     string
		want        string
	}{
		{"struct", told[trade], json, `{"Symbol":"ACME","Shares":2}`, "{Symbol:ACME Shares:2}"},
		{"struct without content type", told[trade], "", `{"Symbol":"ACME"}`, "{Symbol:ACME Shares:0}"},
		{"pointer", func(r *handler.Router, p string) {
			handler.Handle(r, p, func(_ context.Context, in *trade) (string, error) { return in.Symbol, nil })
		}, json, `{"Symbol":"ACME"}`, "ACME"},
		{"map", told[map[string]int], json, `{"a":1}`, "map[a:1]"},
		{"slice", told[[]int], "", `[1,2]`, "[1 2]"},
		{"number", told[int], "", `42`, "42"},
		{"text", told[string], text, `{"a":1}`, `{"a":1}`},
		{"text without content type", told[string], "", `hello`, `hello`},
		{"JSON text", told[string], json, `"hello"`, `hello`},
		{"bytes", told[[]byte], bytes, "AB", "[65 66]"},
		{"bytes of any content type", told[[]byte], json, "AB", "[65 66]"},
		{"nothing", told[struct{}], "", "", "{}"},
		{"raw", func(r *handler.Router, p string) {
			handler.Handle(r, p, func(_ context.Context, m message.Raw) (string, error) {
				return m.Destination + " " + m.Header.Get("who") + " " + string(m.Payload), nil
			})
		}, json, "{not JSON", "/app/in/7 kim {not JSON"},
		{"request", func(r *handler.Router, p string) {
			handler.Handle(r, p, func(_ context.Context, req handler.Request[trade]) (string, error) {
				return fmt.Sprint(req.PathValue("id"), req.PathValue("none"), " ", req.Header.Get("who"), " ", req.Destination, " ",
					req.Session.ID() != "", " ", req.User().Name(), " ", req.Payload), nil
			})
		}, json, `{"Symbol":"ACME"}`, "7 kim /app/in/7 true kim {ACME 0}"},
		{"what fills itself", told[form], json, `{"Shares":3}`, "{who:value 7 kim trade:{Symbol: Shares:3}}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, sent := newRouter(handler.Config{})
			c.wire(r, "/in/{id}")
			h := message.NewHeader(message.Field{Name: "who", Value: "kim"})
			if c.contentType != "" {
				h = h.With(message.HeaderContentType, c.contentType)
			}
			ctx := context.WithValue(t.Context(), formKey{}, "value")
			mustHandle(t, r.Handle(ctx, message.Raw{Destination: "/app/in/7", Session: session("kim"), Header: h, Payload: []byte(c.payload)}))
			expect(t, "endpoint was given", sent.lines(), "/topic/in/7 "+c.want)
		})
	}
}

func TestEndpointBadInput(t *testing.T) {
	for _, c := range []struct {
		name string
		wire func(r *handler.Router, pattern string)
	}{
		{"payload", told[trade]},
		{"request", told[handler.Request[trade]]},
		{"what fills itself", told[form]},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, sent := newRouter(handler.Config{})
			c.wire(r, "/in")
			err := send(r, "/app/in", `{"Symbol":7}`)
			expect(t, "code", code(err), message.CodeInvalid)
			if text := message.Public(err).Message; !strings.Contains(text, "Symbol") || !strings.Contains(text, "string") {
				t.Errorf("%q does not name the field and the type", text)
			}
			expect(t, "sent", sent.lines(), "")
		})
	}
}

func TestEndpointCodecs(t *testing.T) {
	r, sent := newRouter(handler.Config{Codecs: codec.NewSet(codec.JSON{Strict: true})})
	told[trade](r, "/in")
	mustHandle(t, send(r, "/app/in", `{"Shares":1}`))
	expect(t, "sent", sent.lines(), "/topic/in {Symbol: Shares:1}")
	expect(t, "strict", code(send(r, "/app/in", `{"Unknown":1}`)), message.CodeInvalid)
}

func TestEndpointWithoutSession(t *testing.T) {
	r, _ := newRouter(handler.Config{})
	handler.Consume(r, "/x", func(_ context.Context, req handler.Request[[]byte]) error {
		if req.Session != nil || req.User() != nil {
			t.Errorf("session %v, user %v", req.Session, req.User())
		}
		return nil
	})
	mustHandle(t, send(r, "/app/x", "-"))
}

func TestConsumeNeverReplies(t *testing.T) {
	r, sent := newRouter(handler.Config{})
	var got []string
	handler.Consume(r, "/log/{level}", func(_ context.Context, req handler.Request[string]) error {
		got = append(got, req.PathValue("level")+" "+req.Payload)
		return nil
	})
	handler.Consume(r, "/fail", func(context.Context, string) error { return errBoom })
	mustHandle(t, send(r, "/app/log/info", "started"))
	expect(t, "consumed", strings.Join(got, ","), "info started")
	expect(t, "failed", send(r, "/app/fail", "-"), errBoom)
	expect(t, "sent", sent.lines(), "")
}

func TestEndpointInputsAreSeparate(t *testing.T) {
	r, _ := newRouter(handler.Config{})
	var kept []handler.Request[[]byte]
	handler.Consume(r, "/x/{n}", func(_ context.Context, req handler.Request[[]byte]) error {
		kept = append(kept, req)
		return nil
	})
	for i := range 3 {
		mustHandle(t, send(r, fmt.Sprint("/app/x/", i), fmt.Sprint(i)))
	}
	for i, req := range kept {
		expect(t, "kept request", req.PathValue("n")+string(req.Payload), fmt.Sprintf("%d%d", i, i))
	}
}
