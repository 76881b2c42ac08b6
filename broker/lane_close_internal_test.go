package broker

import (
	"context"
	"testing"

	"github.com/headrace/headrace/message"
)

// TestCloseLeavesNoLaneTimer: a topic that is closed while it delivers does not stay for
// who may come back to it.
func TestCloseLeavesNoLaneTimer(t *testing.T) {
	delivers, goOn := make(chan bool), make(chan bool)
	b := NewMemory(message.HandlerFunc[[]byte](func(_ context.Context, m message.Raw) error {
		if string(m.Payload) == "x" {
			delivers <- true
			<-goOn
		}
		return nil
	}), Config{Rules: []Rule{{History: History{Messages: 3}}}})
	s := message.NewSession(nowhere{}, message.SessionInfo{})
	handle := func(m message.Raw) {
		if err := b.Handle(t.Context(), m); err != nil {
			t.Error(err)
		}
	}
	handle(message.Raw{Kind: message.KindConnect, Session: s})
	handle(message.Raw{Kind: message.KindSubscribe, Session: s, Subscription: "1", Destination: "/a", Header: message.Header{}.With(message.HeaderOffset, "0")})
	published := make(chan bool)
	go func() {
		defer close(published)
		handle(message.Raw{Destination: "/a", Payload: []byte("x")})
	}()
	<-delivers
	var l *lane
	for l = range b.lanes.index.Match("/a") {
	}
	b.Close()
	goOn <- true
	<-published
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timer != nil || l.idle {
		t.Error("the topic stays")
	}
}
