package auth_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/transport"
	"github.com/headrace/headrace/transport/auth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type way = func(*http.Request) (message.Principal, error)

const (
	basic   = `Basic realm="messages", charset="UTF-8"`
	bearer  = `Bearer realm="messages"`
	invalid = bearer + `, error="invalid_token"`
)

// known is a check of tokens and cookies: "ann-ok" belongs to ann.
func known(_ context.Context, secret string) (message.Principal, error) {
	switch user, ok := strings.CutSuffix(secret, "-ok"); {
	case ok:
		return message.User(user), nil
	case secret == "expired":
		return nil, message.Errorf(message.CodeUnauthenticated, "the token has expired")
	case secret == "busy":
		return nil, message.Errorf(message.CodeUnavailable, "try again")
	case secret == "broken":
		return nil, errors.New("row 17")
	}
	return nil, nil
}

var passwords = auth.Passwords(map[string]string{"ann": "s3cret", "bob": "hunter2"})

func custom(p message.Principal, err error) way {
	return func(*http.Request) (message.Principal, error) { return p, err }
}

// outcome is "ann", "nobody", or status, text and challenges of a real handshake.
func outcome(t *testing.T, w way, header http.Header) (string, string) {
	t.Helper()
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	who := ""
	s := transport.NewServer(transport.Config{Logger: logger, Handshake: transport.Handshake{
		Principal: w,
		Hooks: []func(*http.Request, map[string]any) error{func(r *http.Request, _ map[string]any) error {
			who = "nobody"
			if p, _ := w(r); p != nil {
				who = p.Name()
			}
			return message.Errorf(message.CodeConflict, "asked enough")
		}},
	}})
	defer s.Close()
	r := httptest.NewRequest(http.MethodGet, "http://example.com/", nil)
	for name, values := range header {
		r.Header[name] = values
	}
	rec := httptest.NewRecorder()
	s.WebSocket(transport.WebSocketConfig{}, nil).ServeHTTP(rec, upgrade(r))
	if who != "" {
		return who, log.String()
	}
	told := append([]string{rec.Result().Status, strings.TrimSpace(rec.Body.String())}, rec.Header()["Www-Authenticate"]...)
	return strings.Join(told, " | "), log.String()
}

func upgrade(r *http.Request) *http.Request {
	for name, value := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="} {
		r.Header.Set(name, value)
	}
	return r
}

func authorization(values ...string) http.Header { return http.Header{"Authorization": values} }

func basicHeader(user, password string) http.Header {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.SetBasicAuth(user, password)
	return r.Header
}

func TestWays(t *testing.T) {
	all := auth.First(auth.Basic(passwords), auth.Bearer(known), auth.Cookie("sid", known))
	const (
		wrong = "401 Unauthorized | the credentials are not valid"
		none  = "401 Unauthorized | credentials are needed"
		two   = "401 Unauthorized | there is more than one of the credentials"
	)
	for name, tt := range map[string]struct {
		way    way
		header http.Header
		want   string
	}{
		"basic":                       {auth.Basic(passwords), basicHeader("ann", "s3cret"), "ann"},
		"basic, wrong password":       {auth.Basic(passwords), basicHeader("ann", "hunter2"), wrong + " | " + basic},
		"basic, unknown user":         {auth.Basic(passwords), basicHeader("eve", ""), wrong + " | " + basic},
		"basic, no password":          {auth.Basic(passwords), basicHeader("ann", ""), wrong + " | " + basic},
		"basic, no base64":            {auth.Basic(passwords), authorization("Basic ???"), wrong + " | " + basic},
		"basic, nothing":              {auth.Basic(passwords), nil, none + " | " + basic},
		"basic, twice":                {auth.Basic(passwords), authorization("Basic YTpi", "Basic YTpi"), two + " | " + basic},
		"bearer":                      {auth.Bearer(known), authorization("Bearer ann-ok"), "ann"},
		"bearer, small letters":       {auth.Bearer(known), authorization("bearer  ann-ok"), "ann"},
		"bearer, unknown":             {auth.Bearer(known), authorization("Bearer canary"), wrong + " | " + invalid},
		"bearer, expired":             {auth.Bearer(known), authorization("Bearer expired"), "401 Unauthorized | the token has expired | " + invalid},
		"bearer, empty":               {auth.Bearer(known), authorization("Bearer "), wrong + " | " + invalid},
		"bearer of nobody":            {auth.Bearer(known), authorization("Bearer -ok"), wrong + " | " + invalid},
		"bearer, nothing":             {auth.Bearer(known), nil, none + " | " + bearer},
		"bearer, another scheme":      {auth.Bearer(known), authorization("Basic YTpi"), none + " | " + bearer},
		"bearer, busy":                {auth.Bearer(known), authorization("Bearer busy"), "503 Service Unavailable | try again"},
		"bearer, broken":              {auth.Bearer(known), authorization("Bearer broken"), "500 Internal Server Error | internal error"},
		"bearer, twice":               {auth.Bearer(known), authorization("Bearer ann-ok", "Bearer bob-ok"), two + " | " + bearer},
		"cookie":                      {auth.Cookie("sid", known), http.Header{"Cookie": {"a=b; sid=ann-ok"}}, "ann"},
		"cookie, unknown":             {auth.Cookie("sid", known), http.Header{"Cookie": {"sid=canary"}}, wrong},
		"cookie, nothing":             {auth.Cookie("sid", known), http.Header{"Cookie": {"a=b"}}, none},
		"cookie, empty":               {auth.Cookie("sid", known), http.Header{"Cookie": {"sid="}}, none},
		"cookie, planted beside":      {auth.Cookie("sid", known), http.Header{"Cookie": {"sid=eve-ok; sid=ann-ok"}}, two},
		"first, by bearer":            {all, authorization("Bearer ann-ok"), "ann"},
		"first, by cookie":            {all, http.Header{"Cookie": {"sid=ann-ok"}}, "ann"},
		"first, nothing":              {all, nil, none + " | " + basic + " | " + bearer},
		"first, wrong and then right": {all, http.Header{"Authorization": {"Bearer canary"}, "Cookie": {"sid=ann-ok"}}, wrong + " | " + invalid},
		"first, nobody and then ann":  {auth.First(custom(nil, nil), custom(message.User("ann"), nil)), nil, "ann"},
		"first, all say nobody":       {auth.First(custom(nil, nil)), nil, "nobody"},
		"first, nobody and missing":   {auth.First(custom(nil, nil), auth.Bearer(known)), nil, none + " | " + bearer},
		"optional, nothing":           {auth.Optional(all), nil, "nobody"},
		"optional, right":             {auth.Optional(all), authorization("Bearer ann-ok"), "ann"},
		"optional, wrong":             {auth.Optional(all), authorization("Bearer canary"), wrong + " | " + invalid},
		"optional, broken":            {auth.Optional(auth.Bearer(known)), authorization("Bearer broken"), "500 Internal Server Error | internal error"},
	} {
		t.Run(name, func(t *testing.T) {
			got, log := outcome(t, tt.way, tt.header)
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if strings.Contains(got+log, "canary") || strings.Contains(log, "s3cret") {
				t.Errorf("a secret is in %s\n%s", got, log)
			}
			if broken := strings.Contains(tt.want, "500"); broken != strings.Contains(log, "row 17") {
				t.Errorf("log: %s", log)
			}
		})
	}
}

// Whatever kind of credentials is refused, and why: their values turn up nowhere.
func TestSec_S12_SecretsStayIn(t *testing.T) {
	reject := func(context.Context, string) (message.Principal, error) { return nil, nil }
	every := auth.First(auth.Basic(passwords), auth.Bearer(reject), auth.Cookie("sid", reject))
	for name, header := range map[string]http.Header{
		"basic":         basicHeader("canary", "canary"),
		"broken basic":  authorization("Basic canary%%"),
		"bearer":        authorization("Bearer canary"),
		"two":           authorization("Bearer canary", "Bearer canary"),
		"other scheme":  authorization("Digest canary"),
		"only a secret": authorization("canary"),
		"cookie":        {"Cookie": {"sid=canary"}},
		"two cookies":   {"Cookie": {"sid=canary; sid=canary2"}},
	} {
		got, log := outcome(t, every, header)
		if !strings.HasPrefix(got, "401 ") || strings.Contains(got+log, "canary") {
			t.Errorf("%s: %s\n%s", name, got, log)
		}
	}
}

func TestChecksAreGivenTheRequestsContext(t *testing.T) {
	type key struct{}
	r := httptest.NewRequest(http.MethodGet, "/", nil).WithContext(context.WithValue(t.Context(), key{}, "there"))
	r.Header.Set("Authorization", "Bearer x")
	_, err := auth.Bearer(func(ctx context.Context, _ string) (message.Principal, error) {
		if ctx.Value(key{}) != "there" {
			t.Error("another context")
		}
		return message.User("ann"), nil
	})(r)
	if err != nil {
		t.Error(err)
	}
}

func TestRemember(t *testing.T) {
	for name, tt := range map[string]struct {
		cookies []string
		want    any
	}{
		"one":  {[]string{"a=b; sid=17"}, "17"},
		"none": {nil, nil},
		"two":  {[]string{"sid=1; sid=2"}, nil},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header["Cookie"] = tt.cookies
		attributes := map[string]any{}
		if err := auth.Remember("sid")(r, attributes); err != nil || attributes["sid"] != tt.want {
			t.Errorf("%s: %v, %v", name, attributes, err)
		}
	}
}

func TestWiringMistakesPanic(t *testing.T) {
	for name, f := range map[string]func(){
		"Basic":             func() { auth.Basic(nil) },
		"Bearer":            func() { auth.Bearer(nil) },
		"Cookie, no name":   func() { auth.Cookie("", known) },
		"Cookie, no lookup": func() { auth.Cookie("sid", nil) },
		"First":             func() { auth.First() },
		"First of nil":      func() { auth.First(nil) },
		"Optional":          func() { auth.Optional(nil) },
		"Remember":          func() { auth.Remember("") },
		"no password":       func() { auth.Passwords(map[string]string{"ann": ""}) },
		"no name":           func() { auth.Passwords(map[string]string{"": "x"}) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s did not panic", name)
				}
			}()
			f()
		}()
	}
}

// A program that changes its map afterwards, or the slice, changes nobody's rights.
func TestArgumentsAreCopied(t *testing.T) {
	users := map[string]string{"ann": "s3cret"}
	check := auth.Passwords(users)
	users["eve"] = "x"
	if p, _ := check(t.Context(), "eve", "x"); p != nil {
		t.Error("a user was added later")
	}
	ways := []way{custom(message.User("ann"), nil)}
	first := auth.First(slices.Clip(ways)...)
	ways[0] = custom(message.User("eve"), nil)
	if p, _ := first(httptest.NewRequest(http.MethodGet, "/", nil)); p.Name() != "ann" {
		t.Error("a way was changed later")
	}
}
