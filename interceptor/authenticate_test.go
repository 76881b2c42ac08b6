package interceptor_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/interceptor"
	"github.com/headrace/headrace/message"
)

// passwords knows ann, and tokens that begin with the name of their user.
func passwords(_ context.Context, c interceptor.Credentials) (message.Principal, error) {
	switch name, ok := strings.CutSuffix(c.Token, "-ok"); {
	case ok:
		return message.User(name), nil
	case c.Login == "ann" && c.Passcode == "s3cret":
		return message.User("ann"), nil
	case c.Token == "expired":
		return nil, message.Errorf(message.CodeUnauthenticated, "the token has expired")
	case c.Token == "broken":
		return nil, errors.New("row 17")
	}
	return nil, nil
}

func connect(s *message.Session, fields ...string) message.Raw {
	m := message.Raw{Kind: message.KindConnect, Session: s}
	for i := 0; i < len(fields); i += 2 {
		m.Header = m.Header.With(fields[i], fields[i+1])
	}
	return m
}

func sessionOver(transport string, p message.Principal) *message.Session {
	return message.NewSession(nullSink{}, message.SessionInfo{Transport: transport, Principal: p})
}

func TestAuthenticate(t *testing.T) {
	ann, nobody := message.User("ann"), message.User("")
	login := []string{"login", "ann", "passcode", "s3cret"}
	const (
		missing = "credentials are needed"
		wrong   = "the credentials are not valid"
		other   = "the credentials are another user's than the session's"
	)
	for name, tt := range map[string]struct {
		config    interceptor.AuthenticateConfig
		transport string
		before    message.Principal
		fields    []string
		want      string // a user, or what the client is told
	}{
		"login":                        {transport: "tcp", fields: login, want: "ann"},
		"login over TLS":               {transport: "tls", fields: login, want: "ann"},
		"wrong passcode":               {transport: "tcp", fields: []string{"login", "ann", "passcode", "canary"}, want: wrong},
		"passcode alone":               {transport: "tcp", fields: []string{"passcode", "canary"}, want: wrong},
		"nothing":                      {transport: "tcp", want: missing},
		"empty login":                  {transport: "tcp", fields: []string{"login", "", "passcode", ""}, want: missing},
		"token":                        {transport: "tcp", fields: []string{"authorization", "Bearer bob-ok"}, want: "bob"},
		"token, Bearer in any case":    {transport: "tcp", fields: []string{"authorization", "bEARER  bob-ok"}, want: "bob"},
		"token, nothing but it":        {transport: "tcp", fields: []string{"Authorization", "bob-ok"}, want: "bob"},
		"token, twice: the first":      {transport: "tcp", fields: []string{"authorization", "bob-ok", "Authorization", "ann-ok"}, want: "bob"},
		"unknown token":                {transport: "tcp", fields: []string{"authorization", "Bearer canary"}, want: wrong},
		"expired token":                {transport: "tcp", fields: []string{"authorization", "Bearer expired"}, want: "the token has expired"},
		"token of nobody":              {transport: "tcp", fields: []string{"authorization", "Bearer -ok"}, want: wrong},
		"check is broken":              {transport: "tcp", fields: []string{"authorization", "broken"}, want: "the credentials could not be checked"},
		"token in a header of its own": {config: interceptor.AuthenticateConfig{TokenHeader: "X-Token"}, transport: "tcp", fields: []string{"x-token", "bob-ok"}, want: "bob"},
		"WebSocket ignores a login":    {transport: "websocket", fields: login, want: missing},
		"SockJS ignores a login":       {transport: "sockjs/xhr-polling", fields: login, want: missing},
		"WebSocket takes a token":      {transport: "websocket", fields: append(login, "authorization", "bob-ok"), want: "bob"},
		"WebSocket, when asked for":    {config: interceptor.AuthenticateConfig{LoginOverHTTP: true}, transport: "websocket", fields: login, want: "ann"},
		"the handshake's user":         {transport: "websocket", before: ann, want: "ann"},
		"the handshake's, ignoring":    {transport: "websocket", before: ann, fields: []string{"login", "guest", "passcode", "guest"}, want: "ann"},
		"the same user by both":        {transport: "websocket", before: ann, fields: []string{"authorization", "ann-ok"}, want: "ann"},
		"another user than before":     {transport: "websocket", before: ann, fields: []string{"authorization", "bob-ok"}, want: other},
		"wrong, though known":          {transport: "websocket", before: ann, fields: []string{"authorization", "canary"}, want: wrong},
		"a handshake of nobody":        {transport: "websocket", before: nobody, want: missing},
		"anonymous":                    {config: interceptor.AuthenticateConfig{Anonymous: true}, transport: "tcp", want: ""},
		"anonymous, but wrong":         {config: interceptor.AuthenticateConfig{Anonymous: true}, transport: "tcp", fields: []string{"authorization", "canary"}, want: wrong},
		"transport not told":           {fields: login, want: "ann"},
	} {
		t.Run(name, func(t *testing.T) {
			tt.config.Check = passwords
			s := sessionOver(tt.transport, tt.before)
			before, passed := s.User(), false
			h := interceptor.Authenticate(tt.config)(message.HandlerFunc[[]byte](func(_ context.Context, m message.Raw) error {
				passed = true
				if m.Header.Len() != 1 || m.Header.Get("host") != "h" {
					t.Errorf("behind it: %v", m.Header)
				}
				if u := m.Session.User(); u != nil && u.Name() != tt.want {
					t.Errorf("the user is %v when the message goes on", u)
				}
				return nil
			}))
			err := h.Handle(t.Context(), connect(s, append(tt.fields, "host", "h")...))
			got := ""
			if public := message.Public(err); public != nil {
				if got = public.Message; public.Code != message.CodeUnauthenticated {
					t.Errorf("code %s", public.Code)
				}
				if s.User() != before {
					t.Errorf("a refused client is %v", s.User())
				}
			} else if u := s.User(); u != nil {
				got = u.Name()
			}
			if got != tt.want || passed != (err == nil) {
				t.Errorf("got %q (passed %v), want %q", got, passed, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "canary") {
				t.Errorf("a secret in %v", err)
			}
			if name == "check is broken" && !strings.Contains(err.Error(), "row 17") {
				t.Errorf("the log is not told why: %v", err)
			}
		})
	}
}

// Credentials that come with other messages, by mistake, end here as well.
func TestAuthenticateStripsEveryMessage(t *testing.T) {
	h := interceptor.Authenticate(interceptor.AuthenticateConfig{Check: passwords})(message.HandlerFunc[[]byte](func(_ context.Context, m message.Raw) error {
		if m.Header.Len() != 1 {
			t.Errorf("behind it: %v", m.Header)
		}
		return nil
	}))
	m := connect(newSession(), "Login", "ann", "passcode", "canary", "Authorization", "canary", "a", "b")
	m.Kind = message.KindData
	if err := h.Handle(t.Context(), m); err != nil {
		t.Error(err)
	}
	m.Header = message.NewHeader(message.Field{Name: "authorization", Value: "the program's own"})
	m.Session = nil
	if err := h.Handle(t.Context(), m); err != nil {
		t.Error(err)
	}
}

func TestCredentialsAreNotPrinted(t *testing.T) {
	c := interceptor.Credentials{Login: "canary", Passcode: "canary", Token: "canary"}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("login", "credentials", c)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("login", "credentials", c)
	for _, printed := range []string{log.String(), fmt.Sprint(c), fmt.Sprint(&c), fmt.Sprintf("%+v %#v %s %q %x", c, c, c, c, c)} {
		if strings.Contains(printed, "canary") || strings.Contains(printed, "63616e617279") {
			t.Error(printed)
		}
	}
	if got := fmt.Sprint(c); got != "credentials(login passcode token)" {
		t.Error(got)
	}
	if got, _ := json.Marshal(c); bytes.Contains(got, []byte("canary")) {
		t.Errorf("%s", got)
	}
}

// A check that takes its time holds what its client sent after it, and nobody else.
func TestAuthenticateHoldsOneSessionOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start, ctx := time.Now(), t.Context()
		ch := channel.NewExecutorChannel(channel.Config[[]byte]{Name: "inbound"})
		handled := make(chan string, 10)
		slow := func(ctx context.Context, c interceptor.Credentials) (message.Principal, error) {
			if c.Token == "slow-ok" {
				time.Sleep(time.Second)
			}
			return passwords(ctx, c)
		}
		ch.Subscribe(message.HandlerFunc[[]byte](func(_ context.Context, m message.Raw) error {
			handled <- fmt.Sprintf("%s %s %v", m.Session.User().Name(), m.Kind, time.Since(start))
			return nil
		}), interceptor.Authenticate(interceptor.AuthenticateConfig{Check: slow}))
		for _, token := range []string{"slow-ok", "ann-ok", "bob-ok"} {
			s := newSession()
			for _, m := range []message.Raw{connect(s, "authorization", token), {Session: s, Destination: "/a"}} {
				if err := ch.Handle(ctx, m); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := ch.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		close(handled)
		seen := map[string]int{}
		n := 0
		for h := range handled {
			n++
			seen[h] = n
		}
		for _, want := range []string{"ann connect 0s", "ann data 0s", "bob connect 0s", "bob data 0s", "slow connect 1s", "slow data 1s"} {
			if seen[want] == 0 {
				t.Errorf("%s is missing in %v", want, seen)
			}
		}
		if seen["slow data 1s"] != 6 || seen["slow connect 1s"] != 5 {
			t.Errorf("the slow one is not in order: %v", seen)
		}
	})
}

func TestAuthenticateNeedsACheck(t *testing.T) {
	mustPanic(t, func() { interceptor.Authenticate(interceptor.AuthenticateConfig{}) })
}
