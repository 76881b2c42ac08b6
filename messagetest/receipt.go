package messagetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/headrace/headrace/message"
)

// receiptOrder completes messages in the reverse of their order.
func receiptOrder(t *testing.T, f factory) {
	var h holder
	s := f.serve(t, h.handle)
	p := s.connect()
	p.send("/0", "0")
	p.must(p.Subscribe("s", "/1", "1"))
	p.send("/unasked", "")
	p.must(p.Unsubscribe("s", "3"))
	p.send("/4", "4")
	s.eventually("all was handed over", func() bool { return h.len() == 5 })
	for _, m := range slices.Backward(h.held) {
		m.Done.Release(nil)
	}
	p.wantReceipts("0", "1", "3", "4")
	p.must(p.Disconnect("bye"))
	p.wantReceipts("bye")
	p.wantEnd()
	s.wantKinds("connect data subscribe data unsubscribe data disconnect")
}

// errorOrder lets a message fail before those in front of it are done. Whether
// the session goes on is the protocol's matter.
func errorOrder(t *testing.T, f factory) {
	for _, tt := range []struct {
		name, text string
		err        error
	}{
		{"authored", errRefused.Message, errRefused},
		{"dropped", "message dropped", message.ErrDropped},
		{"unauthored", "internal error", errors.New("the password is hunter2")},
		{"panic", "internal error", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var h holder
			s := f.serve(t, func(ctx context.Context, m message.Raw) error {
				switch {
				case m.Destination != "/bad":
					return h.handle(ctx, m)
				case tt.err == nil:
					panic("hunter2")
				}
				return tt.err
			})
			p := s.connect()
			p.send("/0", "0")
			p.send("/1", "1")
			p.send("/bad", "2")
			s.eventually("all was sent on", func() bool { return len(s.of(message.KindData)) == 3 })
			h.held[1].Done.Release(nil)
			h.held[0].Done.Release(nil)
			p.wantReceipts("0", "1")
			if r := p.want(ReceivedError); r.Receipt != "2" || r.Text != tt.text {
				t.Errorf("the client is told %q for the receipt %q, want %q", r.Text, r.Receipt, tt.text)
			}
		})
	}
}

// drain shuts down while a thousand messages are under way.
func drain(t *testing.T, f factory) {
	const n = 1000
	var h holder
	s := f.serve(t, h.handle)
	p := s.connect()
	var receipts []string
	for i := range n {
		receipts = append(receipts, fmt.Sprint(i))
		p.send("/a", receipts[i])
	}
	s.eventually("all was accepted", func() bool { return h.len() == n })
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Shutdown(gone); !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown that ends with its context: %v", err)
	}
	session := s.messages()[0].Session
	p.must(session.Deliver(t.Context(), message.Raw{Destination: "/a", Subscription: "1"}))
	p.want(ReceivedMessage)
	for _, m := range h.held {
		m.Done.Release(nil)
	}
	p.wantReceipts(receipts...)
	p.wantEnd()
	shutdown(s)
	s.end()
	if got := s.messages(); len(got) != n+2 || got[n+1].Kind != message.KindDisconnect {
		t.Errorf("the application saw %d messages, the last a %s", len(got), got[len(got)-1].Kind)
	}
}

// manySessions opens sessions side by side: none may see another's messages,
// nor wait for one whose messages are not done.
func manySessions(t *testing.T, f factory) {
	const n = 50
	var h holder
	s := f.serve(t, func(ctx context.Context, m message.Raw) error {
		switch {
		case m.Destination == "/stuck":
			return h.handle(ctx, m)
		case m.Kind == message.KindData:
			return m.Session.Deliver(ctx, message.Raw{Destination: m.Destination, Subscription: "1", Payload: m.Payload})
		}
		return accept(ctx, m)
	})
	stuck := s.connect()
	stuck.send("/stuck", "r")
	s.eventually("one is stuck", func() bool { return h.len() == 1 })
	var peers []peer
	for range n {
		peers = append(peers, s.connect())
	}
	for i, p := range peers {
		p.send(fmt.Sprintf("/%d", i), "r")
	}
	for i, p := range peers {
		if m := p.want(ReceivedMessage).Message; m.Destination != fmt.Sprintf("/%d", i) {
			t.Errorf("session %d was sent %s", i, m.Destination)
		}
		p.wantReceipts("r")
		p.must(p.Disconnect(""))
	}
	s.eventually("all but one ended", func() bool { return len(s.of(message.KindDisconnect)) == n })
	h.held[0].Done.Release(nil)
	stuck.wantReceipts("r")
}
