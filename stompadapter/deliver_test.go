package stompadapter_test

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter"
	"github.com/headrace/headrace/stompadapter/frame"
)

// delivery is a message as a broker delivers it.
func delivery(fields ...message.Field) message.Raw {
	return message.Raw{
		Destination:  "/topic/a",
		Subscription: "s1",
		Header:       message.NewHeader(append(fields, message.Field{Name: message.HeaderMessageID, Value: "m1"})...),
		Payload:      []byte("hello"),
	}
}

func TestMessage(t *testing.T) {
	in := new(inbound)
	s := serve(t, in, stompadapter.Config{})
	c := s.connect()
	session := in.only(t, message.KindConnect).Session
	m := delivery()
	for name, value := range map[string]string{
		"content-type": "text/plain", "colour": "a:b\nc", "destination": "forged", "subscription": "forged", "ack": "forged", "content-length": "99",
		"receipt": "forged", "transaction": "t", "hr-user": "anna", "login": "anna", "passcode": "secret",
	} {
		m.Header = m.Header.With(name, value)
	}
	if err := session.Deliver(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	f := c.want(frame.Message)
	if string(f.Body) != "hello" || f.Header.Len() != 6 {
		t.Errorf("MESSAGE %v %q", f.Header, f.Body)
	}
	for name, want := range map[string]string{
		"destination": "/topic/a", "subscription": "s1", "message-id": "m1", "content-type": "text/plain", "colour": "a:b\nc", "content-length": "5",
	} {
		if got := f.Header.Get(name); got != want {
			t.Errorf("MESSAGE has %s %q, want %q", name, got, want)
		}
	}

	m.Header, m.Payload = message.Header{}, []byte{0xff, 0}
	for range 2 { // two messages, for all that is known
		if err := session.Deliver(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	first, second := c.want(frame.Message), c.want(frame.Message)
	if string(first.Body) != "\xff\x00" {
		t.Errorf("body %q", first.Body)
	}
	if a, b := first.Header.Get("message-id"), second.Header.Get("message-id"); a == "" || a == b {
		t.Errorf("message-ids %q and %q", a, b)
	}
}

func TestErrorMessageCloses(t *testing.T) {
	in := new(inbound)
	c := serve(t, in, stompadapter.Config{}).connect()
	session := in.only(t, message.KindConnect).Session
	m := message.Raw{Kind: message.KindError, Payload: []byte("the broker is gone"),
		Header: message.NewHeader(message.Field{Name: "retry", Value: "later"})}
	if err := session.Deliver(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	f := c.want(frame.Error)
	if f.Header.Get("message") != "error" || f.Header.Get("retry") != "later" || string(f.Body) != "the broker is gone" {
		t.Errorf("ERROR %v %q", f.Header, f.Body)
	}
	c.wantClosed(1011)
	<-session.Done()
	if err := session.Deliver(t.Context(), delivery()); err == nil {
		t.Error("a delivery to an ended session succeeded")
	}
}

func TestDeliveryErrors(t *testing.T) {
	in := new(inbound)
	early := make(chan error, 4)
	in.on = func(ctx context.Context, m message.Raw) error {
		if m.Kind == message.KindConnect {
			early <- m.Session.Deliver(ctx, delivery())
			early <- m.Session.Deliver(ctx, message.Raw{Kind: message.KindError})
		}
		return accept(ctx, m)
	}
	c := serve(t, in, stompadapter.Config{}).connect()
	for range 2 {
		if err := <-early; err == nil {
			t.Error("a delivery before CONNECTED succeeded")
		}
	}
	session := in.only(t, message.KindConnect).Session
	none := delivery()
	none.Subscription = ""
	for name, m := range map[string]message.Raw{
		"no subscription": none,
		"kind":            {Kind: message.KindSubscribe},
		"connected twice": {Kind: message.KindConnected},
		"header name":     delivery(message.Field{}),
		"header encoding": delivery(message.Field{Name: "a", Value: "\xff"}),
	} {
		if err := session.Deliver(t.Context(), m); err == nil {
			t.Errorf("%s: no error", name)
		} else if _, ok := errors.AsType[*message.Error](err); !ok {
			t.Errorf("%s: %v is not authored", name, err)
		}
	}
	c.send("DISCONNECT\n\n\x00")
	c.wantClosed(1000)
}

// TestBroadcastEncodesOnce delivers one message to a thousand sessions.
func TestBroadcastEncodesOnce(t *testing.T) {
	const n = 1000
	in := new(inbound)
	s := serve(t, in, stompadapter.Config{})
	var clients []*client
	for range n {
		clients = append(clients, s.connect())
	}
	m := delivery()
	changed := m.Header.With("for", "you alone")
	for i, connect := range in.messages() {
		m := m
		if i == n/2 {
			m.Header = changed
		}
		if err := connect.Session.Deliver(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	for i, c := range clients {
		if f := c.want(frame.Message); (f.Header.Get("for") != "") != (i == n/2) {
			t.Errorf("client %d got %v", i, f.Header)
		}
	}
	if got := s.adapter.Stats().Encodings; got != 2 {
		t.Errorf("%d encodings, want 2", got)
	}
}

// TestDeliveryDoesNotAllocate delivers a frame that is in the cache.
func TestDeliveryDoesNotAllocate(t *testing.T) {
	if raceEnabled {
		return // the race detector allocates
	}
	in := new(inbound)
	s := serve(t, in, stompadapter.Config{}, true)
	c := s.connect()
	go discard(c.ws.NetConn())
	session := in.only(t, message.KindConnect).Session
	m, ctx := delivery(), t.Context()
	var failed error
	deliver := func() {
		if err := session.Deliver(ctx, m); err != nil {
			failed = err
		}
	}
	deliver()
	if allocs := testing.AllocsPerRun(1000, deliver); allocs != 0 || failed != nil {
		t.Errorf("%v allocations a delivery, error %v", allocs, failed)
	}
}

func discard(nc net.Conn) {
	for buffer := make([]byte, 64<<10); ; {
		if _, err := nc.Read(buffer); err != nil {
			return
		}
	}
}
