package watermilladapter_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	wmessage "github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/watermilladapter"
)

var errBroken = errors.New("broken")

// through hands m to h through a middleware.
func through(t *testing.T, mw wmessage.HandlerMiddleware, h rawFunc, m message.Raw) error {
	t.Helper()
	return message.Chain(h, watermilladapter.Middleware(mw)).Handle(t.Context(), m)
}

func TestMiddlewareChangesReachWhatIsBehind(t *testing.T) {
	mw := func(h wmessage.HandlerFunc) wmessage.HandlerFunc {
		return func(m *wmessage.Message) ([]*wmessage.Message, error) {
			if m.UUID != "id-1" || m.Metadata["b"] != "1" || string(m.Payload) != "hello" || m.Context().Value(ctxKey{}) != "mine" {
				t.Errorf("the middleware sees %+v", m)
			}
			m.UUID = "id-2"
			m.Payload = []byte("changed")
			m.Metadata["new"] = "n"
			m.Metadata["c"] = "changed"
			delete(m.Metadata, "gone")
			m.SetContext(context.WithValue(m.Context(), ctxKey{}, "theirs"))
			return h(m)
		}
	}
	var got message.Raw
	var value any
	h := message.Chain(rawFunc(func(ctx context.Context, m message.Raw) error {
		got, value = m, ctx.Value(ctxKey{})
		return nil
	}), watermilladapter.Middleware(mw))
	session := new(message.Session)
	err := h.Handle(context.WithValue(t.Context(), ctxKey{}, "mine"), message.Raw{
		Kind: message.KindAck, Destination: "/topic/a", Subscription: "s", Session: session, Payload: []byte("hello"),
		Header: message.NewHeader(
			message.Field{Name: "b", Value: "1"}, message.Field{Name: message.HeaderMessageID, Value: "id-1"},
			message.Field{Name: "gone", Value: "x"}, message.Field{Name: "b", Value: "2"}, message.Field{Name: "c", Value: "3"}),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []message.Field{{Name: "b", Value: "1"}, {Name: message.HeaderMessageID, Value: "id-2"}, {Name: "b", Value: "2"}, {Name: "c", Value: "changed"}, {Name: "new", Value: "n"}}
	if !slices.Equal(fields(got.Header), want) {
		t.Errorf("header %v\nwant   %v", fields(got.Header), want)
	}
	if string(got.Payload) != "changed" || value != "theirs" {
		t.Errorf("payload %q, context %v", got.Payload, value)
	}
	if got.Kind != message.KindAck || got.Destination != "/topic/a" || got.Subscription != "s" || got.Session != session {
		t.Errorf("the rest of the message has changed: %+v", got)
	}
}

// TestMiddlewareThatChangesNothing leaves the header the one that it was: encoded
// messages are found by it.
func TestMiddlewareThatChangesNothing(t *testing.T) {
	header := message.NewHeader(message.Field{Name: "a", Value: "1"}, message.Field{Name: "a", Value: "2"})
	err := through(t, middleware.Recoverer, func(_ context.Context, m message.Raw) error {
		if !m.Header.Same(header) {
			t.Errorf("header %v", fields(m.Header))
		}
		return nil
	}, message.Raw{Header: header})
	if err != nil {
		t.Error(err)
	}
}

// TestMiddlewareWrapsOnce: what it keeps is for all messages.
func TestMiddlewareWrapsOnce(t *testing.T) {
	wraps := 0
	h := message.Chain(rawFunc(accept), watermilladapter.Middleware(func(h wmessage.HandlerFunc) wmessage.HandlerFunc { wraps++; return h }))
	for range 3 {
		if err := h.Handle(t.Context(), message.Raw{}); err != nil {
			t.Error(err)
		}
	}
	if wraps != 1 {
		t.Errorf("wrapped %d times", wraps)
	}
	mustPanic(t, func() { watermilladapter.Middleware(nil) })
}

func TestMiddlewareRetry(t *testing.T) {
	calls := 0
	retry := middleware.Retry{MaxRetries: 3}
	err := through(t, retry.Middleware, func(context.Context, message.Raw) error {
		if calls++; calls < 3 {
			return errBroken
		}
		return nil
	}, message.Raw{})
	if err != nil || calls != 3 {
		t.Errorf("%d calls, %v", calls, err)
	}
	calls = -10
	if err := through(t, retry.Middleware, func(context.Context, message.Raw) error { calls++; return errBroken }, message.Raw{}); !errors.Is(err, errBroken) || calls != -6 {
		t.Errorf("%d calls, %v", calls+10, err)
	}
}

func TestMiddlewareTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		err := through(t, middleware.Timeout(time.Minute), func(ctx context.Context, _ message.Raw) error {
			<-ctx.Done()
			return ctx.Err()
		}, message.Raw{})
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Minute {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}

// TestMiddlewareCorrelationID: the handler produces nothing that it could go on to,
// but what the middleware needs is in the header, where the handler finds it.
func TestMiddlewareCorrelationID(t *testing.T) {
	err := through(t, middleware.CorrelationID, func(_ context.Context, m message.Raw) error {
		if got := m.Header.Get(middleware.CorrelationIDMetadataKey); got != "42" {
			t.Errorf("correlation id %q", got)
		}
		return nil
	}, message.Raw{Header: message.NewHeader(message.Field{Name: middleware.CorrelationIDMetadataKey, Value: "42"})})
	if err != nil {
		t.Error(err)
	}
}

func TestMiddlewareRecoverer(t *testing.T) {
	err := through(t, middleware.Recoverer, func(context.Context, message.Raw) error { panic("boom") }, message.Raw{})
	if _, ok := errors.AsType[middleware.RecoveredPanicError](err); !ok {
		t.Errorf("outcome %v", err)
	}
}

func TestMiddlewareThrottle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle := middleware.NewThrottle(10, time.Second)
		h := message.Chain(rawFunc(accept), watermilladapter.Middleware(throttle.Middleware))
		start := time.Now()
		for range 20 {
			if err := h.Handle(t.Context(), message.Raw{}); err != nil {
				t.Error(err)
			}
		}
		if after := time.Since(start); after != 2*time.Second {
			t.Errorf("20 messages took %v", after)
		}
	})
}

func TestMiddlewarePoisonQueue(t *testing.T) {
	var pub fakePublisher
	poison, err := middleware.PoisonQueue(&pub, "poison")
	if err != nil {
		t.Fatal(err)
	}
	err = through(t, poison, func(context.Context, message.Raw) error { return errBroken }, message.Raw{
		Header:  message.NewHeader(message.Field{Name: message.HeaderMessageID, Value: "id-1"}),
		Payload: []byte("hello"),
	})
	if err != nil {
		t.Errorf("outcome %v of what is in the poison queue", err)
	}
	m := pub.message
	if pub.topic != "poison" || m.UUID != "id-1" || string(m.Payload) != "hello" || m.Metadata[middleware.ReasonForPoisonedKey] != "broken" {
		t.Errorf("%+v in %q", m, pub.topic)
	}
	pub.err = errAway
	if err := through(t, poison, func(context.Context, message.Raw) error { return errBroken }, message.Raw{}); !errors.Is(err, errBroken) {
		t.Errorf("outcome %v when the poison queue is away", err)
	}
}

func TestMiddlewareIgnoreErrors(t *testing.T) {
	ignore := middleware.NewIgnoreErrors([]error{errBroken})
	if err := through(t, ignore.Middleware, func(context.Context, message.Raw) error { return errBroken }, message.Raw{}); err != nil {
		t.Error(err)
	}
}

// TestMiddlewareInstantAck: the sender is told before the handler is done, and hears
// of no failure.
func TestMiddlewareInstantAck(t *testing.T) {
	outcome := errBroken
	told := 0
	done := message.NewCompletion(message.Handled, func(err error) { outcome = err; told++ })
	done.Release(through(t, middleware.InstantAck, func(context.Context, message.Raw) error {
		if told != 1 {
			t.Error("the handler runs and the sender was not told")
		}
		return errBroken
	}, message.Raw{Done: done}))
	if told != 1 || outcome != nil {
		t.Errorf("told %d times, %v", told, outcome)
	}
}

// TestMiddlewareThatDoesWhatCannotBe: the sender is told.
func TestMiddlewareThatDoesWhatCannotBe(t *testing.T) {
	for name, mw := range map[string]wmessage.HandlerMiddleware{
		"produces": func(h wmessage.HandlerFunc) wmessage.HandlerFunc {
			return func(m *wmessage.Message) ([]*wmessage.Message, error) {
				_, err := h(m)
				return []*wmessage.Message{m.Copy()}, err
			}
		},
		"refuses": func(h wmessage.HandlerFunc) wmessage.HandlerFunc {
			return func(m *wmessage.Message) ([]*wmessage.Message, error) { m.Nack(); return h(m) }
		},
		"loses the context": func(h wmessage.HandlerFunc) wmessage.HandlerFunc {
			return func(m *wmessage.Message) ([]*wmessage.Message, error) { return h(m.Copy()) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			err := through(t, mw, accept, message.Raw{})
			if e, ok := errors.AsType[*message.Error](err); !ok || e.Code != message.CodeInternal {
				t.Errorf("outcome %v", err)
			}
		})
	}
}
