package main

import (
	"context"
	"strings"
	"unicode/utf8"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/interceptor"
	"github.com/headrace/headrace/interceptor/jwt"
	"github.com/headrace/headrace/message"
)

// newPolicy says who may do what. What no rule allows is denied.
func newPolicy() *interceptor.Policy {
	member := interceptor.If(isMember)
	return interceptor.Secure(interceptor.PolicyConfig{},
		interceptor.Allow(interceptor.Send, "/app/room/{id}", member),
		interceptor.Allow(interceptor.Subscribe, "/topic/room/{id}", member),
		interceptor.Allow(interceptor.Send, "/app/announce", interceptor.Role("admin")),
		interceptor.Allow(interceptor.Subscribe, "/topic/announcements", interceptor.Anonymous()),
		interceptor.Allow(interceptor.Send, "/app/renew"),
	)
}

// isMember looks at what the token says: it is asked for each message and each of
// its receivers, so it must not block.
func isMember(a interceptor.Access) bool {
	user, ok := a.User.(message.RoleHolder)
	return ok && user.HasRole("room:"+a.Var("id"))
}

// newNode returns a node on which the policy holds both ways.
func newNode(policy *interceptor.Policy, verifier *jwt.Verifier) *headrace.Node {
	expire := interceptor.Expire(interceptor.ExpireConfig{})
	node := headrace.New(headrace.Config{
		Gate:  []message.RawInterceptor{interceptor.AuthorizeDelivery(policy), expire},
		Rules: []broker.Rule{{Prefix: "/topic/announcements", Retain: true}}, // the last one, for who comes later
		Doors: append(policy.Doors(), message.Door{Where: "AuthenticateConfig.Anonymous", What: "who is not logged in may connect"}),
	})
	node.Inbound.Intercept(
		interceptor.Authenticate(interceptor.AuthenticateConfig{Check: verifier.Check, Anonymous: true}),
		expire,
		interceptor.RateLimit(interceptor.RateLimitConfig{
			Session: interceptor.Limits{Messages: interceptor.Rate{PerSecond: 5, Burst: 20}},
			User:    interceptor.Limits{Messages: interceptor.Rate{PerSecond: 10, Burst: 40}},
		}),
		interceptor.Authorize(policy),
	)
	handler.Handle(node.Router, "/room/{id}", say, handler.SendTo("/topic/room/{id}"))
	handler.Handle(node.Router, "/announce", say, handler.SendTo("/topic/announcements"))
	handler.Handle(node.Router, "/renew", renewSession(verifier))
	return node
}

// line is what somebody said. Who did the server knows, not the client.
type line struct {
	From string `json:"from"`
	Text string `json:"text"`
}

func say(_ context.Context, r handler.Request[string]) (line, error) {
	if strings.TrimSpace(r.Payload) == "" || utf8.RuneCountInString(r.Payload) > 250 {
		return line{}, message.Errorf(message.CodeInvalid, "a text has 1 to 250 characters")
	}
	return line{From: r.User().Name(), Text: r.Payload}, nil
}

// renewSession returns an endpoint that takes a new token of the same user: the
// session, with all its subscriptions, lasts as long as that one.
func renewSession(verifier *jwt.Verifier) func(context.Context, handler.Request[string]) (struct{}, error) {
	return func(_ context.Context, r handler.Request[string]) (struct{}, error) {
		user, err := verifier.Verify(r.Payload)
		if err != nil {
			return struct{}{}, err
		}
		if err := interceptor.Renew(r.Session, user); err != nil {
			return struct{}{}, err
		}
		return struct{}{}, handler.ErrNoReply
	}
}
