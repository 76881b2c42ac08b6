package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"maps"
	"net/http"

	"github.com/headrace/headrace/message"
)

const challengeBasic = `Basic realm="messages", charset="UTF-8"`

// Basic takes user and password from the header Authorization (RFC 7617) and asks
// check whom they belong to. Browsers ask their user for them, and then send them with
// all further requests, so the check of origins must stay on. Without TLS everybody on
// the way can read them. It panics when check is nil.
func Basic(check func(ctx context.Context, user, password string) (message.Principal, error)) func(*http.Request) (message.Principal, error) {
	if check == nil {
		panic("auth: Basic needs a function")
	}
	return func(r *http.Request) (message.Principal, error) {
		if _, err := authorization(r, "Basic", challengeBasic); err != nil {
			return nil, err
		}
		user, password, ok := r.BasicAuth()
		if !ok {
			return nil, refuse(errWrong, challengeBasic)
		}
		p, err := check(r.Context(), user, password)
		return checked(p, err, challengeBasic)
	}
}

// Passwords returns a check for [Basic] that knows a few users and their passwords, for
// tools, tests and examples. How long it takes tells nothing of how much of a password
// is right, nor whether there is such a user. The map is copied. Passwords panics when a
// name or a password is empty.
func Passwords(users map[string]string) func(ctx context.Context, user, password string) (message.Principal, error) {
	for user, password := range users {
		if user == "" || password == "" {
			panic("auth: Passwords needs names and passwords")
		}
	}
	users = maps.Clone(users)
	return func(_ context.Context, user, password string) (message.Principal, error) {
		want, known := users[user]
		// Of equal length, whatever the passwords are.
		a, b := sha256.Sum256([]byte(want)), sha256.Sum256([]byte(password))
		if subtle.ConstantTimeCompare(a[:], b[:]) != 1 || !known {
			return nil, nil
		}
		return message.User(user), nil
	}
}
