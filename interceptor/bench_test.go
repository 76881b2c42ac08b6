package interceptor_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace/noop"

	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/interceptor"
	"github.com/headrace/headrace/interceptor/telemetry"
	"github.com/headrace/headrace/message"
)

// BenchmarkInterceptors has each interceptor alone around a handler that does
// nothing. Subtract "none".
func BenchmarkInterceptors(b *testing.B) {
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	loud := slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelDebug}))
	executor := channel.NewExecutor(channel.Config[order]{})
	defer executor.Close()
	mounts := []struct {
		name string
		i    message.Interceptor[order]
	}{
		{"none", func(next message.Handler[order]) message.Handler[order] { return next }},
		{"Around", interceptor.Around(func(ctx context.Context, m orderMessage, next message.Handler[order]) error {
			return next.Handle(ctx, m)
		})},
		{"Recover", interceptor.Recover[order]},
		{"Log/disabled", interceptor.Log[order](quiet)},
		{"Log/enabled", interceptor.Log[order](loud)},
		{"Timeout", interceptor.Timeout[order](time.Minute)},
		{"Retry", interceptor.Retry(interceptor.RetryConfig[order]{})},
		{"Deduplicate/no key", interceptor.Deduplicate(interceptor.DeduplicateConfig[order]{})},
		{"Deduplicate/duplicate", interceptor.Deduplicate(interceptor.DeduplicateConfig[order]{Key: func(orderMessage) string { return "a" }})},
		{"Validate", interceptor.Validate(func(context.Context, order) error { return nil })},
		{"Tap", interceptor.Tap[order](returning(nil))},
		{"Ordered", interceptor.Ordered[order](executor, nil)},
	}
	for _, mount := range mounts {
		b.Run(mount.name, func(b *testing.B) {
			h := message.Chain(message.Handler[order](returning(nil)), mount.i)
			ctx, m := b.Context(), orderMessage{Destination: "/orders"}
			b.ReportAllocs()
			for b.Loop() {
				if err := h.Handle(ctx, m); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// hundredRules is a policy with a rule for each of 33 rooms, by the user's name, and as
// many of other sorts.
func hundredRules() *interceptor.Policy {
	rules := []interceptor.Rule{interceptor.Deny(interceptor.Send, "/app/closed/**")}
	for i := range 33 {
		rules = append(rules,
			interceptor.Allow(interceptor.Send, fmt.Sprintf("/app/room%d/{id}", 2*i), interceptor.VarIsUser("id")),
			interceptor.Allow(interceptor.Subscribe, fmt.Sprintf("/topic/room%d/{id}", 2*i), interceptor.VarIsUser("id")),
			interceptor.Allow(interceptor.Send|interceptor.Subscribe, fmt.Sprintf("/topic/%d/**", i), interceptor.Role("admin")))
	}
	return interceptor.NewPolicy(interceptor.PolicyConfig{}, rules...)
}

// overlapping is a policy of n rules that all match one destination, of which the last
// decides.
func overlapping(n int) *interceptor.Policy {
	rules := make([]interceptor.Rule, n-1, n)
	for i := range rules {
		rules[i] = interceptor.Allow(interceptor.Send, "/app/{room}/*", interceptor.Role(fmt.Sprint("role", i)))
	}
	return interceptor.NewPolicy(interceptor.PolicyConfig{}, append(rules, interceptor.Allow(interceptor.Send, "/app/**"))...)
}

// BenchmarkAuthorize has authorization among 100 rules, the handler behind it included.
func BenchmarkAuthorize(b *testing.B) {
	policy := hundredRules()
	s := message.NewSession(nullSink{}, message.SessionInfo{Principal: member{"kim", []string{"admin"}}})
	for name, bb := range map[string]struct {
		i message.RawInterceptor
		m message.Raw
	}{
		"none":      {func(next message.RawHandler) message.RawHandler { return next }, message.Raw{Session: s}},
		"send":      {interceptor.Authorize(policy), message.Raw{Destination: "/app/room50/kim", Session: s}},
		"subscribe": {interceptor.Authorize(policy), message.Raw{Kind: message.KindSubscribe, Destination: "/topic/room50/kim", Session: s}},
		"role":      {interceptor.Authorize(policy), message.Raw{Kind: message.KindSubscribe, Destination: "/topic/30/a/b/c", Session: s}},
		"overlap":   {interceptor.Authorize(overlapping(100)), message.Raw{Destination: "/app/room50/kim", Session: s}},
		"deliver":   {interceptor.AuthorizeDelivery(policy), message.Raw{Destination: "/topic/room50/kim", Session: s}},
	} {
		b.Run(name, func(b *testing.B) {
			h := bb.i(rawReturning(nil))
			b.ReportAllocs()
			for b.Loop() {
				if err := h.Handle(b.Context(), bb.m); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkAuthorizeRatio has the time of a question that all of 100 rules match, of which
// the last decides, over that of one that one of 100 matches, in interleaved rounds.
func BenchmarkAuthorizeRatio(b *testing.B) {
	const calls = 20_000
	m := message.Raw{Destination: "/app/room50/kim", Session: userSession(kim)}
	clock := func(policy *interceptor.Policy) func() time.Duration {
		h := interceptor.Authorize(policy)(rawReturning(nil))
		return func() time.Duration {
			start := time.Now()
			for range calls {
				if err := h.Handle(b.Context(), m); err != nil {
					b.Fatal(err)
				}
			}
			return time.Since(start)
		}
	}
	one, all := clock(hundredRules()), clock(overlapping(100))
	var ratios []float64
	for b.Loop() {
		ratios = append(ratios, float64(all())/float64(one()))
	}
	slices.Sort(ratios)
	n := len(ratios)
	b.ReportMetric(ratios[n/2], "x-one")
	b.Logf("%d rounds, quartiles %.2f %.2f %.2f", n, ratios[n/4], ratios[n/2], ratios[3*n/4])
}

// generous limits let everything through.
var generous = interceptor.Limits{
	Messages:      interceptor.Rate{PerSecond: 1e9, Burst: 1e9},
	Bytes:         interceptor.Rate{PerSecond: 1e12, Burst: 1e12},
	Subscriptions: interceptor.Rate{PerSecond: 1e9, Burst: 1e9},
}

func BenchmarkRateLimit(b *testing.B) {
	m := message.Raw{Destination: "/app/room50/kim", Payload: make([]byte, 100), Session: userSession(kim)}
	for name, c := range map[string]interceptor.RateLimitConfig{
		"session": {Session: interceptor.Limits{Messages: generous.Messages}},
		"all":     {Session: generous, User: generous},
	} {
		b.Run(name, func(b *testing.B) {
			h := interceptor.RateLimit(c)(rawReturning(nil))
			b.ReportAllocs()
			for b.Loop() {
				if err := h.Handle(b.Context(), m); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkTogether has six interceptors together on a channel against the sum of what
// each of them costs alone on one, in interleaved rounds; "x-sum" is asked to be at most
// 1.3. What the channel and the handler cost without any is not counted on either side.
func BenchmarkTogether(b *testing.B) {
	const calls = 20_000
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	all := []message.RawInterceptor{
		interceptor.Recover[[]byte],
		interceptor.Log[[]byte](quiet),
		interceptor.Authorize(hundredRules()),
		interceptor.RateLimit(interceptor.RateLimitConfig{Session: generous}),
		interceptor.Timeout[[]byte](time.Minute),
		telemetry.TraceWith[[]byte](telemetry.Config{TracerProvider: noop.NewTracerProvider()}),
	}
	m := message.Raw{Destination: "/app/room50/kim", Payload: make([]byte, 100), Session: userSession(kim)}
	clock := func(mounted ...message.RawInterceptor) func() time.Duration {
		var c channel.DirectChannel[[]byte]
		c.Subscribe(rawReturning(nil), mounted...)
		return func() time.Duration {
			start := time.Now()
			for range calls {
				if err := c.Handle(b.Context(), m); err != nil {
					b.Fatal(err)
				}
			}
			return time.Since(start)
		}
	}
	bare, together := clock(), clock(all...)
	var alone []func() time.Duration
	for _, i := range all {
		alone = append(alone, clock(i))
	}
	var ratios []float64
	for b.Loop() {
		none, sum := bare(), time.Duration(0)
		for _, one := range alone {
			sum += one() - none
		}
		ratios = append(ratios, float64(together()-none)/float64(sum))
	}
	slices.Sort(ratios)
	n := len(ratios)
	b.ReportMetric(ratios[n/2], "x-sum")
	b.Logf("%d rounds, quartiles %.2f %.2f %.2f", n, ratios[n/4], ratios[n/2], ratios[3*n/4])
}
