package interop_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/codec"
	"github.com/headrace/headrace/stompadapter/client"
	"github.com/headrace/headrace/stompadapter/frame"
)

// cases is what is asked of every server.
var cases = []struct {
	name string
	run  func(*testing.T, *server)
}{
	{"version 1.0", version(frame.V10)},
	{"version 1.1", version(frame.V11)},
	{"version 1.2", version(frame.V12)},
	{"login refused", loginRefused},
	{"codecs", codecs},
	{"bodies", bodies},
	{"header escapes 1.1", escapes(frame.V11, "a:b\\c\nd\\n")},
	{"header escapes 1.2", escapes(frame.V12, "a:b\\c\r\nd\\r")},
	{"receipts", receipts},
	{"frame refused", frameRefused},
	{"subscription refused", subscriptionRefused},
	{"topic", topic},
	{"queue", queue},
	{"unsubscribe", unsubscribe},
	{"order", order},
	{"concurrent senders", concurrentSenders},
	{"heart-beats", heartbeats},
	{"disconnect", disconnect},
	{"ack client-individual", ackIndividual},
	{"ack client", ackCumulative},
	{"nack", nack},
	{"handler's ack", handlerAcks},
	{"commit", commit},
	{"abort", abort},
	{"ack in a transaction", ackInTransaction},
	{"death and return", death}, // the last: it takes the connections of all
}

func version(v frame.Version) func(*testing.T, *server) {
	return func(t *testing.T, s *server) {
		c := s.dial(t, client.Config{Version: v})
		h := c.Connected()
		if got := cmp.Or(h.Get("version"), "1.0"); got != v.String() {
			t.Errorf("speaks %s, want %s", got, v)
		}
		if name := h.Get("server"); !s.name.MatchString(name) {
			t.Errorf("the server is %q, want %s", name, s.name)
		}
		destination := unique("/topic/")
		got := listen(t, c, destination, client.SubscribeConfig{})
		send(t, c, destination, "grain")
		m := next(t, got)
		if string(m.Payload) != "grain" || m.Destination != destination || m.Header.Get("message-id") == "" {
			t.Errorf("got %+v", m)
		}
		s.end(t, c)
	}
}

func loginRefused(t *testing.T, s *server) {
	_, err := client.Dial(t.Context(), client.Config{URL: s.url, TLS: s.tls, Login: login, Passcode: "wrong", Host: host})
	refused(t, err)
}

func codecs(t *testing.T, s *server) {
	type trade struct {
		Symbol string
		Price  int
	}
	c := s.dial(t, client.Config{})
	destination := unique("/topic/")
	got := listen(t, c, destination, client.SubscribeConfig{})
	if err := c.Send(t.Context(), destination, trade{"ACME", 42}); err != nil {
		t.Fatal(err)
	}
	m := next(t, got)
	contentType := m.Header.Get("content-type")
	if v, err := codec.Decode[trade](nil, contentType, m.Payload); err != nil || v != (trade{"ACME", 42}) || contentType != "application/json" {
		t.Errorf("got %v, %v as %s", v, err, contentType)
	}
}

func bodies(t *testing.T, s *server) {
	c := s.dial(t, client.Config{})
	destination := unique("/topic/")
	got := listen(t, c, destination, client.SubscribeConfig{})
	var octets [256]byte
	for i := range octets {
		octets[i] = byte(i)
	}
	for name, body := range map[string]string{
		"empty":          "",
		"NUL":            "\x00a\x00\x00b\x00",
		"UTF-8":          "Mühle 水車 🌾",
		"line ends":      "\n\r\n\n",
		"all octets":     string(octets[:]),
		"frame":          "MESSAGE\nsubscription:s1\n\nx\x00",
		"64 KiB of text": strings.Repeat("grain ", 64<<10)[:64<<10],
		"64 KiB":         strings.Repeat("\x00\xff", 32<<10),
	} {
		if err := c.Send(t.Context(), destination, []byte(body)); err != nil {
			t.Fatal(err)
		}
		if m := next(t, got); string(m.Payload) != body {
			t.Errorf("%s: got %d octets %.60q, want %d", name, len(m.Payload), m.Payload, len(body))
		}
	}
}

func escapes(v frame.Version, value string) func(*testing.T, *server) {
	return func(t *testing.T, s *server) {
		c := s.dial(t, client.Config{Version: v})
		destination := unique("/topic/")
		got := listen(t, c, destination, client.SubscribeConfig{})
		header := []message.Field{
			{Name: "value", Value: value}, {Name: "a:name\\n", Value: "x"}, {Name: "blank", Value: " x "}, {Name: "word", Value: "Mühle 水車"},
		}
		if err := c.Send(t.Context(), destination, "x", header...); err != nil {
			t.Fatal(err)
		}
		m := next(t, got)
		for _, f := range header {
			if value, ok := m.Header.Lookup(f.Name); !ok || value != f.Value {
				t.Errorf("header %q came as %q, want %q", f.Name, value, f.Value)
			}
		}
	}
}

func receipts(t *testing.T, s *server) {
	c := s.dial(t, client.Config{})
	destination := unique("/topic/")
	got := listen(t, c, destination, client.SubscribeConfig{})
	const n = 100
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			if err := c.SendReceipt(t.Context(), destination, "x"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for range n {
		want(t, got, "x")
	}
}

// Neither server knows this destination.
const nowhere = "/nowhere/at/all"

func frameRefused(t *testing.T, s *server) {
	c := s.dial(t, client.Config{})
	refused(t, c.SendReceipt(t.Context(), nowhere, "x"))
	again(t, c)
}

func subscriptionRefused(t *testing.T, s *server) {
	c := s.dial(t, client.Config{})
	_, err := c.Subscribe(t.Context(), nowhere, client.SubscribeConfig{}, nil)
	refused(t, err)
	again(t, c)
}

// again waits until c, whose connection was ended by the server, has another.
func again(t *testing.T, c *client.Client) {
	t.Helper()
	destination := unique("/topic/")
	got := listen(t, c, destination, client.SubscribeConfig{})
	for errors.Is(c.SendReceipt(t.Context(), destination, "again"), client.ErrAway) {
	}
	want(t, got, "again")
}

func topic(t *testing.T, s *server) {
	one, other := s.dial(t, client.Config{}), s.dial(t, client.Config{})
	destination := unique("/topic/")
	subscribers := []<-chan message.Raw{
		listen(t, one, destination, client.SubscribeConfig{}),
		listen(t, one, destination, client.SubscribeConfig{ID: "mine"}),
		listen(t, other, destination, client.SubscribeConfig{}),
	}
	send(t, one, destination, "a", "b")
	send(t, other, destination, "c")
	for _, got := range subscribers {
		want(t, got, "a")
		want(t, got, "b")
		want(t, got, "c")
	}
}

func queue(t *testing.T, s *server) {
	c := s.dial(t, client.Config{})
	destination := unique("/queue/")
	got := listen(t, c, destination, client.SubscribeConfig{})
	send(t, c, destination, "a", "b")
	want(t, got, "a")
	want(t, got, "b")
}

func unsubscribe(t *testing.T, s *server) {
	c := s.dial(t, client.Config{})
	destination := unique("/topic/")
	ended := make(chan message.Raw, 10)
	sub, err := c.Subscribe(t.Context(), destination, client.SubscribeConfig{}, func(_ context.Context, m message.Raw) error {
		ended <- m
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	stays := listen(t, c, destination, client.SubscribeConfig{})
	send(t, c, destination, "a")
	want(t, ended, "a")
	want(t, stays, "a")
	if err := sub.Unsubscribe(t.Context()); err != nil {
		t.Fatal(err)
	}
	send(t, c, destination, "b")
	want(t, stays, "b")
	s.end(t, c)
	if len(ended) != 0 {
		t.Errorf("%d messages after UNSUBSCRIBE", len(ended))
	}
}

// onTheWay is how many messages are sent before one must have come: a server may
// cut off who does not keep up.
const onTheWay = 500

// noHeartbeats is for cases with many messages: the WebSocket side of RabbitMQ
// 3.10 loses a connection that it slows down while it has heart-beats.
var noHeartbeats = client.Config{Heartbeat: client.HeartbeatConfig{Send: -1, Receive: -1}}

func order(t *testing.T, s *server) {
	sender, receiver := s.dial(t, noHeartbeats), s.dial(t, noHeartbeats)
	destination := unique("/topic/")
	got := listen(t, receiver, destination, client.SubscribeConfig{})
	const n = 10_000
	for i := range n + onTheWay {
		if i < n {
			if err := sender.Send(t.Context(), destination, fmt.Sprint(i)); err != nil {
				t.Fatal(err)
			}
		}
		if i >= onTheWay {
			want(t, got, fmt.Sprint(i-onTheWay))
		}
	}
}

func concurrentSenders(t *testing.T, s *server) {
	sender, receiver := s.dial(t, noHeartbeats), s.dial(t, noHeartbeats)
	destination := unique("/topic/")
	got := listen(t, receiver, destination, client.SubscribeConfig{})
	const senders, each = 8, 200
	var all sync.WaitGroup
	for i := range senders {
		all.Go(func() {
			for k := range each {
				if err := sender.Send(t.Context(), destination, fmt.Sprintf("%d %d", i, k)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	var last [senders]int
	for range senders * each {
		m := next(t, got)
		var i, k int
		if _, err := fmt.Sscan(string(m.Payload), &i, &k); err != nil || k != last[i] {
			t.Fatalf("got %q, want %d of sender %d: %v", m.Payload, last[i], i, err)
		}
		last[i]++
	}
	all.Wait()
}

// heartbeats leaves a connection alone: the server shows in time that it is
// alive, and hears that the client is.
func heartbeats(t *testing.T, s *server) {
	dial, opened := s.lines(t)
	c := s.dial(t, client.Config{Dial: dial, Heartbeat: client.HeartbeatConfig{Send: 3 * time.Second, Receive: 3 * time.Second}})
	l := next(t, opened)
	if beat := c.Connected().Get("heart-beat"); beat != "3000,3000" {
		t.Errorf("negotiated %q", beat)
	}
	last := next(t, l.heard)
	for began := time.Now(); time.Since(began) < 10*time.Second; {
		heard := next(t, l.heard)
		if gap := heard.Sub(last); gap > 6*time.Second {
			t.Errorf("the server was silent for %v", gap)
		}
		last = heard
	}
	select {
	case <-l.ended:
		t.Error("the connection is lost")
	default:
	}
	s.end(t, c)
}

// disconnect sends without receipts: DISCONNECT has one, which covers all.
func disconnect(t *testing.T, s *server) {
	sender, receiver := s.dial(t, client.Config{}), s.dial(t, client.Config{})
	destination := unique("/topic/")
	got := listen(t, receiver, destination, client.SubscribeConfig{})
	const n = 100
	for i := range n {
		if err := sender.Send(t.Context(), destination, fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	s.end(t, sender)
	for i := range n {
		want(t, got, fmt.Sprint(i))
	}
}

// death kills the server. The client comes back to the next one, subscribes
// again, and sends what was to be sent in the meantime. It asks to resume, which
// neither server can.
func death(t *testing.T, s *server) {
	dial, opened := s.lines(t)
	c := s.dial(t, client.Config{Dial: dial, Reconnect: client.ReconnectConfig{MaxDelay: time.Second}})
	destination := unique("/topic/")
	got := listen(t, c, destination, client.SubscribeConfig{Resume: true})
	send(t, c, destination, "before")
	want(t, got, "before")

	s.process.Kill()
	next(t, next(t, opened).ended)
	for i := range 3 {
		if err := c.Send(t.Context(), destination, fmt.Sprint("away ", i)); err != nil {
			t.Fatal(err)
		}
	}
	s.process.Launch()
	for i := range 3 {
		want(t, got, fmt.Sprint("away ", i))
	}
	send(t, c, destination, "after")
	want(t, got, "after")
	s.end(t, c)
}
