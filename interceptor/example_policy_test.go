package interceptor_test

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/interceptor"
	"github.com/headrace/headrace/message"
)

// Account is a user with roles.
type Account struct {
	message.User
	Roles []string
}

func (a Account) HasRole(role string) bool { return slices.Contains(a.Roles, role) }

func chatPolicy() *interceptor.Policy {
	return interceptor.Secure(interceptor.PolicyConfig{},
		interceptor.Allow(interceptor.Send, "/app/admin/**", interceptor.Role("admin")),
		interceptor.Deny(interceptor.Send, "/app/admin/**"),
		interceptor.Allow(interceptor.Send, "/app/**"),
		interceptor.Allow(interceptor.Subscribe, "/topic/room/{id}", interceptor.VarIsUser("id")),
		interceptor.Allow(interceptor.Subscribe, "/topic/news", interceptor.Anonymous()),
	)
}

// A policy is mounted where messages come in; on a Node also as its Gate, by
// AuthorizeDelivery.
func ExampleAuthorize() {
	var inbound channel.DirectChannel[[]byte]
	inbound.Intercept(interceptor.Authorize(chatPolicy()))
	channel.SubscribeFunc(&inbound, func(context.Context, message.Raw) error { return nil })

	kim := message.NewSession(nullSink{}, message.SessionInfo{Principal: Account{User: "kim"}})
	nobody := message.NewSession(nullSink{}, message.SessionInfo{})
	for _, m := range []message.Raw{
		{Session: kim, Destination: "/app/hello"},
		{Session: kim, Destination: "/app/admin/stop"},
		{Session: kim, Destination: "/topic/room/kim"},
		{Session: kim, Destination: "/topic/room/kim", Kind: message.KindSubscribe},
		{Session: kim, Destination: "/topic/room/*", Kind: message.KindSubscribe},
		{Session: nobody, Destination: "/topic/news", Kind: message.KindSubscribe},
		{Session: nobody, Destination: "/app/hello"},
	} {
		fmt.Println(inbound.Handle(context.Background(), m))
	}
	// Output:
	// <nil>
	// denied: to send to "/app/admin/stop" is not allowed
	// denied: to send to "/topic/room/kim" is not allowed
	// <nil>
	// denied: to subscribe to "/topic/room/*" is not allowed
	// <nil>
	// unauthenticated: to send to "/app/hello" needs a login
}

func ExamplePolicy_Explain() {
	policy := chatPolicy()
	for _, v := range []interceptor.Verdict{
		policy.Explain(Account{User: "kim"}, interceptor.Send, "/app/admin/stop"),
		policy.Explain(Account{User: "ann", Roles: []string{"admin"}}, interceptor.Send, "/app/admin/stop"),
		policy.Explain(message.User("kim"), interceptor.Subscribe, "/topic/room/kim"),
		policy.Explain(nil, interceptor.Subscribe, "/topic/room/kim"),
	} {
		fmt.Println(v.Allowed, v.Rule) // v.Source is the line of the rule
	}
	// Output:
	// false deny send "/app/admin/**"
	// true allow send "/app/admin/**" (role admin)
	// true allow subscribe "/topic/room/{id}" ({id} is the user)
	// false
}

// What is open wide is worth a look at every start of the program, which says as well
// whether the policy is asked.
func ExamplePolicy_Doors() {
	doors := append(chatPolicy().Doors(), message.Door{Where: "AllowedOrigins", What: "pages of another origin may connect"})
	for line := range strings.Lines(doors.String()) {
		what, _, _ := strings.Cut(strings.TrimSpace(line), " (") // here without the places
		fmt.Println(what)
	}
	// Output:
	// open doors: 5
	// clients may send and subscribe whatever the policy says, for no Authorize is mounted
	// clients may receive whatever the policy says, for no AuthorizeDelivery is mounted
	// every user may send to /app/**
	// who is not logged in may subscribe to /topic/news
	// pages of another origin may connect
}
