package interceptor

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/headrace/headrace/message"
)

// What clients are told.
var (
	errNoCredentials  = message.Errorf(message.CodeUnauthenticated, "credentials are needed")
	errWrong          = message.Errorf(message.CodeUnauthenticated, "the credentials are not valid")
	errOtherUser      = message.Errorf(message.CodeUnauthenticated, "the credentials are another user's than the session's")
	errNotAscertained = message.Errorf(message.CodeUnauthenticated, "the credentials could not be checked")
)

// AuthenticateConfig says how [Authenticate] finds out who a client is.
type AuthenticateConfig struct {
	// Check says whom credentials belong to, which are never empty. Neither a
	// principal nor an error, or a principal whose name is "", means that they are
	// wrong. The client is told of an authored [message.Error]; any other error
	// refuses it as well and goes to the log, so it must not quote secrets. Check
	// is called from any number of goroutines at once. Zero (nil) panics.
	Check func(ctx context.Context, c Credentials) (message.Principal, error)
	// TokenHeader names the header that holds a token, in upper or lower case.
	// Zero means "authorization".
	TokenHeader string
	// LoginOverHTTP looks at login and passcode of clients, too, that came by an
	// HTTP request, as over WebSocket: their login is the handshake's matter, and
	// what libraries put there is often a default. Zero means that they are ignored,
	// unless the session's Transport is a stream's ("tcp", "tls", "unix", "pipe")
	// or not told.
	LoginOverHTTP bool
	// Anonymous lets sessions begin of clients that have no credentials and that
	// the handshake does not know. Zero means that they are refused.
	Anonymous bool
}

// Authenticate finds out who a client is when its session begins: it takes the
// credentials from the header of [message.KindConnect], asks config.Check whom they
// belong to, and calls [message.Session.SetUser] before the message goes on. A client
// whose credentials are missing or wrong is refused with
// [message.CodeUnauthenticated], which ends its session. A session that belongs to
// somebody by its handshake needs no credentials; when it has some, they must be the
// same user's.
//
// Nobody behind it sees credentials: their headers are taken off every message that
// a client sends, whether they were looked at or not.
//
// Mount it on the send side of an inbound channel. Check may block, for as long as
// [Timeout] in front of it allows: this client's further messages wait, those of others
// do not. Authenticate panics when config.Check is nil.
func Authenticate(config AuthenticateConfig) message.RawInterceptor {
	if config.Check == nil {
		panic("interceptor: Authenticate needs a Check")
	}
	headers := credentialHeaders{headerLogin, headerPasscode, cmp.Or(config.TokenHeader, "authorization")}
	return func(next message.RawHandler) message.RawHandler {
		return message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
			if m.Session == nil {
				return next.Handle(ctx, m)
			}
			c, rest := headers.take(m.Header)
			m.Header = rest
			if m.Kind == message.KindConnect {
				c.Session = m.Session
				if err := config.login(ctx, c); err != nil {
					return err
				}
			}
			return next.Handle(ctx, m)
		})
	}
}

// login sets the user of a session that begins.
func (config AuthenticateConfig) login(ctx context.Context, c Credentials) error {
	if !config.LoginOverHTTP && !slices.Contains(streams, c.Session.Transport()) {
		c.Login, c.Passcode = "", ""
	}
	before := c.Session.User()
	if c.empty() {
		if before != nil || config.Anonymous {
			return nil
		}
		return errNoCredentials
	}
	user, err := config.Check(ctx, c)
	switch {
	case err != nil && !authored(err):
		return errNotAscertained.WithCause(err)
	case err != nil:
		return err
	case user == nil || user.Name() == "":
		return errWrong
	case before != nil && before.Name() != user.Name():
		return errOtherUser
	}
	c.Session.SetUser(user)
	return nil
}

// streams are the transports of clients that have nothing but the first message to
// say who they are.
var streams = []string{"", "tcp", "tls", "unix", "pipe"}

func authored(err error) bool {
	_, ok := errors.AsType[*message.Error](err)
	return ok
}
