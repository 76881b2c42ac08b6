package jsonadapter_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/headrace/headrace/jsonadapter"
	"github.com/headrace/headrace/message"
)

// TestDelivery checks what messages look like on the wire.
func TestDelivery(t *testing.T) {
	in := new(inbound)
	s := serve(in, jsonadapter.Config{})
	defer s.Close()
	c := s.connect(t)
	session := in.messages()[0].Session
	head := func(pairs ...string) (h message.Header) {
		for i := 0; i < len(pairs); i += 2 {
			h = h.With(pairs[i], pairs[i+1])
		}
		return h
	}
	for _, tt := range []struct {
		name string
		m    message.Raw
		want string
	}{
		{"JSON", message.Raw{Header: head("content-type", "application/json;charset=utf-8"), Payload: []byte(`{"a":"<b>"}`)},
			`"header":{"content-type":"application/json;charset=utf-8"},"payload":{"a":"<b>"}`},
		{"JSON of a kind", message.Raw{Header: head("content-type", "application/problem+json"), Payload: []byte(`[1]`)},
			`"header":{"content-type":"application/problem+json"},"payload":[1]`},
		{"what only claims to be JSON", message.Raw{Header: head("content-type", "application/json"), Payload: []byte(`{`)},
			`"header":{"content-type":"application/json"},"payload":"ew==","encoding":"base64"`},
		{"text", message.Raw{Payload: []byte("a\"b")}, `"payload":"a\"b"`},
		{"octets", message.Raw{Payload: []byte{0xff}}, `"payload":"/w==","encoding":"base64"`},
		{"first of a repeated name", message.Raw{Header: message.NewHeader(message.Field{Name: "n", Value: "1"}, message.Field{Name: "n", Value: "2"}), Payload: []byte("x")},
			`"header":{"n":"1"},"payload":"x"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c.t = t
			m := tt.m
			m.Destination, m.Subscription = "/a", "1"
			if err := session.Deliver(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			c.want(`{"type":"message","id":"1","destination":"/a",` + tt.want + `}`)
		})
	}
	if err := session.Deliver(t.Context(), message.Raw{Kind: message.KindError, Payload: []byte("oh")}); err != nil {
		t.Error(err)
	}
	c.want(`{"type":"error","payload":"oh"}`)
	for _, k := range []message.Kind{message.KindConnected, message.KindSubscribe} {
		if err := session.Deliver(t.Context(), message.Raw{Kind: k}); err == nil {
			t.Errorf("a second %s was delivered", k)
		}
	}
}

// TestBroadcastEncodesOnce delivers one message to many, and then others that
// differ from it in one thing.
func TestBroadcastEncodesOnce(t *testing.T) {
	in := new(inbound)
	s := serve(in, jsonadapter.Config{})
	defer s.Close()
	var clients []*client
	for range 20 {
		clients = append(clients, s.connect(t))
	}
	m := message.Raw{Destination: "/a", Subscription: "1", Header: message.Header{}.With("message-id", "m").With("n", "1"), Payload: []byte("text")}
	deliver := func(m message.Raw) {
		t.Helper()
		for _, connect := range in.messages() {
			m.Session = connect.Session
			if err := connect.Session.Deliver(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
	}
	deliver(m)
	if n := s.Stats().Encodings; n != 1 {
		t.Errorf("encoded %d times", n)
	}
	other := []message.Raw{m, m, m, m, m}
	other[0].Destination = "/b"
	other[1].Subscription = "2"
	other[2].Header = m.Header.With("n", "2")
	other[3].Payload = bytes.ToUpper(m.Payload)
	other[4].Kind = message.KindError
	for _, o := range other {
		deliver(o)
	}
	if n := s.Stats().Encodings; n != 6 {
		t.Errorf("encoded %d times, want 6", n)
	}
	const head = `{"type":"message","id":"1","destination":"/a",`
	for _, c := range clients {
		c.want(head+`"header":{"message-id":"m","n":"1"},"payload":"text"}`,
			strings.Replace(head, "/a", "/b", 1)+`"header":{"message-id":"m","n":"1"},"payload":"text"}`,
			strings.Replace(head, "1", "2", 1)+`"header":{"message-id":"m","n":"1"},"payload":"text"}`,
			head+`"header":{"message-id":"m","n":"2"},"payload":"text"}`,
			head+`"header":{"message-id":"m","n":"1"},"payload":"TEXT"}`,
			strings.Replace(head, "message", "error", 1)+`"header":{"message-id":"m","n":"1"},"payload":"text"}`)
	}
	if n := s.Stats().Sessions; n != 20 {
		t.Errorf("%d sessions", n)
	}
}

// TestBroadcastEncodesOncePerID delivers one message to many whose subscriptions
// have one of two ids, in turn.
func TestBroadcastEncodesOncePerID(t *testing.T) {
	in := new(inbound)
	s := serve(in, jsonadapter.Config{})
	defer s.Close()
	for range 20 {
		s.connect(t)
	}
	m := message.Raw{Destination: "/a", Header: message.Header{}.With("message-id", "m"), Payload: []byte("text")}
	for i, connect := range in.messages() {
		m.Subscription = []string{"0", "1"}[i%2]
		if err := connect.Session.Deliver(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.Stats().Encodings; n != 2 {
		t.Errorf("encoded %d times, want 2", n)
	}
}

// TestInboundPayloads checks what payloads of clients become.
func TestInboundPayloads(t *testing.T) {
	in := new(inbound)
	s := serve(in, jsonadapter.Config{})
	defer s.Close()
	c := s.connect(t)
	for _, tt := range []struct{ object, contentType, payload string }{
		{`"payload":{"a":[1, 2.0]}`, "application/json", `{"a":[1, 2.0]}`},
		{`"payload":null`, "application/json", `null`},
		{`"payload":"text"`, "", `text`},
		{`"payload":"text","header":{"content-type":"application/json"}`, "application/json", `"text"`},
		{`"payload":"/w==","encoding":"base64"`, "", "\xff"},
		{`"header":{"content-type":"application/json"}`, "application/json", ""},
	} {
		before := len(in.messages())
		// Split and with white space between, for boundaries mean nothing.
		object := ` {"type":"send","destination":"/a","receipt":"}{\"","x":[{}],` + tt.object + "}\n"
		c.write(object[:30])
		c.write(object[30:])
		c.want(`{"type":"receipt","receipt":"}{\""}`)
		m := in.messages()[before]
		if string(m.Payload) != tt.payload || m.Header.Get("content-type") != tt.contentType {
			t.Errorf("%s became %q of %q", tt.object, m.Payload, m.Header.Get("content-type"))
		}
	}
}
