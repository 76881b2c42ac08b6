package interceptor_test

import (
	"context"
	"testing"

	"go.uber.org/goleak"

	"github.com/headrace/headrace/message"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type order struct{ symbol string }

type (
	orderMessage = message.Message[order]
	orderFunc    = message.HandlerFunc[order]
)

type rawFunc = message.HandlerFunc[[]byte]

func rawReturning(err error) rawFunc {
	return func(context.Context, message.Raw) error { return err }
}

func returning(err error) orderFunc {
	return func(context.Context, orderMessage) error { return err }
}

// mustPanic fails the test when f does not panic.
func mustPanic(t *testing.T, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Error("a wiring mistake must panic")
		}
	}()
	f()
}

// nullSink is a session's client that nobody is interested in.
type nullSink struct{}

func (nullSink) Deliver(context.Context, message.Raw) error { return nil }
func (nullSink) Close(error)                                {}

func newSession() *message.Session {
	return message.NewSession(nullSink{}, message.SessionInfo{})
}

func userSession(p message.Principal) *message.Session {
	return message.NewSession(nullSink{}, message.SessionInfo{Principal: p})
}
