package interceptor_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/headrace/headrace/interceptor"
	"github.com/headrace/headrace/message"
)

// counting counts what gets through.
type counting struct{ n int }

func (c *counting) Handle(context.Context, message.Raw) error {
	c.n++
	return nil
}

func TestAuthorizeByKind(t *testing.T) {
	policy := interceptor.NewPolicy(interceptor.PolicyConfig{}, interceptor.Allow(send, "/app/x"), interceptor.Allow(subscribe, "/topic/x"))
	for _, tt := range []struct {
		kind    message.Kind
		dest    string
		in, out bool // whether it passes on the way in and on the way out
	}{
		{message.KindData, "/app/x", true, false},
		{message.KindData, "/topic/x", false, true},
		{message.KindData, "", false, false},
		{message.KindSubscribe, "/topic/x", true, false},
		{message.KindSubscribe, "/app/x", false, false},
		{message.KindConnect, "", true, false},
		{message.KindDisconnect, "", true, false},
		{message.KindUnsubscribe, "/secret", true, false},
		{message.KindAck, "", true, false},
		{message.KindNack, "", true, false},
		{message.KindBegin, "", true, false},
		{message.KindCommit, "", true, false},
		{message.KindAbort, "", true, false},
		{message.KindConnected, "", false, true},
		{message.KindError, "", false, true},
		{99, "/app/x", false, false},
	} {
		m := message.Raw{Kind: tt.kind, Destination: tt.dest, Session: userSession(kim)}
		for way, w := range map[string]struct {
			i    message.RawInterceptor
			want bool
		}{"in": {interceptor.Authorize(policy), tt.in}, "out": {interceptor.AuthorizeDelivery(policy), tt.out}} {
			var next counting
			err := w.i(&next).Handle(t.Context(), m)
			if (err == nil) != w.want || next.n != map[bool]int{true: 1}[w.want] {
				t.Errorf("%s %s %q: %v, %d got through", way, tt.kind, tt.dest, err, next.n)
			}
			if err != nil && message.Public(err).Code != message.CodeDenied {
				t.Errorf("%s %s %q: %v", way, tt.kind, tt.dest, err)
			}
			m := m
			m.Session = nil // the program's own
			if err := w.i(&next).Handle(t.Context(), m); err != nil {
				t.Errorf("%s %s %q without a session: %v", way, tt.kind, tt.dest, err)
			}
		}
	}
}

func TestAuthorizeRefusals(t *testing.T) {
	policy := interceptor.NewPolicy(interceptor.PolicyConfig{},
		interceptor.Deny(send, "/app/hidden-name/{x}"), interceptor.Allow(subscribe, "/room/{id}", interceptor.VarIsUser("id")))
	in, out := interceptor.Authorize(policy)(rawReturning(nil)), interceptor.AuthorizeDelivery(policy)(rawReturning(nil))
	long := "/" + strings.Repeat("x", 5000)
	for _, tt := range []struct {
		h    message.RawHandler
		kind message.Kind
		user message.Principal
		dest string
		want string
	}{
		{in, message.KindData, kim, "/app/hidden-name/1", `denied: to send to "/app/hidden-name/1" is not allowed`},
		{in, message.KindData, kim, "/other", `denied: to send to "/other" is not allowed`},
		{in, message.KindSubscribe, kim, "/room/ann", `denied: to subscribe to "/room/ann" is not allowed`},
		{in, message.KindSubscribe, nil, "/room/ann", `unauthenticated: to subscribe to "/room/ann" needs a login`},
		{in, message.KindSubscribe, message.User(""), "/room/", `unauthenticated: to subscribe to "/room/" needs a login`},
		{in, message.KindData, nil, "/app/hidden-name/1", `unauthenticated: to send to "/app/hidden-name/1" needs a login`},
		{out, message.KindData, kim, "/room/ann", `denied: to receive from "/room/ann" is not allowed`},
		{in, message.KindData, kim, long, `denied: to send to "` + long[:200] + `" is not allowed`},
	} {
		err := tt.h.Handle(t.Context(), message.Raw{Kind: tt.kind, Destination: tt.dest, Session: userSession(tt.user)})
		if err == nil || err.Error() != tt.want {
			t.Errorf("%s %.40q: %v, want %s", tt.kind, tt.dest, err, tt.want)
		}
		if public := message.Public(err); public.Error() != tt.want {
			t.Errorf("a client is told %v", public)
		}
	}
}

// Roles are those of the moment: who loses one is delivered no more.
func TestAuthorizeDeliveryFollowsTheUser(t *testing.T) {
	policy := interceptor.NewPolicy(interceptor.PolicyConfig{}, interceptor.Allow(subscribe, "/topic/**", interceptor.Role("staff"), interceptor.Patterns()))
	h := interceptor.AuthorizeDelivery(policy)(rawReturning(nil))
	s := userSession(member{"bob", []string{"staff"}})
	m := message.Raw{Destination: "/topic/x", Subscription: "1", Session: s}
	if err := h.Handle(t.Context(), m); err != nil {
		t.Error(err)
	}
	s.SetUser(member{"bob", nil})
	if err := h.Handle(t.Context(), m); message.Public(err).Code != message.CodeDenied {
		t.Errorf("without the role: %v", err)
	}
}

// What follows an authorization that panics or fails is not reached.
func TestAuthorizeFailsClosed(t *testing.T) {
	policy := interceptor.NewPolicy(interceptor.PolicyConfig{}, interceptor.Allow(send, "/x", interceptor.If(func(interceptor.Access) bool { panic("no database") })))
	var next counting
	err := message.Chain[[]byte](&next, interceptor.Recover, interceptor.Authorize(policy)).Handle(t.Context(), message.Raw{Destination: "/x", Session: userSession(kim)})
	var panicked *message.PanicError
	if !errors.As(err, &panicked) || next.n != 0 {
		t.Errorf("%v, %d got through", err, next.n)
	}
}
