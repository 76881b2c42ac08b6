package interceptor_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/headrace/headrace/interceptor"
	"github.com/headrace/headrace/message"
)

// ticket is a user with an end.
type ticket struct {
	message.User
	end time.Time
}

func (t ticket) Expires() time.Time { return t.end }

// stage is a session behind an interceptor on both sides, as a node has it.
type stage struct {
	*message.Session
	in, out message.RawHandler
	handled int
	closed  []time.Duration // since the start
	why     error
	start   time.Time
}

func (g *stage) Deliver(context.Context, message.Raw) error { return nil }

func (g *stage) Close(reason error) {
	g.closed, g.why = append(g.closed, time.Since(g.start)), reason
}

func newStage(i message.RawInterceptor, user message.Principal) *stage {
	g := &stage{start: time.Now()}
	g.Session = message.NewSession(g, message.SessionInfo{Principal: user})
	g.in = i(message.HandlerFunc[[]byte](func(context.Context, message.Raw) error { g.handled++; return nil }))
	g.out = i(message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error { return m.Session.Deliver(ctx, m) }))
	return g
}

// lasting is a user who ends after d.
func lasting(name string, d time.Duration) ticket {
	return ticket{message.User(name), time.Now().Add(d)}
}

func (g *stage) says(k message.Kind) error {
	return g.in.Handle(context.Background(), message.Raw{Kind: k, Session: g.Session})
}

// gone is what an adapter does at the end.
func (g *stage) gone(t *testing.T) {
	t.Helper()
	g.Session.Close(nil)
	if err := g.says(message.KindDisconnect); err != nil {
		t.Errorf("disconnect: %v", err)
	}
}

func (g *stage) wantClosed(t *testing.T, after ...time.Duration) {
	t.Helper()
	synctest.Wait()
	if len(g.closed) != len(after) || len(after) > 0 && g.closed[0] != after[0] {
		t.Fatalf("closed after %v, want %v", g.closed, after)
	}
	if len(after) > 0 && message.Public(g.why).Code != message.CodeUnauthenticated {
		t.Errorf("closed because of %v", g.why)
	}
}

func code(err error) message.Code {
	if err == nil {
		return ""
	}
	return message.Public(err).Code
}

// At the moment that the user's end says, not before and not after, nothing goes in and
// out any more and the session is closed.
func TestExpireIsExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newStage(interceptor.Expire(interceptor.ExpireConfig{}), lasting("ann", time.Minute))
		deliver := func() error { return g.out.Handle(t.Context(), message.Raw{Session: g.Session}) }
		for _, k := range []message.Kind{message.KindConnect, message.KindData} {
			if err := g.says(k); err != nil {
				t.Error(k, err)
			}
		}
		time.Sleep(time.Minute - 1)
		g.wantClosed(t)
		if err := errors.Join(g.says(message.KindSubscribe), deliver()); err != nil {
			t.Errorf("1 ns before the end: %v", err)
		}
		time.Sleep(time.Nanosecond)
		g.wantClosed(t, time.Minute)
		handled := g.handled
		for k := message.KindData; k <= message.KindError; k++ {
			if err := g.says(k); k != message.KindDisconnect && code(err) != message.CodeUnauthenticated {
				t.Errorf("%s after the end: %v", k, err)
			}
		}
		if g.handled != handled+1 {
			t.Errorf("%d messages were handled after the end", g.handled-handled)
		}
		if err := deliver(); code(err) != message.CodeUnauthenticated {
			t.Errorf("delivered after the end: %v", err)
		}
	})
}

func TestExpireLeavesOthersAlone(t *testing.T) {
	for name, user := range map[string]message.Principal{"nobody": nil, "without an end": message.User("ann"), "zero end": ticket{User: "ann"}} {
		synctest.Test(t, func(t *testing.T) {
			i := interceptor.Expire(interceptor.ExpireConfig{})
			g := newStage(i, user)
			g.says(message.KindConnect)
			time.Sleep(1000 * time.Hour)
			g.wantClosed(t)
			if err := g.says(message.KindData); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if err := g.in.Handle(t.Context(), message.Raw{}); err != nil {
				t.Errorf("the program's own: %v", err)
			}
		})
	}
}

// A user who has ended already is refused; no timer is set.
func TestExpireRefusesConnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newStage(interceptor.Expire(interceptor.ExpireConfig{}), lasting("ann", 0))
		if err := g.says(message.KindConnect); code(err) != message.CodeUnauthenticated || g.handled != 0 {
			t.Error(err)
		}
		time.Sleep(time.Hour)
		g.wantClosed(t) // which is the adapter's matter
	})
}

// Whoever becomes known later, or gets another end, is seen with the next message.
func TestExpireFollowsTheUser(t *testing.T) {
	const never = time.Duration(-1) // as the first: nobody
	for name, tt := range map[string]struct {
		first, then time.Duration
		speak       bool
		want        []time.Duration
	}{
		"later, in silence":    {time.Minute, 3 * time.Minute, false, []time.Duration{3*time.Minute + time.Second}},
		"later":                {time.Minute, 3 * time.Minute, true, []time.Duration{3*time.Minute + time.Second}},
		"earlier":              {time.Hour, time.Minute, true, []time.Duration{time.Minute + time.Second}},
		"never, in silence":    {time.Minute, never, false, nil},
		"somebody at last":     {never, time.Minute, true, []time.Duration{time.Minute + time.Second}},
		"somebody, in silence": {never, time.Minute, false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var first, then message.Principal = lasting("ann", tt.first), message.User("ann")
				if tt.first == never {
					first = nil
				}
				g := newStage(interceptor.Expire(interceptor.ExpireConfig{}), first)
				g.says(message.KindConnect)
				time.Sleep(time.Second)
				if tt.then != never {
					then = lasting("ann", tt.then)
				}
				g.SetUser(then)
				if tt.speak {
					g.says(message.KindData)
				}
				time.Sleep(2 * time.Hour)
				g.wantClosed(t, tt.want...)
			})
		})
	}
}

func TestExpireRefreshes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked []time.Duration
		start := time.Now()
		g := newStage(interceptor.Expire(interceptor.ExpireConfig{Refresh: func(ctx context.Context, s *message.Session) (message.Principal, error) {
			asked = append(asked, time.Since(start))
			if d, ok := ctx.Deadline(); !ok || !d.Equal(s.User().(ticket).end) {
				t.Errorf("Refresh has until %v, the user until %v", d, s.User())
			}
			if len(asked) > 3 {
				return nil, nil
			}
			return lasting("ann", 10*time.Minute), nil
		}}), lasting("ann", 10*time.Minute))
		g.says(message.KindConnect)
		time.Sleep(time.Hour)
		const each = 10*time.Minute - 30*time.Second
		g.wantClosed(t, 3*each+10*time.Minute)
		if len(asked) != 4 || asked[0] != each || asked[3] != 4*each {
			t.Errorf("asked at %v", asked)
		}
	})
}

// Refresh is not asked when the program was faster.
func TestExpireRefreshesLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked []time.Duration
		start := time.Now()
		g := newStage(interceptor.Expire(interceptor.ExpireConfig{Refresh: func(context.Context, *message.Session) (message.Principal, error) {
			asked = append(asked, time.Since(start))
			return nil, nil
		}}), lasting("ann", time.Minute))
		g.says(message.KindConnect)
		if err := interceptor.Renew(g.Session, lasting("ann", time.Hour)); err != nil {
			t.Error(err)
		}
		time.Sleep(2 * time.Hour)
		g.wantClosed(t, time.Hour)
		if len(asked) != 1 || asked[0] != time.Hour-30*time.Second {
			t.Errorf("asked at %v", asked)
		}
	})
}

// Principals that last shorter than Before do not make Refresh run without end.
func TestExpireRefreshesShortOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		g := newStage(interceptor.Expire(interceptor.ExpireConfig{Refresh: func(context.Context, *message.Session) (message.Principal, error) {
			n++
			return lasting("ann", 10*time.Second), nil
		}}), lasting("ann", 10*time.Second))
		g.says(message.KindConnect)
		time.Sleep(time.Minute + time.Second)
		g.wantClosed(t)
		if n != 12 {
			t.Errorf("asked %d times in a minute", n)
		}
		g.gone(t)
	})
}

// Whatever goes wrong with Refresh: the session ends when its user does.
func TestExpireWithoutASuccessor(t *testing.T) {
	for name, tt := range map[string]struct {
		refresh func(context.Context, *message.Session) (message.Principal, error)
		log     string
	}{
		"none":  {func(context.Context, *message.Session) (message.Principal, error) { return nil, nil }, ""},
		"error": {func(context.Context, *message.Session) (message.Principal, error) { return nil, errors.New("row 17") }, "row 17"},
		"panic": {func(context.Context, *message.Session) (message.Principal, error) { panic("row 17") }, "row 17"},
		"another user": {func(context.Context, *message.Session) (message.Principal, error) {
			return lasting("eve", time.Hour), nil
		}, "another user's"},
		"old": {func(context.Context, *message.Session) (message.Principal, error) { return lasting("ann", 0), nil }, "have expired"},
		"hangs": {func(ctx context.Context, _ *message.Session) (message.Principal, error) {
			<-ctx.Done()
			time.Sleep(time.Second)
			return lasting("ann", time.Hour), nil
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				g := newStage(interceptor.Expire(interceptor.ExpireConfig{Refresh: tt.refresh, Logger: slog.New(slog.NewTextHandler(&log, nil))}), lasting("ann", time.Minute))
				g.says(message.KindConnect)
				time.Sleep(10 * time.Minute)
				g.wantClosed(t, time.Minute)
				if got := log.String(); tt.log == "" && got != "" || !bytes.Contains(log.Bytes(), []byte(tt.log)) {
					t.Errorf("log: %s", got)
				}
			})
		})
	}
}

// The end of a session stops its timer, and waits for what that has begun.
func TestExpireStopsWithTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running atomic.Int32
		asked := 0
		expire := interceptor.Expire(interceptor.ExpireConfig{Refresh: func(ctx context.Context, _ *message.Session) (message.Principal, error) {
			running.Add(1)
			asked++
			<-ctx.Done()
			running.Add(-1)
			return nil, ctx.Err()
		}})
		g := newStage(expire, lasting("ann", time.Minute))
		g.says(message.KindConnect)
		time.Sleep(40 * time.Second)
		if running.Load() != 1 {
			t.Fatal("Refresh does not run")
		}
		if g.gone(t); time.Since(g.start) != 40*time.Second {
			t.Errorf("the end took until %v", time.Since(g.start))
		}
		if running.Load() != 0 {
			t.Error("Refresh runs on")
		}
		early := newStage(expire, lasting("ann", time.Minute))
		early.says(message.KindConnect)
		early.gone(t)
		// What is on its way to a session that has ended sets no timer anew.
		early.out.Handle(t.Context(), message.Raw{Session: early.Session})
		cut := newStage(expire, lasting("ann", time.Minute)) // whose last message somebody refused before
		cut.says(message.KindConnect)
		cut.Session.Close(nil)
		time.Sleep(time.Hour)
		if asked != 1 {
			t.Errorf("asked %d times", asked)
		}
	})
}

// Who renews while Refresh runs is not undone by it.
func TestExpireKeepsWhatOthersRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newStage(interceptor.Expire(interceptor.ExpireConfig{Refresh: func(context.Context, *message.Session) (message.Principal, error) {
			time.Sleep(10 * time.Second)
			return lasting("ann", time.Minute), nil
		}}), lasting("ann", time.Minute))
		g.says(message.KindConnect)
		time.Sleep(35 * time.Second)
		client := lasting("ann", time.Hour)
		if err := interceptor.Renew(g.Session, client); err != nil {
			t.Error(err)
		}
		time.Sleep(10 * time.Second)
		if g.User() != client {
			t.Errorf("the session belongs to %v, want %v", g.User(), client)
		}
		g.gone(t)
	})
}

// Nor is who renews when Refresh has returned.
func TestExpireKeepsWhatOthersRenewedAtLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := lasting("ann", time.Hour)
		var g *stage
		g = newStage(interceptor.Expire(interceptor.ExpireConfig{Refresh: func(context.Context, *message.Session) (message.Principal, error) {
			return restless{lasting("ann", time.Minute), sync.OnceFunc(func() { interceptor.Renew(g.Session, client) })}, nil
		}}), lasting("ann", time.Minute))
		g.says(message.KindConnect)
		time.Sleep(35 * time.Second)
		if g.User() != client {
			t.Errorf("the session belongs to %v, want %v", g.User(), client)
		}
		g.gone(t)
	})
}

// A Refresh that outlasts its principal's successor hands over to the next one, which
// ends with the session as well.
func TestExpireEndsTheLaterOfTwoRefreshes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var began, ended []time.Duration
		start := time.Now()
		g := newStage(interceptor.Expire(interceptor.ExpireConfig{Refresh: func(ctx context.Context, _ *message.Session) (message.Principal, error) {
			began = append(began, time.Since(start))
			<-ctx.Done()
			ended = append(ended, time.Since(start))
			return nil, nil
		}}), lasting("ann", time.Minute))
		g.says(message.KindConnect)
		time.Sleep(31 * time.Second)
		if err := interceptor.Renew(g.Session, lasting("ann", 50*time.Second)); err != nil {
			t.Error(err)
		}
		g.says(message.KindData)
		time.Sleep(34 * time.Second)
		g.gone(t)
		if want := []time.Duration{30 * time.Second, 56 * time.Second}; !slices.Equal(began, want) {
			t.Errorf("Refresh is called at %v, want %v", began, want)
		}
		if want := []time.Duration{56 * time.Second, 65 * time.Second}; !slices.Equal(ended, want) {
			t.Errorf("Refresh is told to end at %v, want %v", ended, want)
		}
	})
}

// A user's end counts again after he was one without an end.
func TestExpireAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ann := lasting("ann", time.Minute)
		g := newStage(interceptor.Expire(interceptor.ExpireConfig{Refresh: func(context.Context, *message.Session) (message.Principal, error) {
			return nil, nil
		}}), ann)
		g.says(message.KindConnect)
		g.SetUser(message.User("ann"))
		time.Sleep(40 * time.Second) // Refresh has nothing to do
		g.SetUser(ann)
		g.says(message.KindData)
		time.Sleep(time.Hour)
		g.wantClosed(t, time.Minute)
	})
}

// An end that comes nearer closes the session at its next message.
func TestExpireEndComesNearer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newStage(interceptor.Expire(interceptor.ExpireConfig{}), lasting("ann", time.Hour))
		g.says(message.KindConnect)
		if err := interceptor.Renew(g.Session, lasting("ann", time.Minute)); err != nil {
			t.Error(err)
		}
		time.Sleep(2 * time.Minute)
		g.wantClosed(t)
		if err := g.out.Handle(t.Context(), message.Raw{Session: g.Session}); code(err) != message.CodeUnauthenticated {
			t.Errorf("delivered: %v", err)
		}
		g.wantClosed(t, 2*time.Minute)
		g.gone(t)
	})
}

// So is the end of who had none when the session last spoke.
func TestExpireEndComesInSilence(t *testing.T) {
	for name, says := range map[string]func(*stage) error{
		"to it":   func(g *stage) error { return g.out.Handle(context.Background(), message.Raw{Session: g.Session}) },
		"from it": func(g *stage) error { return g.says(message.KindData) },
	} {
		synctest.Test(t, func(t *testing.T) {
			g := newStage(interceptor.Expire(interceptor.ExpireConfig{}), message.User("ann"))
			g.says(message.KindConnect)
			if err := interceptor.Renew(g.Session, lasting("ann", time.Second)); err != nil {
				t.Error(err)
			}
			time.Sleep(time.Minute)
			if err := says(g); code(err) != message.CodeUnauthenticated {
				t.Errorf("%s: %v", name, err)
			}
			g.wantClosed(t, time.Minute)
			g.gone(t)
		})
	}
}

// An alarm that rings while the one before is still at work does not disturb it, as the
// race detector tells, and asks nobody twice.
func TestExpireAlarmsSideBySide(t *testing.T) {
	var asked atomic.Int32
	in := interceptor.Expire(interceptor.ExpireConfig{Before: time.Hour, Refresh: func(ctx context.Context, _ *message.Session) (message.Principal, error) {
		asked.Add(1)
		<-ctx.Done() // what follows it would order the two
		return nil, nil
	}})(rawReturning(nil))
	rang := make(chan struct{})
	var slow atomic.Bool
	ann := lasting("ann", 800*time.Millisecond)
	user := restless{ann, func() {
		if slow.CompareAndSwap(true, false) {
			close(rang)
			<-time.After(time.Until(ann.end) * 3 / 4) // the next alarm is at the half
		}
	}}
	s := userSession(nil)
	says := func(p message.Principal) {
		s.SetUser(p)
		_ = in.Handle(t.Context(), message.Raw{Session: s}) // the last may be late, which is no matter
	}
	says(user)
	slow.Store(true)
	select {
	case <-rang:
	case <-s.Done(): // all this came late
	}
	says(lasting("ann", time.Hour))
	says(user)
	<-s.Done()
	if err := in.Handle(t.Context(), message.Raw{Kind: message.KindDisconnect, Session: s}); err != nil || asked.Load() > 1 {
		t.Errorf("%v, Refresh is asked %d times", err, asked.Load())
	}
}

// restless is a user with whom something happens whenever his end is asked for.
type restless struct {
	ticket
	then func()
}

func (r restless) Expires() time.Time { r.then(); return r.end }

// Who looked at the end before it came nearer does not put the alarm off.
func TestExpireEndComesNearerMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newStage(interceptor.Expire(interceptor.ExpireConfig{}), lasting("ann", time.Hour))
		g.says(message.KindConnect)
		g.SetUser(restless{lasting("ann", 2*time.Hour), func() {
			g.SetUser(lasting("ann", time.Minute))
			g.says(message.KindData)
		}})
		g.says(message.KindData)
		time.Sleep(3 * time.Hour)
		g.wantClosed(t, time.Minute)
	})
}

func TestExpireNeedsABefore(t *testing.T) {
	mustPanic(t, func() { interceptor.Expire(interceptor.ExpireConfig{Before: -1}) })
}

// Of a session that has ended nothing is kept until its user would have.
func TestExpireForgets(t *testing.T) {
	expire := interceptor.Expire(interceptor.ExpireConfig{})
	session := func() weak.Pointer[message.Session] {
		g := newStage(expire, lasting("ann", time.Hour))
		g.says(message.KindConnect)
		g.gone(t)
		if err := g.out.Handle(t.Context(), message.Raw{Session: g.Session}); err != nil {
			t.Error(err) // on its way meanwhile
		}
		return weak.Make(g.Session)
	}()
	for range 10 {
		if runtime.GC(); session.Value() == nil {
			return
		}
	}
	t.Error("the session is still there")
}

func TestRenew(t *testing.T) {
	s := message.NewSession(nullSink{}, message.SessionInfo{Principal: lasting("ann", time.Minute)})
	for name, p := range map[string]message.Principal{"nobody": nil, "another": message.User("bob"), "old": lasting("ann", -1)} {
		if err := interceptor.Renew(s, p); code(err) != message.CodeUnauthenticated {
			t.Errorf("%s: %v", name, err)
		}
	}
	later := lasting("ann", time.Hour)
	if err := interceptor.Renew(s, later); err != nil || s.User() != later {
		t.Errorf("%v, %v", err, s.User())
	}
	if err := interceptor.Renew(newSession(), message.User("ann")); code(err) != message.CodeUnauthenticated {
		t.Errorf("a session of nobody: %v", err)
	}
}
