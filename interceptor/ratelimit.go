package interceptor

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/headrace/headrace/message"
)

// Rate is how much of something may come: a bucket of Burst tokens that is filled at
// PerSecond tokens a second.
type Rate struct {
	// PerSecond is how much may come each second in the long run. Zero means any
	// amount.
	PerSecond float64
	// Burst is how much may come at once. Zero means what comes in one second, and at
	// least 1.
	Burst int
}

// Limits are the rates of one sender.
type Limits struct {
	// Messages counts all that he sends but KindConnect and KindDisconnect:
	// subscriptions and acknowledgements too.
	Messages Rate
	// Bytes counts payloads, destinations, headers and ids of subscriptions. Burst is
	// the largest message that can pass.
	Bytes Rate
	// Subscriptions counts KindSubscribe.
	Subscriptions Rate
}

// RateLimitConfig describes a [RateLimit].
type RateLimitConfig struct {
	// Session holds for each session. Zero means no limits.
	Session Limits
	// User holds for all sessions of one user together, by name. Zero means no limits.
	// Those who are not logged in have none.
	User Limits
}

// RateLimit refuses what a client sends faster than it may, with an error of CodeFull
// that names the limit, or of CodeTooLarge for a message that never could pass. It does
// not wait. It is mounted where messages come in, behind what logs clients in; what an
// adapter does after an error, such as to close the connection, is its own matter.
//
//	node.Inbound.Intercept(interceptor.RateLimit(interceptor.RateLimitConfig{
//		Session: interceptor.Limits{Messages: interceptor.Rate{PerSecond: 50, Burst: 200}},
//	}))
//
// KindConnect and KindDisconnect pass, as do messages without a session. A message that
// is refused by one limit has used up what the limits before it counted: messages,
// bytes, subscriptions, the session's before the user's.
//
// What is known of a session lives as long as the session; what is known of a user
// until his buckets are full again and room is needed, so memory follows those who send,
// not those who ever did. RateLimit panics when a number is negative.
func RateLimit(config RateLimitConfig) message.RawInterceptor {
	sessions, users := newQuota("session", config.Session), newQuota("user", config.User)
	attribute := "interceptor.RateLimit#" + strconv.FormatUint(rateLimits.Add(1), 10)
	perSession, perUser := bySession{quota: sessions, attribute: attribute}, byUser{quota: users, byName: make(map[string]*buckets)}
	return func(next message.RawHandler) message.RawHandler {
		return message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
			if m.Session == nil || m.Kind == message.KindConnect || m.Kind == message.KindDisconnect {
				return next.Handle(ctx, m)
			}
			if err := perSession.take(&m); err != nil {
				return err
			}
			if err := perUser.take(&m); err != nil {
				return err
			}
			return next.Handle(ctx, m)
		})
	}
}

// rateLimits counts the limiters of the program: each has an attribute of its own in
// the sessions.
var rateLimits atomic.Uint64

// limit is one rate and what is told to who is over it.
type limit struct {
	rate           rate.Limit
	burst          int
	full, tooLarge *message.Error
}

// quota are the limits of each sender of one sort; nil ones do not hold.
type quota struct {
	messages, bytes, subscriptions *limit
}

func newQuota(of string, l Limits) quota {
	return quota{newLimit(of, "messages", l.Messages), newLimit(of, "bytes", l.Bytes), newLimit(of, "subscriptions", l.Subscriptions)}
}

func newLimit(of, what string, r Rate) *limit {
	if !(r.PerSecond >= 0) || r.Burst < 0 || r.Burst > 0 && r.PerSecond == 0 {
		panic(fmt.Sprintf("interceptor: RateLimit of %v %s a second, %d at once", r.PerSecond, what, r.Burst))
	}
	if r.PerSecond == 0 {
		return nil
	}
	if r.Burst == 0 {
		r.Burst = int(min(math.Ceil(r.PerSecond), math.MaxInt32))
	}
	return &limit{
		rate:     rate.Limit(r.PerSecond),
		burst:    r.Burst,
		full:     message.Errorf(message.CodeFull, "a %s may send %v %s a second", of, r.PerSecond, what),
		tooLarge: message.Errorf(message.CodeTooLarge, "a %s may send %d %s at once", of, r.Burst, what),
	}
}

func (q quota) none() bool { return q == quota{} }

// buckets are what one sender has left.
type buckets struct {
	mu                             sync.Mutex
	messages, bytes, subscriptions *rate.Limiter
}

func (q quota) buckets() *buckets {
	return &buckets{messages: q.messages.bucket(), bytes: q.bytes.bucket(), subscriptions: q.subscriptions.bucket()}
}

func (l *limit) bucket() *rate.Limiter {
	if l == nil {
		return nil
	}
	return rate.NewLimiter(l.rate, l.burst)
}

// take takes what a message needs out of the buckets. The time is that of the sender's
// turn: a limiter that is asked with an earlier one fills up twice for the time between.
func (q quota) take(b *buckets, m *message.Raw) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	if err := q.messages.take(b.messages, now, 1); err != nil {
		return err
	}
	if q.bytes != nil {
		if err := q.bytes.take(b.bytes, now, size(m)); err != nil {
			return err
		}
	}
	if m.Kind == message.KindSubscribe {
		return q.subscriptions.take(b.subscriptions, now, 1)
	}
	return nil
}

func (l *limit) take(b *rate.Limiter, now time.Time, n int) error {
	switch {
	case l == nil || b.AllowN(now, n):
		return nil
	case n > l.burst:
		return l.tooLarge
	}
	return l.full
}

func size(m *message.Raw) int {
	n := len(m.Payload) + len(m.Destination) + len(m.Subscription)
	for name, value := range m.Header.All() {
		n += len(name) + len(value)
	}
	return n
}

// full reports whether the buckets say nothing of the past.
func (q quota) full(b *buckets, now time.Time) bool {
	return q.messages.isFull(b.messages, now) && q.bytes.isFull(b.bytes, now) && q.subscriptions.isFull(b.subscriptions, now)
}

func (l *limit) isFull(b *rate.Limiter, now time.Time) bool {
	return l == nil || b.TokensAt(now) >= float64(l.burst)
}

// bySession keeps the buckets as an attribute of the session.
type bySession struct {
	quota     quota
	attribute string
	mu        sync.Mutex // of who makes buckets
}

func (l *bySession) take(m *message.Raw) error {
	if l.quota.none() {
		return nil
	}
	kept, ok := m.Session.Attribute(l.attribute)
	if !ok {
		kept = l.first(m.Session)
	}
	return l.quota.take(kept.(*buckets), m)
}

func (l *bySession) first(s *message.Session) any {
	l.mu.Lock()
	defer l.mu.Unlock()
	if kept, ok := s.Attribute(l.attribute); ok { // another goroutine was faster
		return kept
	}
	b := l.quota.buckets()
	s.SetAttribute(l.attribute, b)
	return b
}

// byUser keeps the buckets by the names of users. Once there are twice as many as were
// left the last time, those that are full are dropped.
type byUser struct {
	quota   quota
	mu      sync.Mutex // also held while a bucket is in use, so that none is dropped then
	byName  map[string]*buckets
	sweepAt int
}

const leastUsers = 1024

func (l *byUser) take(m *message.Raw) error {
	if l.quota.none() {
		return nil
	}
	user := m.Session.User()
	if user == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.byName[user.Name()]
	if b == nil {
		l.sweep()
		b = l.quota.buckets()
		l.byName[user.Name()] = b
	}
	return l.quota.take(b, m)
}

func (l *byUser) sweep() {
	if len(l.byName) < max(l.sweepAt, leastUsers) {
		return
	}
	now := time.Now()
	for name, b := range l.byName {
		if l.quota.full(b, now) {
			delete(l.byName, name)
		}
	}
	l.sweepAt = 2 * len(l.byName)
}
