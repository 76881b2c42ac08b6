package interceptor

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/headrace/headrace/message"
)

// KeepAliveConfig says what [KeepAlive] keeps alive.
type KeepAliveConfig struct {
	// Touch tells whatever the session depends on, such as the HTTP session of the
	// same client, that it is still used. An error with
	// [message.CodeUnauthenticated] says that it has ended, and closes the session;
	// other errors are logged and change nothing. ctx ends with the session, and
	// after Every. It runs on a goroutine of its own, one call at a time for each
	// session. Zero (nil) panics.
	Touch func(ctx context.Context, s *message.Session) error
	// Every is the time from one call to the next. Zero means 1 min.
	Every time.Duration
	// Logger is told of errors and panics of Touch, at level Warn. Zero (nil) means
	// slog.Default().
	Logger *slog.Logger
}

// KeepAlive calls config.Touch every so often for as long as a session lasts, so that
// what it depends on does not end for want of use; when that ends all the same, the
// session is closed. The session's attributes tell Touch what that is: put there by a
// hook of the handshake, such as that of package auth for cookies.
//
// It is mounted on an inbound channel and begins with a [message.KindConnect] that
// is not refused. There is one timer for each session, which is stopped when that
// ends; the end waits for a Touch that runs. KeepAlive panics when config.Touch is nil
// or config.Every is negative.
func KeepAlive(config KeepAliveConfig) message.RawInterceptor {
	if config.Touch == nil || config.Every < 0 {
		panic("interceptor: KeepAlive needs a Touch, and an Every that is not negative")
	}
	config.Every = cmp.Or(config.Every, time.Minute)
	k := &keeper{config: config}
	return func(next message.RawHandler) message.RawHandler {
		return message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
			if m.Kind == message.KindDisconnect && m.Session != nil {
				defer k.forget(m.Session)
			}
			err := next.Handle(ctx, m)
			if err == nil && m.Kind == message.KindConnect && m.Session != nil {
				k.keep(m.Session)
			}
			return err
		})
	}
}

// keeper knows the sessions that are kept.
type keeper struct {
	config KeepAliveConfig
	alarms sync.Map // *message.Session to *alarm
}

func (k *keeper) keep(s *message.Session) {
	a := &alarm{session: s}
	a.ring = func() { k.touch(a) }
	if _, twice := k.alarms.LoadOrStore(s, a); !twice {
		a.set(k.config.Every)
	}
}

func (k *keeper) forget(s *message.Session) {
	if a, ok := k.alarms.LoadAndDelete(s); ok {
		a.(*alarm).stop()
	}
}

func (k *keeper) touch(a *alarm) {
	if ended(a.session) {
		k.forget(a.session)
		return
	}
	ok, err := a.call(k.config.Every, func(ctx context.Context) error { return k.config.Touch(ctx, a.session) })
	switch {
	case !ok:
		return
	case err != nil && message.Public(err).Code == message.CodeUnauthenticated:
		a.session.Close(err)
		return
	case err != nil:
		cmp.Or(k.config.Logger, slog.Default()).Warn("keep-alive failed", "session", a.session.ID(), "error", err)
	}
	a.set(k.config.Every)
}
