package auth_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/transport"
	"github.com/headrace/headrace/transport/auth"
)

// Pages bring the cookie of their login, programs a token. Whoever brings neither is
// told so, with the status 401.
func Example() {
	sessions := map[string]string{"4f2a": "ann"} // of the web application
	tokens := map[string]string{"t0ken": "robot"}
	handshake := transport.Handshake{
		Principal: auth.First(
			auth.Bearer(func(_ context.Context, token string) (message.Principal, error) {
				return message.User(tokens[token]), nil
			}),
			auth.Cookie("sid", func(_ context.Context, id string) (message.Principal, error) {
				return message.User(sessions[id]), nil
			}),
		),
		Hooks: []func(*http.Request, map[string]any) error{auth.Remember("sid")},
	}

	r := httptest.NewRequest(http.MethodGet, "/ws", nil)
	_, err := handshake.Principal(r)
	fmt.Println(err)

	r.AddCookie(&http.Cookie{Name: "sid", Value: "4f2a"})
	user, err := handshake.Principal(r)
	fmt.Println(user, err)
	// Output:
	// unauthenticated: credentials are needed
	// ann <nil>
}

func ExampleBasic() {
	who := auth.Basic(auth.Passwords(map[string]string{"ann": "s3cret"}))

	r := httptest.NewRequest(http.MethodGet, "/ws", nil)
	r.SetBasicAuth("ann", "guess")
	_, err := who(r)
	fmt.Println(err)

	r.SetBasicAuth("ann", "s3cret")
	user, err := who(r)
	fmt.Println(user, err)
	// Output:
	// unauthenticated: the credentials are not valid
	// ann <nil>
}

// Clients without credentials get in, and log in with their first message.
func ExampleOptional() {
	who := auth.Optional(auth.Basic(auth.Passwords(map[string]string{"ann": "s3cret"})))
	user, err := who(httptest.NewRequest(http.MethodGet, "/ws", nil))
	fmt.Println(user, err)
	// Output: <nil> <nil>
}
