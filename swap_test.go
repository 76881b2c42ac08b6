package headrace_test

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/interceptor"
	"github.com/headrace/headrace/message"
)

// stamp writes a version into a header of every message.
func stamp(name string, version int) message.RawInterceptor {
	return interceptor.Around(func(ctx context.Context, m message.Raw, next message.RawHandler) error {
		m.Header = m.Header.With(name, strconv.Itoa(version))
		return next.Handle(ctx, m)
	})
}

// Interceptors and routes are exchanged a hundred times while messages come: none is
// lost, none is handled twice, and none by a part of the old and a part of the new.
func TestLiveSwaps(t *testing.T) {
	const senders, each, swaps = 8, 2500, 100
	var swap interceptor.Swap[[]byte]
	node := headrace.New(headrace.Config{Handling: []message.RawInterceptor{swap.Intercept}})
	defer node.Close()
	var handled, half atomic.Int64
	configure := func(version int) {
		router := handler.NewRouter(node.BrokerChannel, handler.Config{Prefix: "/app"})
		handler.Consume(router, "/work", func(_ context.Context, m message.Raw) error {
			handled.Add(1)
			if now := strconv.Itoa(version); m.Header.Get("outer") != now || m.Header.Get("inner") != now {
				half.Add(1)
			}
			return nil
		})
		swap.Store(stamp("outer", version), stamp("inner", version),
			func(message.RawHandler) message.RawHandler { return router })
	}
	configure(0)
	var sending sync.WaitGroup
	var failed atomic.Int64
	for range senders {
		sending.Go(func() {
			s := message.NewSession(nil, message.SessionInfo{})
			for range each {
				m := message.Raw{Destination: "/app/work", Session: s}
				m.Done = message.NewCompletion(message.Handled, func(err error) {
					if err != nil {
						failed.Add(1)
					}
				})
				err := node.Inbound.Handle(s.Context(), m)
				m.Done.Release(err)
			}
		})
	}
	for i := range swaps {
		eventually(t, fmt.Sprintf("swap %d under load", i), func() bool { return handled.Load() >= int64(i*senders*each/swaps) })
		configure(i + 1)
	}
	sending.Wait()
	if err := node.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if handled.Load() != senders*each || failed.Load() != 0 || half.Load() != 0 {
		t.Errorf("of %d messages %d were handled, %d failed, %d met half a configuration", senders*each, handled.Load(), failed.Load(), half.Load())
	}
}
