//go:build !race

package interceptor_test

import (
	"context"
	"testing"

	"github.com/headrace/headrace/interceptor"
	"github.com/headrace/headrace/message"
)

func TestHotInterceptorsAllocateNothing(t *testing.T) {
	policy := hundredRules()
	limited := interceptor.RateLimit(interceptor.RateLimitConfig{Session: generous, User: generous})(rawReturning(nil))
	refused := interceptor.RateLimit(interceptor.RateLimitConfig{Session: interceptor.Limits{Messages: rateOf(1e-9, 1)}})(rawReturning(nil))
	duplicates := interceptor.Deduplicate(interceptor.DeduplicateConfig[order]{})(returning(nil))
	checked := interceptor.Validate(func(context.Context, []byte) error { return nil })(rawReturning(nil))
	s := userSession(kim)
	m := message.Raw{Destination: "/topic/room50/kim", Session: s, Payload: make([]byte, 10)}
	ask := m
	ask.Kind = message.KindSubscribe
	duplicate := keyed(s, "a")
	for name, f := range map[string]func(){
		"Authorize a message":      handling(t, interceptor.Authorize(policy)(rawReturning(nil)), message.Raw{Destination: "/app/room50/kim", Session: s}),
		"Authorize, 100 match":     handling(t, interceptor.Authorize(overlapping(100))(rawReturning(nil)), message.Raw{Destination: "/app/room50/kim", Session: s}),
		"Authorize, 700 match":     handling(t, interceptor.Authorize(overlapping(700))(rawReturning(nil)), message.Raw{Destination: "/app/room50/kim", Session: s}),
		"Authorize a subscription": handling(t, interceptor.Authorize(policy)(rawReturning(nil)), ask),
		"AuthorizeDelivery":        handling(t, interceptor.AuthorizeDelivery(policy)(rawReturning(nil)), m),
		"RateLimit":                handling(t, limited, ask),
		"RateLimit refuses":        func() { _ = refused.Handle(t.Context(), m) },
		"Deduplicate a duplicate":  func() { _ = duplicates.Handle(t.Context(), duplicate) },
		"Validate":                 handling(t, checked, m),
		"Retry":                    handling(t, interceptor.Retry(interceptor.RetryConfig[[]byte]{})(rawReturning(nil)), m),
	} {
		if n := testing.AllocsPerRun(200, f); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// handling returns a function that hands m to h, which must take it.
func handling(t *testing.T, h message.RawHandler, m message.Raw) func() {
	return func() {
		if err := h.Handle(t.Context(), m); err != nil {
			t.Error(err)
		}
	}
}
