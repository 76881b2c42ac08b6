package watermilladapter_test

import (
	"testing"

	wmessage "github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/messagetest"
	"github.com/headrace/headrace/watermilladapter"
)

// shared is a subscriber that several subscriptions have in common.
type shared struct{ wmessage.Subscriber }

func (shared) Close() error { return nil }

// TestBackplaneOverGoChannel: it has no groups, and keeps no order.
func TestBackplaneOverGoChannel(t *testing.T) {
	engine := gochannel.NewGoChannel(gochannel.Config{OutputChannelBuffer: 64}, nil)
	t.Cleanup(func() { _ = engine.Close() })
	messagetest.Backplane(t, func(t *testing.T) broker.Backplane {
		b := watermilladapter.NewBackplane(watermilladapter.BackplaneConfig{
			Publisher:  engine,
			Subscriber: func(string, string) (wmessage.Subscriber, error) { return shared{engine}, nil },
			Logger:     quiet,
		})
		t.Cleanup(b.Close)
		return b
	})
}
