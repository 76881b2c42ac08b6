package interceptor_test

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/interceptor"
	"github.com/headrace/headrace/message"
)

// passing sends m n times and returns how many got through; the others must be refused
// with code.
func passing(t *testing.T, i message.RawInterceptor, n int, m message.Raw, code message.Code) int {
	t.Helper()
	var next counting
	h := i(&next)
	for range n {
		if err := h.Handle(t.Context(), m); err != nil && message.Public(err).Code != code {
			t.Errorf("refused with %v", err)
		}
	}
	return next.n
}

func rateOf(perSecond float64, burst int) interceptor.Rate {
	return interceptor.Rate{PerSecond: perSecond, Burst: burst}
}

func TestRateLimitOfASession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := interceptor.RateLimit(interceptor.RateLimitConfig{Session: interceptor.Limits{
			Messages: rateOf(10, 5), Bytes: rateOf(100, 200), Subscriptions: rateOf(0.5, 0)}})
		one, two := userSession(kim), userSession(kim)
		check := func(what string, n, want int, m message.Raw) {
			t.Helper()
			if got := passing(t, i, n, m, message.CodeFull); got != want {
				t.Errorf("%s: %d of %d got through, want %d", what, got, n, want)
			}
		}
		check("a burst", 9, 5, message.Raw{Session: one})
		check("acknowledgements count", 1, 0, message.Raw{Kind: message.KindAck, Session: one})
		check("another session has its own", 9, 5, message.Raw{Session: two})
		check("the program has none", 9, 9, message.Raw{})
		check("CONNECT passes", 9, 9, message.Raw{Kind: message.KindConnect, Session: one})
		check("DISCONNECT passes", 9, 9, message.Raw{Kind: message.KindDisconnect, Session: one})
		time.Sleep(100 * time.Millisecond)
		check("a tenth of a second later", 3, 1, message.Raw{Session: one})
		time.Sleep(time.Minute)
		check("never more than the burst", 9, 5, message.Raw{Session: one})
		time.Sleep(time.Second)
		field := message.NewHeader(message.Field{Name: strings.Repeat("n", 50), Value: strings.Repeat("v", 50)})
		large := message.Raw{Session: one, Destination: strings.Repeat("d", 50), Header: field, Payload: make([]byte, 50)}
		check("bytes", 2, 1, large)
		time.Sleep(2 * time.Second)
		check("ids are bytes", 2, 1, message.Raw{Kind: message.KindUnsubscribe, Session: one, Subscription: strings.Repeat("i", 200)})
		time.Sleep(time.Second)
		check("subscriptions", 3, 1, message.Raw{Kind: message.KindSubscribe, Session: one})
		check("unsubscribing is no subscription", 1, 1, message.Raw{Kind: message.KindUnsubscribe, Session: one})
		time.Sleep(time.Second)
		check("a second is half a subscription", 1, 0, message.Raw{Kind: message.KindSubscribe, Session: one})
		time.Sleep(time.Second)
		check("two are a whole one", 1, 1, message.Raw{Kind: message.KindSubscribe, Session: one})
		time.Sleep(time.Minute)
		large.Payload = make([]byte, 51)
		if got := passing(t, i, 1, large, message.CodeTooLarge); got != 0 {
			t.Error("more than the burst got through")
		}
	})
}

func TestRateLimitOfAUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := interceptor.RateLimit(interceptor.RateLimitConfig{
			Session: interceptor.Limits{Messages: rateOf(1, 3)},
			User:    interceptor.Limits{Messages: rateOf(1, 4)}})
		for _, tt := range []struct {
			user message.Principal
			want int // of 5 each in three sessions
		}{{kim, 4}, {message.User("ann"), 4}, {nil, 9}, {message.User(""), 9}} {
			got := 0
			for range 3 {
				got += passing(t, i, 5, message.Raw{Session: userSession(tt.user)}, message.CodeFull)
			}
			if got != tt.want {
				t.Errorf("%v: %d got through, want %d", tt.user, got, tt.want)
			}
		}
	})
}

func TestRateLimitSaysWhat(t *testing.T) {
	s := userSession(kim)
	for _, tt := range []struct {
		config interceptor.RateLimitConfig
		m      message.Raw
		want   string
	}{
		{interceptor.RateLimitConfig{Session: interceptor.Limits{Messages: rateOf(0.5, 0)}}, message.Raw{Session: s}, "full: a session may send 0.5 messages a second"},
		{interceptor.RateLimitConfig{User: interceptor.Limits{Subscriptions: rateOf(1, 0)}}, message.Raw{Session: s, Kind: message.KindSubscribe}, "full: a user may send 1 subscriptions a second"},
		{interceptor.RateLimitConfig{User: interceptor.Limits{Bytes: rateOf(5, 0)}}, message.Raw{Session: s, Payload: make([]byte, 6)}, "too-large: a user may send 5 bytes at once"},
	} {
		h := interceptor.RateLimit(tt.config)(rawReturning(nil))
		_ = h.Handle(t.Context(), tt.m)
		if err := h.Handle(t.Context(), tt.m); err == nil || err.Error() != tt.want {
			t.Errorf("%v, want %s", err, tt.want)
		}
	}
}

// Two limiters do not share what they know of a session.
func TestRateLimitersAreApart(t *testing.T) {
	limit := func() message.RawInterceptor {
		return interceptor.RateLimit(interceptor.RateLimitConfig{Session: interceptor.Limits{Messages: rateOf(0.001, 1)}})
	}
	s := userSession(kim)
	for range 2 {
		if n := passing(t, limit(), 3, message.Raw{Session: s}, message.CodeFull); n != 1 {
			t.Errorf("%d passed, want 1: a limiter counted another's messages", n)
		}
	}
}

// Whatever number of goroutines sends for a session and a user, from its first message
// on, not one message more gets through.
func TestRateLimitConcurrently(t *testing.T) {
	const burst = 2
	limits := interceptor.Limits{Messages: rateOf(1e-6, burst)}
	for name, c := range map[string]interceptor.RateLimitConfig{"session": {Session: limits}, "user": {User: limits}} {
		i := interceptor.RateLimit(c)
		for round := range 500 {
			s := userSession(message.User(fmt.Sprint("user", round)))
			var passed atomic.Int64
			h := i(rawFunc(func(context.Context, message.Raw) error {
				passed.Add(1)
				return nil
			}))
			var wg sync.WaitGroup
			start := make(chan struct{})
			for range 8 {
				wg.Go(func() {
					<-start
					for range burst {
						_ = h.Handle(t.Context(), message.Raw{Session: s})
					}
				})
			}
			close(start)
			wg.Wait()
			if passed.Load() != burst {
				t.Fatalf("%s: %d got through, want %d", name, passed.Load(), burst)
			}
		}
	}
}

// Nor do many of them get more by and by than one: who looks at the clock first and comes
// to his turn last does not fill up the bucket once more.
func TestRateLimitHoldsBesideOthers(t *testing.T) {
	const perSecond, burst, senders, each = 10_000, 5_000, 64, 500
	limits := interceptor.Limits{Messages: rateOf(perSecond, burst)}
	for name, c := range map[string]interceptor.RateLimitConfig{"session": {Session: limits}, "user": {User: limits}} {
		var passed atomic.Int64
		h := interceptor.RateLimit(c)(rawFunc(func(context.Context, message.Raw) error {
			passed.Add(1)
			return nil
		}))
		s, start := userSession(kim), time.Now()
		var wg sync.WaitGroup
		for range senders {
			wg.Go(func() {
				for range each {
					_ = h.Handle(t.Context(), message.Raw{Session: s})
				}
			})
		}
		wg.Wait()
		if most := burst + int64(time.Since(start).Seconds()*perSecond) + 1; passed.Load() > most {
			t.Errorf("%s: %d got through, want %d at most", name, passed.Load(), most)
		}
	}
}

// TestRateLimitForgets: what is known of users goes when it says nothing any more, and
// not before: nobody gets a new bucket by coming back.
func TestRateLimitForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := interceptor.RateLimit(interceptor.RateLimitConfig{User: interceptor.Limits{Messages: rateOf(1, 2)}})
		h := i(rawReturning(nil))
		comeAndGo := func(from, to int) {
			for n := from; n < to; n++ {
				if err := h.Handle(t.Context(), message.Raw{Session: userSession(message.User(fmt.Sprint("user", n)))}); err != nil {
					t.Fatal(err)
				}
			}
		}
		if got := passing(t, i, 3, message.Raw{Session: userSession(kim)}, message.CodeFull); got != 2 {
			t.Fatalf("%d got through", got)
		}
		comeAndGo(0, 5_000) // at once, so that nobody's bucket is full
		if got := passing(t, i, 1, message.Raw{Session: userSession(kim)}, message.CodeFull); got != 0 {
			t.Error("others made a user forgotten")
		}
		base := heap()
		for round := range 50 {
			time.Sleep(time.Minute)
			comeAndGo(5_000+round*1_000, 6_000+round*1_000)
		}
		if grown := heap() - base; grown > 1<<20 {
			t.Errorf("50,000 users who came and went left %d bytes", grown)
		}
		runtime.KeepAlive(h)
	})
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestRateLimitNeedsSensibleNumbers(t *testing.T) {
	for _, r := range []interceptor.Rate{rateOf(-1, 0), rateOf(1, -1), rateOf(0, 1), rateOf(math.NaN(), 1)} {
		mustPanic(t, func() { interceptor.RateLimit(interceptor.RateLimitConfig{Session: interceptor.Limits{Bytes: r}}) })
		mustPanic(t, func() { interceptor.RateLimit(interceptor.RateLimitConfig{User: interceptor.Limits{Messages: r}}) })
	}
}
