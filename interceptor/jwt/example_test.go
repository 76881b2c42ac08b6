package jwt_test

import (
	"context"
	"fmt"
	"time"

	gojwt "github.com/golang-jwt/jwt/v5"

	"github.com/headrace/headrace/interceptor"
	"github.com/headrace/headrace/interceptor/jwt"
	"github.com/headrace/headrace/message"
)

var secret = []byte("a secret of at least 32 characters")

// login is where clients have their tokens from.
func login(name string, roles ...string) string {
	token, err := gojwt.NewWithClaims(gojwt.SigningMethodHS256, gojwt.MapClaims{
		"sub": name, "roles": roles, "aud": "chat", "exp": time.Now().Add(time.Hour).Unix(),
	}).SignedString(secret)
	if err != nil {
		panic(err)
	}
	return token
}

func Example() {
	verifier := jwt.New(jwt.Config{Keys: map[string]any{"": secret}, Audience: "chat"})

	user, err := verifier.Verify(login("ann", "admin"))
	fmt.Println(user, user.HasRole("admin"), time.Until(user.Expires()) > 59*time.Minute, err)

	_, err = verifier.Verify(login("ann") + "x")
	fmt.Println(err)
	// Output:
	// ann true true <nil>
	// unauthenticated: the token is not valid
}

// A client shows its token when it connects; the session ends with it.
func ExampleVerifier_Check() {
	verifier := jwt.New(jwt.Config{Keys: map[string]any{"": secret}, Audience: "chat"})
	inbound := message.Chain(
		message.RawHandler(message.HandlerFunc[[]byte](func(_ context.Context, m message.Raw) error {
			fmt.Println("hello,", m.Session.User().Name())
			return nil
		})),
		interceptor.Authenticate(interceptor.AuthenticateConfig{Check: verifier.Check}),
		interceptor.Expire(interceptor.ExpireConfig{}),
	)
	connect := func(token string) error {
		return inbound.Handle(context.Background(), message.Raw{
			Kind:    message.KindConnect,
			Session: message.NewSession(nil, message.SessionInfo{}),
			Header:  message.NewHeader(message.Field{Name: "authorization", Value: "Bearer " + token}),
		})
	}
	fmt.Println(connect(login("ann")))
	fmt.Println(connect("guess"))
	// Output:
	// hello, ann
	// <nil>
	// unauthenticated: the token is not valid
}
