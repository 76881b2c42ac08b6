package interceptor_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/interceptor"
	"github.com/headrace/headrace/message"
)

func TestKeepAliveTouches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var touched []time.Duration
		start := time.Now()
		g := newStage(interceptor.KeepAlive(interceptor.KeepAliveConfig{Touch: func(ctx context.Context, s *message.Session) error {
			if id, _ := s.Attribute("sid"); id != "17" {
				t.Errorf("id %v", id)
			}
			if _, ok := ctx.Deadline(); !ok {
				t.Error("Touch may take for ever")
			}
			touched = append(touched, time.Since(start))
			return nil
		}}), nil)
		g.SetAttribute("sid", "17")
		g.says(message.KindConnect)
		g.says(message.KindConnect) // an adapter that does this makes no second timer
		g.says(message.KindData)
		time.Sleep(3*time.Minute + time.Second)
		g.gone(t)
		time.Sleep(time.Hour)
		if len(touched) != 3 || touched[0] != time.Minute || touched[2] != 3*time.Minute {
			t.Errorf("touched at %v", touched)
		}
	})
}

// Of all errors one says that it is over.
func TestKeepAliveEnds(t *testing.T) {
	gone := message.Errorf(message.CodeUnauthenticated, "logged out")
	for name, tt := range map[string]struct {
		err    error
		closed []time.Duration
		log    string
	}{
		"ended":             {gone, []time.Duration{time.Second}, ""},
		"ended, wrapped":    {errors.Join(errors.New("x"), gone), []time.Duration{time.Second}, ""},
		"away":              {message.Errorf(message.CodeUnavailable, "try again"), nil, "try again"},
		"broken":            {errors.New("row 17"), nil, "row 17"},
		"a bug (it panics)": {nil, nil, "row 17"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				touched := 0
				g := newStage(interceptor.KeepAlive(interceptor.KeepAliveConfig{
					Every:  time.Second,
					Logger: slog.New(slog.NewTextHandler(&log, nil)),
					Touch: func(context.Context, *message.Session) error {
						if touched++; tt.err == nil {
							panic("row 17")
						}
						return tt.err
					},
				}), nil)
				g.says(message.KindConnect)
				time.Sleep(3*time.Second + 1)
				g.wantClosed(t, tt.closed...)
				if g.gone(t); touched != 3 && tt.closed == nil || touched != 1 && tt.closed != nil {
					t.Errorf("touched %d times", touched)
				}
				if !strings.Contains(log.String(), tt.log) || tt.log == "" && log.Len() > 0 {
					t.Errorf("log: %s", log.String())
				}
			})
		})
	}
}

func TestKeepAliveStopsWithTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		touched, running := 0, false
		i := interceptor.KeepAlive(interceptor.KeepAliveConfig{Touch: func(ctx context.Context, _ *message.Session) error {
			touched++
			running = true
			<-ctx.Done()
			running = false
			return message.Errorf(message.CodeUnauthenticated, "too late")
		}})
		g := newStage(i, nil)
		g.says(message.KindConnect)
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		if !running {
			t.Fatal("Touch does not run")
		}
		if g.gone(t); running || time.Since(g.start) != time.Minute+time.Second {
			t.Errorf("Touch runs (%v), the end took until %v", running, time.Since(g.start))
		}
		if g.why != nil {
			t.Errorf("closed because of %v", g.why)
		}

		refused := i(message.HandlerFunc[[]byte](func(context.Context, message.Raw) error { return message.ErrDropped }))
		refused.Handle(t.Context(), message.Raw{Kind: message.KindConnect, Session: newSession()})
		cut := newStage(i, nil) // whose last message somebody refused before
		cut.says(message.KindConnect)
		cut.Session.Close(nil)
		late := newStage(i, nil) // that ends while it begins
		late.Session.Close(nil)
		late.says(message.KindConnect)
		ctx, cancel := context.WithCancel(t.Context())
		closing := message.NewSession(nullSink{}, message.SessionInfo{Context: ctx}) // whose node is closed
		g.in.Handle(t.Context(), message.Raw{Kind: message.KindConnect, Session: closing})
		cancel()
		time.Sleep(time.Hour)
		if touched != 1 {
			t.Errorf("touched %d times", touched)
		}
	})
}

// That a session ends while Touch runs is no failure of Touch.
func TestKeepAliveEndsQuietly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		g := newStage(interceptor.KeepAlive(interceptor.KeepAliveConfig{
			Logger: slog.New(slog.NewTextHandler(&log, nil)),
			Touch: func(ctx context.Context, _ *message.Session) error {
				<-ctx.Done()
				return ctx.Err()
			},
		}), nil)
		g.says(message.KindConnect)
		time.Sleep(time.Minute + time.Second)
		g.gone(t)
		synctest.Wait()
		if log.Len() > 0 {
			t.Errorf("log: %s", log.String())
		}
	})
}

func TestKeepAliveNeedsATouch(t *testing.T) {
	touch := func(context.Context, *message.Session) error { return nil }
	mustPanic(t, func() { interceptor.KeepAlive(interceptor.KeepAliveConfig{}) })
	mustPanic(t, func() { interceptor.KeepAlive(interceptor.KeepAliveConfig{Touch: touch, Every: -1}) })
}
