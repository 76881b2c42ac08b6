package interceptor_test

import (
	"context"
	"fmt"
	"time"

	"github.com/headrace/headrace/interceptor"
	"github.com/headrace/headrace/message"
)

func ExampleAuthenticate() {
	tokens := map[string]string{"t0ken": "ann"}
	authenticate := interceptor.Authenticate(interceptor.AuthenticateConfig{
		Check: func(_ context.Context, c interceptor.Credentials) (message.Principal, error) {
			return message.User(tokens[c.Token]), nil
		},
	})
	inbound := authenticate(message.HandlerFunc[[]byte](func(_ context.Context, m message.Raw) error {
		fmt.Println("hello,", m.Session.User(), "of", m.Header.Len(), "headers")
		return nil
	}))
	for _, token := range []string{"Bearer t0ken", "Bearer guess"} {
		err := inbound.Handle(context.Background(), message.Raw{
			Kind:    message.KindConnect,
			Session: newSession(),
			Header:  message.NewHeader(message.Field{Name: "authorization", Value: token}),
		})
		fmt.Println(err)
	}
	// Output:
	// hello, ann of 0 headers
	// <nil>
	// unauthenticated: the credentials are not valid
}

// The client sends a new token, to an endpoint of the program, before the old one ends.
func ExampleRenew() {
	session := message.NewSession(nullSink{}, message.SessionInfo{Principal: ticket{"ann", time.Now().Add(time.Minute)}})

	fmt.Println(interceptor.Renew(session, ticket{"ann", time.Now().Add(time.Hour)}))
	fmt.Println(interceptor.Renew(session, ticket{"eve", time.Now().Add(time.Hour)}))
	// Output:
	// <nil>
	// unauthenticated: the credentials are another user's than the session's
}

func ExampleExpire() {
	expire := interceptor.Expire(interceptor.ExpireConfig{})
	inbound := expire(message.HandlerFunc[[]byte](func(context.Context, message.Raw) error { return nil }))

	session := message.NewSession(nullSink{}, message.SessionInfo{Principal: ticket{"ann", time.Now().Add(time.Hour)}})
	fmt.Println(inbound.Handle(context.Background(), message.Raw{Session: session}))
	session.SetUser(ticket{"ann", time.Now()}) // the hour is over
	fmt.Println(inbound.Handle(context.Background(), message.Raw{Session: session}))
	<-session.Done()
	fmt.Println(session.Reason())
	// Output:
	// <nil>
	// unauthenticated: the credentials have expired
	// unauthenticated: the credentials have expired
}

// The HTTP session of the same browser is used for as long as the socket is open, and
// the socket is closed when the user logs out.
func ExampleKeepAlive() {
	logins := map[any]bool{"4f2a": true} // of the web application, by the id in the cookie
	keepAlive := interceptor.KeepAlive(interceptor.KeepAliveConfig{
		Every: time.Millisecond, // a minute is often enough
		Touch: func(_ context.Context, s *message.Session) error {
			id, _ := s.Attribute("sid") // auth.Remember("sid") put it there
			if !logins[id] {
				return message.Errorf(message.CodeUnauthenticated, "you have logged out")
			}
			delete(logins, id)
			return nil
		},
	})
	inbound := keepAlive(message.HandlerFunc[[]byte](func(context.Context, message.Raw) error { return nil }))

	session := message.NewSession(nullSink{}, message.SessionInfo{Attributes: map[string]any{"sid": "4f2a"}})
	fmt.Println(inbound.Handle(context.Background(), message.Raw{Kind: message.KindConnect, Session: session}))
	<-session.Done()
	fmt.Println(session.Reason())
	// Output:
	// <nil>
	// unauthenticated: you have logged out
}
