package interceptor

import (
	"fmt"
	"strings"

	"github.com/headrace/headrace/message"
)

// Credentials is what a client says on [message.KindConnect] to prove who it is.
// However it is printed, logged or encoded, it shows no secret.
type Credentials struct {
	// Login is the header login.
	Login string `json:"-"`
	// Passcode is the header passcode.
	Passcode string `json:"-"`
	// Token is the header that [AuthenticateConfig] names, without "Bearer ".
	Token string `json:"-"`
	// Session is the session that wants to begin: its transport, address and
	// attributes, and the user that the handshake found out.
	Session *message.Session `json:"-"`
}

// Format writes which credentials there are, and nothing of them.
func (c Credentials) Format(w fmt.State, verb rune) {
	var there []string
	for _, field := range []message.Field{{Name: "login", Value: c.Login}, {Name: "passcode", Value: c.Passcode}, {Name: "token", Value: c.Token}} {
		if field.Value != "" {
			there = append(there, field.Name)
		}
	}
	fmt.Fprintf(w, "credentials(%s)", strings.Join(there, " "))
}

// empty reports whether the client said nothing.
func (c Credentials) empty() bool { return c.Login == "" && c.Passcode == "" && c.Token == "" }

// The headers of a client's name and password.
const (
	headerLogin    = "login"
	headerPasscode = "passcode"
)

// credentialHeaders are the names of the headers that hold credentials, in whatever
// case.
type credentialHeaders struct{ login, passcode, token string }

// take returns the credentials in h and what is left of it without them.
func (n credentialHeaders) take(h message.Header) (c Credentials, rest message.Header) {
	var found []string
	for name, value := range h.All() {
		var field *string
		switch {
		case strings.EqualFold(name, n.login):
			field = &c.Login
		case strings.EqualFold(name, n.passcode):
			field = &c.Passcode
		case strings.EqualFold(name, n.token):
			field = &c.Token
		default:
			continue
		}
		found = append(found, name)
		if *field == "" { // of repeated ones the first wins
			*field = value
		}
	}
	if scheme, token, ok := strings.Cut(c.Token, " "); ok && strings.EqualFold(scheme, "Bearer") {
		c.Token = strings.TrimSpace(token)
	}
	return c, h.Without(found...)
}
