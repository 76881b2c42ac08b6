package broker

import (
	"context"
	"log/slog"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/message"
)

// TestDrops: whatever is given up is counted, with its reason, and there is no reason
// that cannot be reached.
func TestDrops(t *testing.T) {
	acks := Acks{MaxDeliveries: 1}
	engine := new(slow)
	ways := map[string]struct {
		rule Rule
		lose func(do func(message.Raw) error, b *Memory)
	}{
		"dead": {Rule{Mode: Queue, Acks: acks}, func(do func(message.Raw) error, b *Memory) {
			_ = do(message.Raw{Payload: []byte("x")})
			_ = do(message.Raw{Kind: message.KindNack, Header: message.Header{}.With(message.HeaderAck, b.delivery.ackID(1))})
		}},
		"gone": {Rule{}, func(do func(message.Raw) error, b *Memory) {
			_ = do(message.Raw{Payload: []byte("x")})
			_ = do(message.Raw{Kind: message.KindDisconnect})
		}},
		"vetoed": {Rule{Mode: Queue}, func(do func(message.Raw) error, b *Memory) {
			_ = do(message.Raw{Payload: []byte("veto")})
		}},
		"full": {Rule{Backlog: Backlog{Bytes: 1}}, func(do func(message.Raw) error, b *Memory) {
			_ = do(message.Raw{Payload: []byte("x")})
		}},
		"closed": {Rule{Mode: Queue}, func(do func(message.Raw) error, b *Memory) {
			_ = do(message.Raw{Payload: []byte("x")})
			b.Close()
		}},
		"unkept": {Rule{Retain: true, History: History{Bytes: 1000}}, func(do func(message.Raw) error, b *Memory) {
			_ = do(message.Raw{Payload: []byte(strings.Repeat("x", 1000))})
			_ = do(message.Raw{Kind: message.KindAck, Header: message.Header{}.With(message.HeaderAck, b.delivery.ackID(1))})
		}},
		"stray": {Rule{}, func(func(message.Raw) error, *Memory) {
			_ = engine.receive(t.Context(), Envelope{Destination: "/b"})
		}},
	}
	for _, name := range dropNames {
		t.Run(name, func(t *testing.T) {
			way, ok := ways[name]
			if !ok {
				t.Fatal("nobody knows how it is reached")
			}
			synctest.Test(t, func(t *testing.T) {
				out := message.HandlerFunc[[]byte](func(_ context.Context, m message.Raw) error {
					if string(m.Payload) == "veto" {
						return message.ErrDropped
					}
					return nil
				})
				config := Config{Rules: []Rule{way.rule}, Logger: slog.New(slog.DiscardHandler)}
				if name == "stray" {
					config.Backplane = engine
				}
				b := NewMemory(out, config)
				defer b.Close()
				s := message.NewSession(nowhere{}, message.SessionInfo{})
				do := func(m message.Raw) error {
					m.Session, m.Destination = s, "/a"
					return b.Handle(t.Context(), m)
				}
				for _, m := range []message.Raw{
					{Kind: message.KindConnect},
					{Kind: message.KindSubscribe, Subscription: "1", Header: message.Header{}.With(message.HeaderAckMode, "client")},
				} {
					if err := do(m); err != nil {
						t.Fatal(err)
					}
				}
				way.lose(do, b)
				time.Sleep(time.Minute)
				if s := b.Stats(); !maps.Equal(s.Dropped, map[string]uint64{name: 1}) || s.Bytes != 0 {
					t.Errorf("dropped %v with %d bytes left, want one, %s", s.Dropped, s.Bytes, name)
				}
			})
		})
	}
	if len(ways) != len(dropNames) {
		t.Errorf("%d ways for %d reasons", len(ways), len(dropNames))
	}
}
