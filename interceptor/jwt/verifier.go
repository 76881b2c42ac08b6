package jwt

import (
	"context"
	"errors"
	"slices"

	gojwt "github.com/golang-jwt/jwt/v5"

	"github.com/headrace/headrace/interceptor"
	"github.com/headrace/headrace/message"
)

// What clients are told.
var (
	errMissing  = message.Errorf(message.CodeUnauthenticated, "a token is needed")
	errInvalid  = message.Errorf(message.CodeUnauthenticated, "the token is not valid")
	errTooLarge = message.Errorf(message.CodeUnauthenticated, "the token is too large")
	errExpired  = message.Errorf(message.CodeUnauthenticated, "the token has expired")
	errEarly    = message.Errorf(message.CodeUnauthenticated, "the token is not valid yet")
	errAudience = message.Errorf(message.CodeUnauthenticated, "the token is for another audience")
	errIssuer   = message.Errorf(message.CodeUnauthenticated, "the token is of another issuer")
	errClaims   = message.Errorf(message.CodeUnauthenticated, "the token lacks a claim that is needed")
)

// Verifier makes users of tokens. Make one with [New].
type Verifier struct {
	config Config
	keys   map[string]key
	parser *gojwt.Parser
}

// New returns a verifier. It panics when config has no keys, or one that cannot be used
// or is weak.
func New(config Config) *Verifier {
	v := &Verifier{config: config.withDefaults(), keys: make(map[string]key)}
	for kid, value := range config.Keys {
		v.keys[kid] = newKey(kid, value)
	}
	options := []gojwt.ParserOption{
		gojwt.WithValidMethods(algorithms),
		gojwt.WithStrictDecoding(),
		gojwt.WithExpirationRequired(),
		gojwt.WithIssuedAt(),
		gojwt.WithLeeway(config.Leeway),
	}
	if config.Issuer != "" {
		options = append(options, gojwt.WithIssuer(config.Issuer))
	}
	if config.Audience != "" {
		options = append(options, gojwt.WithAudience(config.Audience))
	}
	v.parser = gojwt.NewParser(options...)
	return v
}

// Verify returns the user of a token, or an authored error with
// [message.CodeUnauthenticated].
func (v *Verifier) Verify(token string) (*User, error) {
	if len(token) > v.config.MaxBytes {
		return nil, errTooLarge
	}
	claims := gojwt.MapClaims{}
	if _, err := v.parser.ParseWithClaims(token, claims, v.key); err != nil {
		return nil, why(err)
	}
	name, err := claims.GetSubject()
	if err != nil || name == "" {
		return nil, errClaims
	}
	// Of no audience is only who says so (RFC 7519, section 4.1.3).
	if aud, err := claims.GetAudience(); v.config.Audience == "" && (err != nil || len(aud) > 0) {
		return nil, errAudience
	}
	end, err := claims.GetExpirationTime()
	if err != nil || end == nil {
		return nil, errClaims
	}
	return &User{
		name:   name,
		roles:  slices.Clone(v.config.Roles(claims)),
		end:    end.Add(v.config.Leeway),
		claims: claims,
	}, nil
}

// Bearer is Verify in the form of a check for the handshake's auth.Bearer and
// auth.Cookie.
func (v *Verifier) Bearer(ctx context.Context, token string) (message.Principal, error) {
	return principal(v.Verify(token))
}

// Check is Verify in the form of a check for [interceptor.Authenticate]. Login and
// passcode are no token, and refused where there is none.
func (v *Verifier) Check(ctx context.Context, c interceptor.Credentials) (message.Principal, error) {
	if c.Token == "" {
		return nil, errMissing
	}
	return principal(v.Verify(c.Token))
}

// principal keeps a nil user from being a principal.
func principal(u *User, err error) (message.Principal, error) {
	if err != nil {
		return nil, err
	}
	return u, nil
}

// key chooses the key of a token: by its kid alone, and if it is for the algorithm.
func (v *Verifier) key(t *gojwt.Token) (any, error) {
	kid := ""
	if said, ok := t.Header["kid"]; ok {
		if kid, ok = said.(string); !ok {
			return nil, errInvalid
		}
	}
	// What is critical must be understood (RFC 7515, section 4.1.11).
	if _, critical := t.Header["crit"]; critical {
		return nil, errInvalid
	}
	k, ok := v.keys[kid]
	if !ok || !slices.Contains(k.algorithms, t.Method.Alg()) {
		return nil, errInvalid
	}
	return k.value, nil
}

// why says what a client may know of an error of the parser, whose texts may quote the
// token. The parser looks at claims when it has verified the signature.
func why(err error) error {
	switch {
	case errors.Is(err, gojwt.ErrTokenExpired):
		return errExpired
	case errors.Is(err, gojwt.ErrTokenNotValidYet), errors.Is(err, gojwt.ErrTokenUsedBeforeIssued):
		return errEarly
	case errors.Is(err, gojwt.ErrTokenInvalidAudience):
		return errAudience
	case errors.Is(err, gojwt.ErrTokenInvalidIssuer):
		return errIssuer
	case errors.Is(err, gojwt.ErrTokenRequiredClaimMissing):
		return errClaims
	}
	return errInvalid
}
