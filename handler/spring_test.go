package handler_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/codec"
	"github.com/headrace/headrace/message/destination"
)

// What a template sends has a content type, and nothing that nobody asked for.
func TestTemplateAddsNothing(t *testing.T) {
	sent := new(broker)
	tm := handler.NewTemplate(sent, handler.TemplateConfig{})
	mustHandle(t, tm.Send(t.Context(), "/topic/x", "hi"))
	mustHandle(t, tm.SendToUser(t.Context(), "kim", "/queue/x", trade{}))
	mustHandle(t, tm.Publish(t.Context(), message.Raw{Destination: "/topic/x"}))
	for i, want := range []string{"content-type=text/plain;charset=utf-8 ", "content-type=application/json ", ""} {
		m := sent.sent[i]
		expect(t, "header", fields(m.Header), want)
		if m.Kind != message.KindData || m.Subscription != "" || m.Session != nil || m.Done != nil {
			t.Errorf("message %+v", m)
		}
	}
}

// A message that is ready goes out as it is.
func TestPublishPassesTheMessageOn(t *testing.T) {
	sent := new(broker)
	tm := handler.NewTemplate(sent, handler.TemplateConfig{Destination: "/topic/all", ContentType: "application/json"})
	done := message.NewCompletion(message.Stored, func(error) {})
	m := message.Raw{
		Kind: message.KindAck, Destination: "/topic/x", Subscription: "sub-1", Session: session("kim"),
		Header: message.NewHeader(field("a", "1")), Payload: []byte("hi"), Done: done,
	}
	mustHandle(t, tm.Publish(t.Context(), m))
	got := sent.sent[0]
	if got.Kind != m.Kind || got.Destination != m.Destination || got.Subscription != m.Subscription ||
		got.Session != m.Session || got.Done != done || !got.Header.Same(m.Header) || &got.Payload[0] != &m.Payload[0] {
		t.Errorf("sent %+v, want %+v", got, m)
	}
}

// Who sends to what is full waits for as long as his context lasts.
func TestTemplateSendEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := channel.NewQueueChannel[[]byte](channel.QueueConfig{Capacity: 1})
		defer full.Close()
		tm := handler.NewTemplate(full, handler.TemplateConfig{})
		mustHandle(t, tm.Send(t.Context(), "/topic/x", "first"))
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		start := time.Now()
		if err := tm.Send(ctx, "/topic/x", "second"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want that of the context", err)
		}
		expect(t, "waited", time.Since(start), 30*time.Second)
		expect(t, "queued", full.Len(), 1)
	})
}

// A loop over prefixes and patterns is what arrays in annotations are in Java.
func TestRoutesOfALoop(t *testing.T) {
	r, sent := newRouter(handler.Config{})
	for _, prefix := range []string{"/t1", "/t2"} {
		g := r.Group(prefix)
		for _, pattern := range []string{"/m1", "/m2"} {
			handler.Handle(g, pattern, echo("x"))
		}
	}
	for _, dest := range []string{"/t1/m1", "/t1/m2", "/t2/m1", "/t2/m2"} {
		mustHandle(t, send(r, "/app"+dest, "hi"))
		expect(t, dest, sent.lines(), "/topic"+dest+" x:hi")
	}
	expect(t, "routes", len(r.Routes()), 4)
}

// A router has one prefix; two of them have two.
func TestTwoPrefixes(t *testing.T) {
	sent := new(broker)
	cases := map[string]message.RawHandler{}
	for _, prefix := range []string{"/app1", "/app2/"} {
		r := handler.NewRouter(sent, handler.Config{Prefix: prefix, Separator: destination.Dot})
		handler.Handle(r.Group("pre"), "foo", echo("x"))
		cases[prefix[:5]] = r
	}
	both := handler.Switch(func(m message.Raw) string { return m.Destination[:5] }, cases, nil)
	for _, dest := range []string{"/app1/pre.foo", "/app2/pre.foo"} {
		mustHandle(t, both.Handle(t.Context(), message.Raw{Destination: dest, Payload: []byte("hi")}))
		expect(t, dest, sent.lines(), "/topic/pre.foo x:hi")
	}
}

// Routes serve messages and subscriptions, whatever else clients may send.
func TestRouterRefusesOtherKinds(t *testing.T) {
	r, sent := newRouter(handler.Config{Outbound: new(broker)})
	handler.Handle(r, "/**", echo("x"))
	handler.OnSubscribe(r, "/**", func(context.Context, struct{}) (string, error) { return "hi", nil })
	for k := message.KindConnect; k <= message.KindError; k++ {
		if k == message.KindSubscribe {
			continue
		}
		err := r.Handle(t.Context(), message.Raw{Kind: k, Destination: "/app/x", Session: session("kim"), Payload: []byte("hi")})
		expect(t, k.String(), code(err), message.CodeNotFound)
	}
	expect(t, "sent", sent.lines(), "")
}

// A pattern that is wired late serves destinations that were asked for before.
func TestPatternWiredLate(t *testing.T) {
	r, sent := newRouter(handler.Config{})
	handler.Handle(r, "/**", echo("any"))
	for _, late := range []string{"/a/**", "/a/*", "/a/{x:[a-z]}", "/a/b"} {
		handler.Handle(r, late, echo(late))
		mustHandle(t, send(r, "/app/a/b", "hi"))
		expect(t, "answered", sent.lines(), "/topic/a/b "+late+":hi")
	}
}

// What is not valid goes to the error handlers, also when nothing had to be
// converted.
func TestInvalidInputIsAnswered(t *testing.T) {
	short := errors.New("too short")
	config := handler.Config{Validate: func(payload any) error {
		if s, ok := payload.(*string); ok && len(*s) < 3 {
			return short
		}
		return nil
	}}
	for _, c := range []struct {
		name, payload string
		wire          func(r *handler.Router, pattern string)
		cause         error
	}{
		{"text", "hi", told[string], short},
		{"text of a request", "hi", told[handler.Request[string]], short},
		{"struct", `{"Coins":-1}`, told[purse], errOwes},
		{"pointer", `{"Coins":-1}`, told[*purse], errOwes},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, sent := newRouter(config)
			c.wire(r, "/x")
			handler.OnError(r, func(_ context.Context, e *handler.InputError) (string, error) {
				return fmt.Sprint(e.Part, " ", errors.Is(e, c.cause)), nil
			})
			mustHandle(t, send(r, "/app/x", c.payload))
			expect(t, "answered", sent.lines(), "/topic/x payload true")
		})
	}
}

// An endpoint that takes the message has the one that was sent, with its
// header; only the payload is another when it is read as another type.
func TestMessageReachesTheEndpointAsItIs(t *testing.T) {
	r, _ := newRouter(handler.Config{})
	m := message.Raw{Destination: "/app/x/1", Session: session("kim"), Header: message.NewHeader(field("a", "1")), Payload: []byte("12")}
	same := func(what string, got message.Raw) {
		if got.Destination != m.Destination || got.Session != m.Session || !got.Header.Same(m.Header) || &got.Payload[0] != &m.Payload[0] {
			t.Errorf("%s has %+v", what, got)
		}
	}
	calls := 0
	handler.Consume(r, "/x/{way}", func(_ context.Context, got message.Raw) error {
		calls++
		same("raw", got)
		return nil
	})
	handler.Consume(r, "/y/{way}", func(_ context.Context, req handler.Request[int]) error {
		calls++
		same("request", req.Raw)
		expect(t, "payload", req.Payload, 12)
		return nil
	})
	mustHandle(t, r.Handle(t.Context(), m))
	m.Destination = "/app/y/1"
	mustHandle(t, r.Handle(t.Context(), m))
	expect(t, "calls", calls, 2)
}

// A request for a payload that is not there is refused, unless none is wanted
// or a pointer takes it.
func TestRequestWithoutPayload(t *testing.T) {
	for _, c := range []struct {
		name string
		wire func(r *handler.Router, pattern string)
		want string // what the client is told
	}{
		{"number", told[handler.Request[int]], "payload is empty, want JSON for type int"},
		{"text", told[handler.Request[string]], "payload is empty, want text for type string"},
		{"pointer", told[handler.Request[*int]], ""},
		{"bytes", told[handler.Request[[]byte]], ""},
		{"nothing", told[handler.Request[struct{}]], ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, _ := newRouter(handler.Config{})
			c.wire(r, "/x")
			err := send(r, "/app/x", "")
			if c.want == "" {
				mustHandle(t, err)
				return
			}
			expect(t, "text", message.Public(err).Message, c.want)
		})
	}
}

// sealed is a codec that reads nothing.
type sealed struct{}

func (sealed) MediaTypes() []string        { return []string{"application/x-sealed"} }
func (sealed) Marshal(any) ([]byte, error) { return nil, errBoom }
func (sealed) Unmarshal([]byte, any) error { return errBoom }

// What a codec of the application cannot read is an error of the input, whose
// cause the client does not learn.
func TestOwnCodecThatFails(t *testing.T) {
	r, _ := newRouter(handler.Config{Codecs: codec.NewSet(sealed{})})
	told[int](r, "/x")
	header := message.NewHeader(field(message.HeaderContentType, "application/x-sealed"))
	err := r.Handle(t.Context(), message.Raw{Destination: "/app/x", Header: header, Payload: []byte("7")})
	if e, ok := errors.AsType[*handler.InputError](err); !ok || e.Part != "payload" || e.Want != "int" || !errors.Is(err, errBoom) {
		t.Errorf("error %#v", err)
	}
	expect(t, "text", message.Public(err).Message, "payload is not valid application/x-sealed for type int")
}

// A header field of a name that the message has a field for is only that.
func TestHeaderIsNotTheMessage(t *testing.T) {
	req := request(t, "/x", "/app/x", field("destination", "/elsewhere"), field("subscription", "7"), field("session", "forged"), field("user", "root"))
	expect(t, "destination", req.Destination, "/app/x")
	expect(t, "subscription", req.Subscription, "")
	if req.Session != nil || req.User() != nil {
		t.Errorf("session %v, user %v", req.Session, req.User())
	}
	expect(t, "field", req.Header.Get("destination"), "/elsewhere")
}

// What an endpoint keeps in the session, the session's next messages find, on
// whatever goroutine they are handled.
func TestSessionKeepsValues(t *testing.T) {
	r, sent := newRouter(handler.Config{})
	visits := func(s *message.Session) int {
		n, _ := s.Attribute("visits")
		was, _ := n.(int)
		s.SetAttribute("visits", was+1)
		return was + 1
	}
	handler.Handle(r, "/visit", func(_ context.Context, req handler.Request[[]byte]) (int, error) { return visits(req.Session), nil })
	later := make(chan struct{})
	handler.Later(r, "/later", func(_ context.Context, req handler.Request[[]byte]) *handler.Future[int] {
		f := handler.NewFuture[int]()
		go func() {
			f.Complete(visits(req.Session), nil)
			close(later)
		}()
		return f
	})
	kim, lee := session("kim"), session("lee")
	mustHandle(t, sendAs(kim, r, "/app/visit", "-"))
	mustHandle(t, sendAs(lee, r, "/app/visit", "-"))
	mustHandle(t, sendAs(kim, r, "/app/later", "-"))
	<-later
	mustHandle(t, sendAs(kim, r, "/app/visit", "-"))
	expect(t, "visits", sent.lines(), "/topic/visit 1\n/topic/visit 1\n/topic/later 2\n/topic/visit 3")
}

// account is a principal that is reached by something else than his name.
type account struct{ number, owner string }

func (a account) Name() string { return a.number }

// Who makes the principals says by which name they are reached.
func TestPrincipalSaysHowItIsReached(t *testing.T) {
	r, sent := newRouter(handler.Config{})
	handler.Handle(r, "/x", func(_ context.Context, req handler.Request[string]) (string, error) {
		return req.User().(account).owner, nil
	}, handler.SendToUser("/queue/x"))
	s := message.NewSession(deaf{}, message.SessionInfo{Principal: account{"4711", "joe"}})
	mustHandle(t, sendAs(s, r, "/app/x", "-"))
	expect(t, "sent", sent.lines(), "/user/4711/queue/x joe")
}

// Default destinations keep the dots of the message's.
func TestDefaultRepliesWithDots(t *testing.T) {
	r, sent := newRouter(handler.Config{Separator: destination.Dot})
	handler.Handle(r, "dest.foo.bar", echo("x"), handler.SendTo(), handler.SendToUser())
	mustHandle(t, sendAs(session("joe"), r, "/app/dest.foo.bar", "hi"))
	expect(t, "sent", sent.lines(), "/user/joe/queue/dest.foo.bar x:hi\n/topic/dest.foo.bar x:hi")
}
