package broker_test

import (
	"context"
	"io"
	"log/slog"
	"sync/atomic"
	"testing"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/messagetest"
)

func TestConformance(t *testing.T) {
	messagetest.Broker(t, topics{}.Features(), func(t *testing.T, outbound message.RawHandler) broker.Broker {
		return &topics{Memory: broker.NewMemory(outbound, broker.Config{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})}
	})
}

type topics struct {
	*broker.Memory
	closed atomic.Bool
}

func (topics) Features() broker.Features { return broker.Features{Patterns: true, Ordered: true} }
func (b *topics) Close()                 { b.closed.Store(true) }

func (b *topics) Handle(ctx context.Context, m message.Raw) error {
	switch h := m.Header; {
	case b.closed.Load():
		return message.Errorf(message.CodeUnavailable, "closed")
	case h.Get(message.HeaderSelector) != "", h.Get(message.HeaderAckMode) != "", h.Get(message.HeaderOffset) != "":
		if m.Kind == message.KindSubscribe {
			return message.Errorf(message.CodeInvalid, "unsupported")
		}
	}
	return b.Memory.Handle(ctx, m)
}
