package auth

import (
	"errors"
	"net/http"
	"slices"

	"github.com/headrace/headrace/message"
)

// What clients are told.
var (
	errMissing   = message.Errorf(message.CodeUnauthenticated, "credentials are needed")
	errWrong     = message.Errorf(message.CodeUnauthenticated, "the credentials are not valid")
	errAmbiguous = message.Errorf(message.CodeUnauthenticated, "there is more than one of the credentials")
)

// refusal is an error that the handshake answers with challenges.
type refusal struct {
	told       *message.Error
	challenges []string
}

// Error returns the text for the log.
func (r *refusal) Error() string { return r.told.Error() }

// Challenges returns the values of WWW-Authenticate.
func (r *refusal) Challenges() []string { return r.challenges }

// Unwrap returns what the client is told.
func (r *refusal) Unwrap() error { return r.told }

// missing reports whether err says that a request has no credentials at all.
func missing(err error) bool {
	r, ok := errors.AsType[*refusal](err)
	return ok && r.told == errMissing
}

// refuse returns an error with a challenge; "" stands for none.
func refuse(why *message.Error, challenge string) error {
	r := &refusal{told: why}
	if challenge != "" {
		r.challenges = []string{challenge}
	}
	return r
}

// checked makes an answer of what the program said to some credentials.
func checked(p message.Principal, err error, challenge string) (message.Principal, error) {
	authored, ok := errors.AsType[*message.Error](err)
	switch {
	case ok && authored.Code == message.CodeUnauthenticated:
		return nil, refuse(authored, challenge)
	case err != nil:
		return nil, err
	case p == nil || p.Name() == "":
		return nil, refuse(errWrong, challenge)
	}
	return p, nil
}

// First tries several ways, in their order. The first for which the request has
// credentials decides, be they right or wrong; ways of the program that return
// neither a principal nor an error leave it to the others. Where the request has
// none at all, the client is told of all ways. Put what clients say on purpose before
// what browsers send by themselves. First panics when there is nothing to try.
func First(ways ...func(*http.Request) (message.Principal, error)) func(*http.Request) (message.Principal, error) {
	if len(ways) == 0 || slices.ContainsFunc(ways, func(way func(*http.Request) (message.Principal, error)) bool { return way == nil }) {
		panic("auth: First needs functions")
	}
	ways = slices.Clone(ways)
	return func(r *http.Request) (message.Principal, error) {
		var none *refusal
		for _, way := range ways {
			p, err := way(r)
			switch {
			case err == nil && p != nil:
				return p, nil
			case err != nil && !missing(err):
				return nil, err
			case err != nil:
				if none == nil {
					none = &refusal{told: errMissing}
				}
				lacking, _ := errors.AsType[*refusal](err)
				none.challenges = append(none.challenges, lacking.challenges...)
			}
		}
		if none != nil {
			return nil, none
		}
		return nil, nil
	}
}

// Optional lets clients in as nobody that bring no credentials; wrong ones are
// refused all the same. It panics when way is nil.
func Optional(way func(*http.Request) (message.Principal, error)) func(*http.Request) (message.Principal, error) {
	if way == nil {
		panic("auth: Optional needs a function")
	}
	return func(r *http.Request) (message.Principal, error) {
		p, err := way(r)
		if missing(err) {
			return nil, nil
		}
		return p, err
	}
}
