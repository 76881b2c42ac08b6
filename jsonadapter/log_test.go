package jsonadapter_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/jsonadapter"
	"github.com/headrace/headrace/message"
)

// stuckLog is a log that blocks at refusals.
type stuckLog struct {
	slog.Handler
	reached, free chan struct{}
}

func (l stuckLog) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "request refused" {
		select {
		case l.reached <- struct{}{}:
		case <-l.free:
		}
		<-l.free
	}
	return nil
}

// TestBlockedLogBlocksNoDelivery delivers while a refusal is being logged: the
// sender, which may be a broadcast to all, is not held up.
func TestBlockedLogBlocksNoDelivery(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		login      time.Duration
		end        func(*message.Session)
	}{
		{name: "no such type", text: `{"type":"shout"}`},
		{name: "connect again", text: `{"type":"connect"}`},
		{name: "no object", text: `hello`},
		{name: "refused by the application", text: `{"type":"send","destination":"/a"}`},
		{name: "login timeout", login: 3 * time.Second},
		{name: "session close", end: func(s *message.Session) { s.Close(message.Errorf(message.CodeDenied, "not you")) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sessions := make(chan *message.Session, 1)
			in := message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
				switch {
				case m.Kind == message.KindConnect && tt.login == 0:
					defer func() { sessions <- m.Session }()
					return m.Session.Deliver(ctx, message.Raw{Kind: message.KindConnected})
				case m.Kind == message.KindConnect:
					sessions <- m.Session
					m.Done.Hold()
				case m.Kind == message.KindData:
					return errors.New("no")
				}
				return nil
			})
			log := stuckLog{slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}), make(chan struct{}), make(chan struct{})}
			s := serve(in, jsonadapter.Config{LoginTimeout: tt.login, Logger: slog.New(log)})
			defer s.Close()
			defer close(log.free)
			c := s.dial(t)
			c.write(`{"type":"connect"}`)
			session := <-sessions
			if tt.text != "" {
				c.write(tt.text)
			}
			if tt.end != nil {
				go tt.end(session)
			}
			<-log.reached
			delivered := make(chan struct{})
			go func() {
				defer close(delivered)
				session.Deliver(t.Context(), message.Raw{Destination: "/a", Subscription: "1"})
			}()
			select {
			case <-delivered:
			case <-time.After(10 * time.Second):
				t.Error("delivery waits for the log")
			}
		})
	}
}

// TestLogLevels refuses as often as a client likes: only what may be ours to mend
// is logged for all to see.
func TestLogLevels(t *testing.T) {
	answer := make(chan error, 1)
	in := &inbound{on: func(_ context.Context, m message.Raw) error {
		if m.Kind == message.KindData {
			return <-answer
		}
		return nil
	}}
	s := serve(in, jsonadapter.Config{})
	defer s.Close()
	c := s.connect(t)
	for _, tt := range []struct {
		err   error
		level slog.Level
	}{
		{message.Errorf(message.CodeDenied, "not you"), slog.LevelDebug},
		{message.ErrDropped, slog.LevelDebug},
		{message.Errorf(message.CodeInvalid, "no JSON").WithCause(errors.New("offset 17")), slog.LevelDebug},
		{message.Errorf(message.CodeTooLarge, "too long").WithCause(errors.New("17 bytes")), slog.LevelDebug},
		{message.Errorf(message.CodeUnauthenticated, "not now").WithCause(errors.New("row 17")), slog.LevelWarn},
		{message.Errorf(message.CodeDenied, "not you").WithCause(errors.New("row 17")), slog.LevelWarn},
		{message.Errorf(message.CodeUnavailable, "not now").WithCause(errors.New("row 17")), slog.LevelError},
		{message.NewPanicError(message.Errorf(message.CodeInvalid, "of the program")), slog.LevelError},
		{errors.New("row 17"), slog.LevelError},
	} {
		before := len(s.log.String())
		answer <- tt.err
		c.write(`{"type":"send","destination":"/a"}`)
		c.read()
		if got := s.log.String()[before:]; !strings.Contains(got, "level="+tt.level.String()) || strings.Count(got, "\n") != 1 {
			t.Errorf("%v is logged as %s", tt.err, got)
		}
	}
	if n := s.Stats().Refused; n != 9 {
		t.Errorf("%d refusals were counted", n)
	}
}
