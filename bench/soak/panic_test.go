package soak

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/bench/internal/load"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/interceptor"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/codec"
	"github.com/headrace/headrace/stompadapter"
	"github.com/headrace/headrace/transport"
)

// panics reports whether a message is the one in a hundred that something panics over.
func panics(text string) bool { return strings.HasSuffix(text, "99") }

func perhaps(text string) {
	if panics(text) {
		panic("secret of the program: " + text)
	}
}

// ticklish is a codec that panics.
type ticklish struct{ codec.Text }

func (ticklish) MediaTypes() []string { return []string{"text/ticklish"} }

func (c ticklish) Unmarshal(payload []byte, v any) error {
	perhaps(string(payload))
	return c.Text.Unmarshal(payload, v)
}

// ticklishSite serves a node of which every part panics over one message in a hundred,
// and over who is called "panic".
type ticklishSite struct {
	url   string
	node  *headrace.Node
	stomp *stompadapter.Adapter
}

func startTicklish(t *testing.T) ticklishSite {
	quiet := slog.New(slog.DiscardHandler)
	node := headrace.New(headrace.Config{
		Codecs: codec.NewSet(ticklish{}),
		Validate: func(payload any) error {
			if n, ok := payload.(*int); ok {
				perhaps(strconv.Itoa(*n))
			}
			return nil
		},
		Logger: quiet,
	})
	around := func(picked func(message.Raw) bool) message.RawInterceptor {
		return interceptor.Around(func(ctx context.Context, m message.Raw, next message.RawHandler) error {
			if picked(m) {
				perhaps(string(m.Payload))
			}
			return next.Handle(ctx, m)
		})
	}
	node.Inbound.Intercept(
		around(func(m message.Raw) bool { return m.Destination == "/app/in/x" }),
		interceptor.Around(func(ctx context.Context, m message.Raw, next message.RawHandler) error {
			if m.Kind == message.KindConnect && m.Header.Get("login") == "panic" {
				panic("secret of the login")
			}
			return next.Handle(ctx, m)
		}))
	node.BrokerChannel.Intercept(around(func(m message.Raw) bool { return strings.HasPrefix(m.Destination, "/topic/broker/") }))
	node.Router.Use(interceptor.Recover) // so that panics of interceptors, too, go to the error handlers
	toCaller := handler.SendToSession("/queue/errors")
	handler.OnError(node.Router, func(ctx context.Context, _ *message.PanicError) (string, error) {
		return "panic over " + string(handler.FailedCall(ctx).Payload), nil
	}, toCaller)

	echo := func(_ context.Context, r handler.Request[string]) (string, error) { return r.Payload, nil }
	handler.Handle(node.Router, "/endpoint/{who}", func(_ context.Context, r handler.Request[string]) (string, error) {
		perhaps(r.Payload)
		return r.Payload, nil
	})
	handler.Handle(node.Router, "/interceptor/{who}", echo, handler.Interceptors(around(func(message.Raw) bool { return true })))
	handler.Handle(node.Router, "/codec/{who}", echo)
	handler.Handle(node.Router, "/broker/{who}", echo)
	handler.Handle(node.Router, "/in/{who}", echo)
	handler.Handle(node.Router, "/validation/{who}", func(_ context.Context, r handler.Request[int]) (string, error) {
		return strconv.Itoa(r.Payload), nil
	})

	stomp := stompadapter.New(node.Inbound, stompadapter.Config{
		Transport: transport.Config{Handshake: transport.Handshake{Principal: func(r *http.Request) (message.Principal, error) {
			if r.URL.Query().Has("panic") {
				panic("secret of the handshake")
			}
			return nil, nil
		}}},
		Logger: quiet,
	})
	server := httptest.NewUnstartedServer(stomp.WebSocket())
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of what panics in handshakes, with stacks
	server.Start()
	t.Cleanup(func() {
		stomp.Close()
		server.Close()
		node.Close()
	})
	return ticklishSite{"ws" + strings.TrimPrefix(server.URL, "http") + "/", node, stomp}
}

// A panic costs the message that it is about, and its sender is told: in endpoints,
// interceptors, codecs, validation and behind the reply. Where it hits what lets a
// client in, it costs that client alone. Nobody else notices.
func TestR10Panics(t *testing.T) {
	each := size(400, 20_000) // of each of five senders: 100,000 in all
	s := startTicklish(t)
	bystander := must(load.Connect(s.url, load.Options{}))(t)
	defer bystander.Close()
	stop, watched := make(chan struct{}), make(chan error, 1)
	go func() { watched <- s.echoes(bystander, stop) }()

	parts := []string{"endpoint", "interceptor", "codec", "validation", "broker"}
	told, err := load.Each(len(parts), len(parts), func(i int) (int, error) { return s.tickle(parts[i], each) })
	if err != nil {
		t.Error(err)
	}
	for i, n := range told {
		if n != each/100 {
			t.Errorf("%s: %d errors for %d panics", parts[i], n, each/100)
		}
	}
	strangers := size(10, 200)
	for range strangers {
		if c, err := load.Dial(s.url+"?panic", load.Options{}); err == nil {
			c.Close()
			t.Error("who made the handshake panic got in")
		}
		if err := s.refused("CONNECT\naccept-version:1.2\nhost:h\nlogin:panic\n\n\x00"); err != nil {
			t.Error("login:", err)
		}
		if err := s.refused("CONNECT\naccept-version:1.2\nhost:h\n\n\x00SEND\ndestination:/app/in/x\n\n99\x00"); err != nil {
			t.Error("send side:", err)
		}
	}
	close(stop)
	if err := <-watched; err != nil {
		t.Error("a bystander:", err)
	}
	eventually(t, "all but the bystander are gone", 10*time.Second, func() bool {
		st := s.node.Stats()
		return s.stomp.Stats().Sessions == 1 && st.Broker.Sessions == 1 && st.Inbound.UnderWay == 0
	})
	t.Logf("%d messages, %d panics, %d clients that were not let in", len(parts)*each, len(parts)*each/100, 3*strangers)
}

// tickle sends numbers to a part, wants each back in order or to be told that it
// failed, and returns how many did.
func (s ticklishSite) tickle(part string, n int) (told int, err error) {
	c, err := load.Connect(s.url, load.Options{})
	if err != nil {
		return 0, err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(size(time.Minute, 15*time.Minute)))
	for id, destination := range map[string]string{"echo": "/topic/" + part + "/x", "errors": "/user/queue/errors"} {
		if err := c.Subscribe(id, destination); err != nil {
			return 0, err
		}
	}
	contentType := ""
	if part == "codec" {
		contentType = "content-type:text/ticklish\n"
	}
	sent := make(chan error, 1)
	go func() {
		var err error
		for i := 0; i < n && err == nil; i++ {
			err = c.Send(fmt.Sprintf("SEND\ndestination:/app/%s/x\n%s\n%d\x00", part, contentType, i))
		}
		sent <- err
	}()
	for i := range n {
		text := strconv.Itoa(i)
		subscription, want := "echo", text
		if panics(text) {
			subscription, want = "errors", "panic over "+text
			told++
		}
		f, err := c.Frame()
		if err != nil || !strings.Contains(string(f), "subscription:"+subscription+"\n") || string(load.Body(f)) != want {
			return told, fmt.Errorf("%s: got %q, %v, want %q", part, f, err, want)
		}
	}
	return told, <-sent
}

// refused sends frames of a new client, and wants an ERROR that tells nothing.
func (s ticklishSite) refused(frames string) error {
	conn, err := load.Dial(s.url, load.Options{})
	if err != nil {
		return err
	}
	c := &load.Client{Conn: conn}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute))
	if err := c.Send(frames); err != nil {
		return err
	}
	for {
		f, err := c.Frame()
		text := string(f)
		switch {
		case err != nil:
			return err
		case strings.HasPrefix(text, "CONNECTED"):
		case strings.HasPrefix(text, "ERROR") && strings.Contains(text, "message:internal error\n") && !strings.Contains(text, "secret"):
			return nil
		default:
			return fmt.Errorf("got %q", text)
		}
	}
}

// echoes sends a message after the other and wants each back, until it is stopped.
func (s ticklishSite) echoes(c *load.Client, stop <-chan struct{}) error {
	if err := c.Subscribe("own", "/topic/endpoint/bystander"); err != nil {
		return err
	}
	for n := 0; ; n++ {
		select {
		case <-stop:
			return nil
		case <-time.After(time.Millisecond):
		}
		c.SetDeadline(time.Now().Add(size(10*time.Second, time.Minute)))
		want := fmt.Sprint("still here ", n, ".")
		if err := c.Publish("/app/endpoint/bystander", want); err != nil {
			return err
		}
		if f, err := c.Frame(); err != nil || string(load.Body(f)) != want {
			return fmt.Errorf("got %q, %v, want %q", f, err, want)
		}
	}
}
