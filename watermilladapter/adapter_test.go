package watermilladapter_test

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	wmessage "github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"
	"go.uber.org/goleak"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/watermilladapter"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type rawFunc = message.HandlerFunc[[]byte]

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// engine is a GoChannel that buffers, so that what is published waits in order
// where the source finds it.
func engine(t *testing.T) *gochannel.GoChannel {
	pubsub := gochannel.NewGoChannel(gochannel.Config{OutputChannelBuffer: 64}, nil)
	t.Cleanup(func() {
		if err := pubsub.Close(); err != nil {
			t.Error(err)
		}
	})
	return pubsub
}

func from(t *testing.T, sub wmessage.Subscriber, h rawFunc, c watermilladapter.FromConfig) *watermilladapter.Source {
	t.Helper()
	if c.Logger == nil {
		c.Logger = quiet
	}
	source, err := watermilladapter.From(t.Context(), sub, "orders", h, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(source.Close)
	return source
}

func publish(t *testing.T, pub wmessage.Publisher, payloads ...string) {
	t.Helper()
	for _, p := range payloads {
		if err := pub.Publish("orders", wmessage.NewMessage("id-"+p, []byte(p))); err != nil {
			t.Fatal(err)
		}
	}
}

func mustPanic(t *testing.T, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Error("a wiring mistake must panic")
		}
	}()
	f()
}

// pass lets time go by in a synctest bubble.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func accept(context.Context, message.Raw) error { return nil }

func logger(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }
