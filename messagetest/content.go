package messagetest

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/headrace/headrace/message"
)

// header makes a header of names and values.
func header(pairs ...string) message.Header {
	var fields []message.Field
	for i := 0; i < len(pairs); i += 2 {
		fields = append(fields, message.Field{Name: pairs[i], Value: pairs[i+1]})
	}
	return message.NewHeader(fields...)
}

// translation checks what becomes of the things a client asks for.
func translation(t *testing.T, f factory) {
	s := f.serve(t, nil)
	p := s.connect()
	p.must(p.Subscribe("s1", "/topic/a", "1"))
	p.must(p.Send("/app/b", header("colour", "red"), []byte("text"), "2"))
	p.must(p.Unsubscribe("s1", "3"))
	p.wantReceipts("1", "2", "3")
	want := []message.Raw{
		{Kind: message.KindConnect},
		{Kind: message.KindSubscribe, Destination: "/topic/a", Subscription: "s1"},
		{Kind: message.KindData, Destination: "/app/b", Payload: []byte("text")},
		{Kind: message.KindUnsubscribe, Subscription: "s1"},
	}
	for i, m := range s.messages() {
		w := want[i]
		if m.Kind != w.Kind || m.Destination != w.Destination || m.Subscription != w.Subscription || !bytes.Equal(m.Payload, w.Payload) {
			t.Errorf("the application saw %v, want %v", m, w)
		}
		if m.Done == nil || m.Session == nil {
			t.Errorf("%s without completion or session", m.Kind)
		}
		if _, ok := m.Header.Lookup("receipt"); ok {
			t.Errorf("%s has the protocol's own header", m.Kind)
		}
	}
	if got := s.messages()[2].Header.Get("colour"); got != "red" {
		t.Errorf("a client's own header is %q", got)
	}
}

// reservedHeaders lets a client set what only a server may.
func reservedHeaders(t *testing.T, f factory) {
	h := header("hr-user", "root", message.HeaderMessageID, "forged", "colour", "red")
	s := f.serve(t, nil)
	p := s.dial()
	p.must(p.Connect(h))
	p.want(ReceivedConnected)
	p.must(p.Send("/a", h, []byte("text"), "r"))
	p.wantReceipts("r")
	for _, m := range s.messages() {
		for name := range m.Header.All() {
			if message.Reserved(name) {
				t.Errorf("%s has the header %s of a client", m.Kind, name)
			}
		}
		if m.Header.Get("colour") != "red" {
			t.Errorf("%s lost a client's own header", m.Kind)
		}
	}
}

// deliveryOrder sends a session a thousand messages from one goroutine.
func deliveryOrder(t *testing.T, f factory) {
	const n = 1000
	s := f.serve(t, nil)
	p := s.connect()
	session := s.messages()[0].Session
	for i := range n {
		p.must(session.Deliver(t.Context(), message.Raw{
			Destination:  "/topic/a",
			Subscription: fmt.Sprintf("s%d", i%3),
			Header:       header("number", fmt.Sprint(i), message.HeaderMessageID, fmt.Sprintf("m%d", i)),
			Payload:      []byte("text"),
		}))
	}
	for i := range n {
		m := p.want(ReceivedMessage).Message
		if m.Header.Get("number") != fmt.Sprint(i) || m.Header.Get(message.HeaderMessageID) != fmt.Sprintf("m%d", i) ||
			m.Destination != "/topic/a" || m.Subscription != fmt.Sprintf("s%d", i%3) {
			t.Fatalf("message %d is %v", i, m)
		}
	}
}

// variations delivers messages that differ from one another in one thing, twice
// each: whatever an adapter shares between deliveries, that must not get lost.
func variations(t *testing.T, f factory) {
	s := f.serve(t, nil)
	p := s.connect()
	session := s.messages()[0].Session
	first := message.Raw{Destination: "/a", Subscription: "1", Header: header("n", "1"), Payload: []byte("text")}
	others := []message.Raw{first, first, first, first}
	others[0].Destination = "/b"
	others[1].Subscription = "2"
	others[2].Header = first.Header.With("n", "2")
	others[3].Payload = []byte("TEXT")
	all := []message.Raw{first}
	for _, m := range others {
		all = append(all, m, m, first)
	}
	for _, m := range all {
		p.must(session.Deliver(t.Context(), m))
		got := p.want(ReceivedMessage).Message
		if got.Destination != m.Destination || got.Subscription != m.Subscription ||
			got.Header.Get("n") != m.Header.Get("n") || !bytes.Equal(got.Payload, m.Payload) {
			t.Errorf("%v came as %v", m, got)
		}
	}
}

// payloads sends all kinds of them both ways.
func payloads(t *testing.T, f factory) {
	var octets []byte
	for i := range 256 {
		octets = append(octets, byte(i))
	}
	for _, tt := range []struct {
		name, contentType string
		payload           []byte
	}{
		{"empty", "", nil},
		{"text", "text/plain", []byte("line\nline\x00 \"quoted\" \\ <b> é 水 \u2028")},
		{"no content-type", "", []byte("{not JSON")},
		{"JSON", "application/json", []byte(`{"a":[1.0,"<b>",null,{}]}`)},
		{"JSON string", "application/json", []byte(`"text"`)},
		{"binary", "application/octet-stream", octets},
		{"binary without content-type", "", octets},
		{"60 KiB", "text/plain", []byte(strings.Repeat("0123456789abcdef", 60<<10/16))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := message.Header{}
			if tt.contentType != "" {
				h = header(message.HeaderContentType, tt.contentType)
			}
			s := f.serve(t, func(ctx context.Context, m message.Raw) error {
				if m.Kind == message.KindData {
					return m.Session.Deliver(ctx, message.Raw{Destination: "/b", Subscription: "1", Header: m.Header, Payload: m.Payload})
				}
				return accept(ctx, m)
			})
			if _, ok := s.AdapterServer.(TextOnly); ok && !utf8.Valid(tt.payload) {
				t.Log("left out: the adapter carries text only")
				return
			}
			p := s.connect()
			p.must(p.Send("/a", h, tt.payload, ""))
			got := p.want(ReceivedMessage).Message
			if !bytes.Equal(got.Payload, tt.payload) {
				t.Errorf("%d bytes came back of %d: %.80q", len(got.Payload), len(tt.payload), got.Payload)
			}
			for _, m := range s.of(message.KindData) {
				if !bytes.Equal(m.Payload, tt.payload) || m.Header.Get(message.HeaderContentType) != tt.contentType {
					t.Errorf("the application saw %d bytes of %q: %.80q", len(m.Payload), m.Header.Get(message.HeaderContentType), m.Payload)
				}
			}
		})
	}
}

// slowClient reads nothing: it is cut when more waits for it than its budget
// allows, and delivery does not wait for it.
func slowClient(t *testing.T, f factory) {
	s := f.serve(t, nil)
	p := s.connect()
	session := s.messages()[0].Session
	other := s.connect()
	m := message.Raw{Destination: "/a", Subscription: "1", Payload: bytes.Repeat([]byte("x"), 16<<10)}
	began, refused := time.Now(), false
	for range 8192 {
		if refused = session.Deliver(t.Context(), m) != nil; refused {
			break
		}
	}
	if took := time.Since(began); took >= patience {
		t.Errorf("delivery to a client that reads nothing took %v", took)
	}
	if !refused {
		t.Error("128 MiB wait for a client that reads nothing")
	}
	s.eventually("the slow client was cut", func() bool { return len(s.of(message.KindDisconnect)) == 1 })
	if s.of(message.KindDisconnect)[0].Session != session {
		t.Error("another session ended")
	}
	other.send("/a", "r")
	other.wantReceipts("r")
	p.Cut()
}
