package auth

import (
	"context"
	"net/http"
	"strings"

	"github.com/headrace/headrace/message"
)

const challengeBearer = `Bearer realm="messages"`

// Bearer takes a token from the header Authorization (RFC 6750) and asks check whom it
// belongs to. Pages cannot set this header on a WebSocket: their tokens come in a
// cookie, see [Cookie], or with the first message. A token in the query is not looked
// at, for queries end up in logs. It panics when check is nil.
func Bearer(check func(ctx context.Context, token string) (message.Principal, error)) func(*http.Request) (message.Principal, error) {
	if check == nil {
		panic("auth: Bearer needs a function")
	}
	const invalid = challengeBearer + `, error="invalid_token"`
	return func(r *http.Request) (message.Principal, error) {
		token, err := authorization(r, "Bearer", challengeBearer)
		if err != nil {
			return nil, err
		}
		if token == "" {
			return nil, refuse(errWrong, invalid)
		}
		p, err := check(r.Context(), token)
		return checked(p, err, invalid)
	}
}

// authorization returns what follows the scheme in the header Authorization. There
// must be one such header at most: who reads another one than we do is misled.
func authorization(r *http.Request, scheme, challenge string) (string, error) {
	values := r.Header.Values("Authorization")
	if len(values) > 1 {
		return "", refuse(errAmbiguous, challenge)
	}
	if len(values) == 1 {
		name, rest, _ := strings.Cut(values[0], " ")
		if strings.EqualFold(name, scheme) {
			return strings.TrimSpace(rest), nil
		}
	}
	return "", refuse(errMissing, challenge)
}
