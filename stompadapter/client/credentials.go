package client

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/internal/line"
)

// Credentials is what the client shows to prove who it is. What is zero in it is
// that of Config.
type Credentials struct {
	// Login is the user's name. Together with Passcode it takes the place of those
	// of Config, unless both are zero.
	Login string
	// Passcode is the user's password.
	Passcode string
	// Header holds headers for the CONNECT frame. Each takes the place of those of
	// its name in Config.Header.
	Header message.Header
	// HTTPHeader is sent with the WebSocket handshake. Each header takes the place
	// of the one of its name in Config.HTTPHeader.
	HTTPHeader http.Header
}

// greeting is what an attempt to connect begins with.
type greeting struct {
	http  http.Header // of the WebSocket handshake
	login line.Hello
	hello []byte // its frame
}

// newGreeting refuses what would be another header, and quotes nothing of it.
func newGreeting(handshake http.Header, login line.Hello) (greeting, error) {
	for name, values := range handshake {
		if strings.ContainsAny(name+strings.Join(values, ""), "\r\n\x00") {
			return greeting{}, errors.New("a header of the WebSocket handshake holds a line end or NUL")
		}
	}
	hello, err := login.Frame()
	if err != nil {
		return greeting{}, fmt.Errorf("CONNECT: %w", err)
	}
	return greeting{handshake, login, hello}, nil
}

// with returns g with these credentials.
func (g greeting) with(c Credentials) (greeting, error) {
	if c.Login != "" || c.Passcode != "" {
		g.login.Login, g.login.Passcode = c.Login, c.Passcode
	}
	for name, value := range c.Header.All() {
		g.login.Header = g.login.Header.With(name, value)
	}
	handshake := make(http.Header)
	maps.Copy(handshake, g.http)
	for name, values := range c.HTTPHeader {
		maps.DeleteFunc(handshake, func(old string, _ []string) bool { return strings.EqualFold(old, name) })
		handshake[name] = values
	}
	return newGreeting(handshake, g.login)
}

// greet asks for credentials, where there is somebody to ask.
func (d *dialer) greet(ctx context.Context) (greeting, error) {
	if d.credentials == nil {
		return d.fixed, nil
	}
	c, err := ask(ctx, d.credentials)
	if err != nil {
		return greeting{}, fmt.Errorf("credentials: %w", err)
	}
	return d.fixed.with(c)
}

// ask calls the program's function. A panic there is an error of this attempt.
func ask(ctx context.Context, credentials func(context.Context) (Credentials, error)) (c Credentials, err error) {
	defer message.Recover(&err)
	return credentials(ctx)
}
