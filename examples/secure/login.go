package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"log"
	"net/http"
	"time"

	gojwt "github.com/golang-jwt/jwt/v5"

	"github.com/headrace/headrace/interceptor/jwt"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/transport/auth"
)

// The users of the demo. The page shows them all.
var (
	passwords = map[string]string{"kim": "sluice", "ann": "paddle", "bob": "millstone"}
	roles     = map[string][]string{
		"kim": {"admin"},
		"ann": {"room:garden", "room:workshop"},
		"bob": {"room:workshop"},
	}
)

const audience = "headrace/examples/secure"

// logins gives out tokens, as an identity provider would.
type logins struct {
	life     time.Duration
	key      []byte // of this run of the program: no token outlasts it
	verifier *jwt.Verifier
	check    func(ctx context.Context, user, password string) (message.Principal, error)
	bearer   func(*http.Request) (message.Principal, error)
}

func newLogins(life time.Duration) *logins {
	l := &logins{life: life, key: make([]byte, 32), check: auth.Passwords(passwords)}
	rand.Read(l.key)
	l.verifier = jwt.New(jwt.Config{Keys: map[string]any{"": l.key}, Audience: audience})
	l.bearer = auth.Bearer(l.verifier.Bearer)
	return l
}

// grant is what whoever has logged in is told.
type grant struct {
	Name  string   `json:"name"`
	Roles []string `json:"roles"`
	Token string   `json:"token"`
	// Left is how many seconds the token lasts from now on: the clock of the browser
	// may be another one.
	Left float64 `json:"left"`
}

// login answers a name and a password with a token. A program that is no demo also
// bounds how often one may guess.
func (l *logins) login(w http.ResponseWriter, r *http.Request) {
	var in struct{ Name, Password string }
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<10)).Decode(&in); err != nil {
		http.Error(w, "a name and a password are needed", http.StatusBadRequest)
		return
	}
	user, err := l.check(r.Context(), in.Name, in.Password)
	if err != nil || user == nil || user.Name() == "" {
		http.Error(w, "name or password are wrong", http.StatusUnauthorized)
		return
	}
	l.give(w, user.Name())
}

// renew answers a token that still holds with a new one, which has the roles of now.
// A program that is no demo also bounds how often.
func (l *logins) renew(w http.ResponseWriter, r *http.Request) {
	user, err := l.bearer(r)
	if err != nil {
		w.Header().Set("WWW-Authenticate", "Bearer")
		http.Error(w, message.Public(err).Message, http.StatusUnauthorized)
		return
	}
	l.give(w, user.Name())
}

// give writes a new token of a user.
func (l *logins) give(w http.ResponseWriter, name string) {
	end := time.Now().Add(l.life)
	token, err := gojwt.NewWithClaims(gojwt.SigningMethodHS256, gojwt.MapClaims{
		"sub": name, "roles": roles[name], "aud": audience, "exp": end.Unix(),
	}).SignedString(l.key)
	if err != nil {
		log.Print("no token: ", err)
		http.Error(w, "no token", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	json.NewEncoder(w).Encode(grant{
		Name: name, Roles: roles[name], Token: token, Left: time.Until(end.Truncate(time.Second)).Seconds(),
	})
}
