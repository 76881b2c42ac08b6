package transport_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/transport"
)

// A client that is gone while it has all under way that it may is missed as soon
// as a write shows it.
func TestExchangeMissesWhoHasTooMuchPending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var held []message.Raw
		s := exchangeIn(t, transport.ExchangeConfig{MaxPending: 1}, later(&held))
		defer s.stop()
		c := s.dial("OPEN -", "SAY 1 /1", "SAY 2 /2")
		c.want(t, "WELCOME")
		c.Close()
		s.session().Deliver(t.Context(), message.Raw{Destination: "/news"})
		if got := s.got(); got != "connect /1 disconnect" {
			t.Errorf("inbound got %q", got)
		}
		held[0].Done.Release(nil)
	})
}

// coded is a refusal that brings its own close code.
type coded struct{ error }

func (coded) CloseCode() int { return 4000 }

func (c coded) Unwrap() error { return c.error }

// The reason of an end keeps what it is made of; what clients are told of it
// stays what was authored.
func TestExchangeKeepsTheReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refusal := coded{message.Errorf(message.CodeDenied, "not you").WithCause(errors.New("hunter2"))}
		s := exchangeIn(t, transport.ExchangeConfig{}, func(_ context.Context, m message.Raw) error {
			if m.Kind == message.KindConnect {
				return refusal
			}
			return nil
		})
		defer s.stop()
		c := s.dial("OPEN 1")
		c.want(t, "NO 1 not you", "END")
		reason := s.session().Reason()
		if code, text := transport.CloseCode(reason); code != 4000 || text != "not you" {
			t.Errorf("%d %q of %v", code, text, reason)
		}
	})
}
