package headrace_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/interceptor"
	"github.com/headrace/headrace/message"
)

// inbox is the sink of a session and keeps what it is delivered.
type inbox struct {
	mu   sync.Mutex
	data []message.Raw
}

func (*inbox) Close(error) {}

func (b *inbox) Deliver(_ context.Context, m message.Raw) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if m.Kind == message.KindData {
		b.data = append(b.data, m)
	}
	return nil
}

// take returns how many messages came since the last time.
func (b *inbox) take() int {
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	n := len(b.data)
	b.data = nil
	return n
}

// waysIn are all ways by which something comes into a session's queue: each is made
// ready, and then brings messages.
var waysIn = map[string]struct{ ready, bring func(w *wayIn) }{
	"broadcast of the program": {subscribing("/topic/a"), func(w *wayIn) { w.publish("/topic/a") }},
	"broadcast of a client":    {subscribing("/topic/a"), func(w *wayIn) { w.send("/topic/a") }},
	"pattern":                  {subscribing("/topic/*"), func(w *wayIn) { w.publish("/topic/a") }},
	"acknowledged":             {subscribing("/topic/a", message.Field{Name: "ack", Value: "client"}), func(w *wayIn) { w.publish("/topic/a") }},
	"transaction": {subscribing("/topic/a"), func(w *wayIn) {
		tx := message.NewHeader(message.Field{Name: message.HeaderTransaction, Value: "t"})
		w.in(message.Raw{Kind: message.KindBegin, Header: tx})
		w.in(message.Raw{Destination: "/topic/a", Header: tx})
		w.in(message.Raw{Kind: message.KindCommit, Header: tx})
	}},
	"queue":               {subscribing("/queue/jobs"), func(w *wayIn) { w.publish("/queue/jobs") }},
	"what waits in queue": {func(w *wayIn) { w.publish("/queue/jobs") }, subscribing("/queue/jobs")},
	"retained":            {func(w *wayIn) { w.publish("/topic/kept") }, subscribing("/topic/kept")},
	"resumed": {func(w *wayIn) { w.publish("/topic/kept") },
		subscribing("/topic/kept", message.Field{Name: message.HeaderOffset, Value: "0"})},
	"user by name":           {subscribing("/user/queue/x"), func(w *wayIn) { w.publish("/user/kim/queue/x") }},
	"user by a client":       {subscribing("/user/queue/x"), func(w *wayIn) { w.send("/user/kim/queue/x") }},
	"session by id":          {subscribing("/user/queue/x"), func(w *wayIn) { w.publish("/user/" + w.session.ID() + "/queue/x") }},
	"reply to all":           {subscribing("/topic/echo"), func(w *wayIn) { w.send("/app/echo") }},
	"reply to the user":      {subscribing("/user/queue/user"), func(w *wayIn) { w.send("/app/user") }},
	"reply to the session":   {subscribing("/user/queue/session"), func(w *wayIn) { w.send("/app/session") }},
	"answer to an error":     {subscribing("/user/queue/errors"), func(w *wayIn) { w.send("/app/fails") }},
	"direct reply":           {nil, subscribing("/app/direct")},
	"snapshot":               {nil, subscribing("/app/live")},
	"stream behind it":       {subscribing("/app/live"), func(w *wayIn) { w.publish("/topic/live") }},
	"request of the program": {subscribing("/user/queue/x"), func(w *wayIn) { w.request("/user/kim/queue/x") }},
}

// wayIn is a node, a session of kim's and the rule that decides about deliveries to it.
type wayIn struct {
	t       *testing.T
	node    *headrace.Node
	inbox   inbox
	session *message.Session
	closed  atomic.Bool
}

func (w *wayIn) in(m message.Raw) {
	m.Session = w.session
	_ = w.node.Handle(w.t.Context(), m)
	synctest.Wait()
}
func (w *wayIn) send(dest string) { w.in(message.Raw{Destination: dest}) }
func (w *wayIn) publish(dest string) {
	_ = w.node.Template.Send(w.t.Context(), dest, "payload")
	synctest.Wait()
}

func (w *wayIn) request(dest string) {
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Second)
	defer cancel()
	_, _ = w.node.Template.Request(ctx, dest, "question")
}

func subscribing(dest string, header ...message.Field) func(*wayIn) {
	return func(w *wayIn) {
		w.in(message.Raw{Kind: message.KindSubscribe, Destination: dest, Subscription: "1", Header: message.NewHeader(header...)})
	}
}

// newWayIn returns a node whose gate closes by w.closed.
func newWayIn(t *testing.T) *wayIn {
	w := &wayIn{t: t}
	policy := interceptor.NewPolicy(interceptor.PolicyConfig{},
		interceptor.Deny(interceptor.Deliver, "/**", interceptor.If(func(interceptor.Access) bool { return w.closed.Load() })),
		interceptor.Allow(interceptor.Send|interceptor.Subscribe, "/**", interceptor.Patterns()))
	w.node = headrace.New(headrace.Config{
		Gate:  []message.RawInterceptor{interceptor.AuthorizeDelivery(policy)},
		Rules: []broker.Rule{{Prefix: "/queue", Mode: broker.Queue}, {Prefix: "/topic/kept", Retain: true, History: broker.History{Messages: 5}}},
	})
	w.node.Inbound.Intercept(interceptor.Authorize(policy))
	r := w.node.Router
	echo := func(context.Context, []byte) (string, error) { return "echo", nil }
	handler.Handle(r, "/echo", echo, handler.SendTo("/topic/echo"))
	handler.Handle(r, "/user", echo, handler.SendToUser("/queue/user"))
	handler.Handle(r, "/session", echo, handler.SendToSession("/queue/session"))
	handler.Consume(r, "/fails", func(context.Context, []byte) error { return context.Canceled })
	handler.OnErrorIs(r, context.Canceled, func(context.Context, error) (string, error) { return "failed", nil }, handler.SendToSession("/queue/errors"))
	handler.OnSubscribe(r, "/direct", echo)
	handler.OnSubscribe(r, "/live", echo, handler.Live("/topic/live"))
	w.session = message.NewSession(&w.inbox, message.SessionInfo{Principal: message.User("kim")})
	w.in(message.Raw{Kind: message.KindConnect})
	return w
}

// TestSec_S40: whatever way a message takes to a session, a policy at the gate decides
// about it, by its own destination; when the gate is open each way brings something.
func TestSec_S40_EveryWayIsAuthorized(t *testing.T) {
	for name, way := range waysIn {
		for _, closed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/closed=%v", name, closed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWayIn(t)
					defer w.node.Close()
					if way.ready != nil {
						way.ready(w)
					}
					w.inbox.take()
					w.closed.Store(closed)
					way.bring(w)
					if n := w.inbox.take(); (n == 0) != closed {
						t.Errorf("%d messages came", n)
					}
				})
			})
		}
	}
}

// TestSecureNode: with the preset, what a client may do is what its rules say; user
// destinations, direct replies and streams work by the rules that one would write.
func TestSecureNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		policy := interceptor.Secure(interceptor.PolicyConfig{},
			interceptor.Allow(interceptor.Send, "/app/{what}"),
			interceptor.Allow(interceptor.Subscribe, "/topic/room/{id}", interceptor.VarIsUser("id")),
			interceptor.Allow(interceptor.Subscribe, "/user/queue/*"),
			interceptor.Allow(interceptor.Subscribe, "/app/live"),
			interceptor.Allow(interceptor.Deliver, "/topic/live"))
		node := headrace.New(headrace.Config{Gate: []message.RawInterceptor{interceptor.AuthorizeDelivery(policy)}})
		defer node.Close()
		node.Inbound.Intercept(interceptor.Authorize(policy))
		echo := func(context.Context, []byte) (string, error) { return "echo", nil }
		handler.Handle(node.Router, "/session", echo, handler.SendToSession("/queue/session"))
		handler.OnSubscribe(node.Router, "/live", echo, handler.Live("/topic/live"))
		var kims inbox
		kim := message.NewSession(&kims, message.SessionInfo{Principal: message.User("kim")})
		try := func(kind message.Kind, dest, id string) message.Code {
			err := handled(t, node, message.Raw{Kind: kind, Destination: dest, Subscription: id, Session: kim})
			if err == nil {
				return ""
			}
			return message.Public(err).Code
		}
		for i, tt := range []struct {
			kind message.Kind
			dest string
			want message.Code
			came int
		}{
			{message.KindConnect, "", "", 0},
			{message.KindSubscribe, "/topic/room/kim", "", 0},
			{message.KindSubscribe, "/topic/room/ann", message.CodeDenied, 0},
			{message.KindSubscribe, "/topic/room/*", message.CodeDenied, 0},
			{message.KindSubscribe, "/topic/live", message.CodeDenied, 0},
			{message.KindSubscribe, "/app/live", "", 1},
			{message.KindSubscribe, "/user/queue/session", "", 0},
			{message.KindData, "/app/session", "", 1},
			{message.KindData, "/topic/room/kim", message.CodeDenied, 0},
			{message.KindData, "/user/kim/queue/session", message.CodeDenied, 0},
			{message.KindBegin, "", message.CodeInvalid, 0}, // by the transactions: it names none
		} {
			if got := try(tt.kind, tt.dest, fmt.Sprint(i)); got != tt.want {
				t.Errorf("%s %q: %q, want %q", tt.kind, tt.dest, got, tt.want)
			}
			if n := kims.take(); n != tt.came {
				t.Errorf("%s %q: %d messages came, want %d", tt.kind, tt.dest, n, tt.came)
			}
		}
		for _, dest := range []string{"/topic/live", "/topic/room/kim", "/user/kim/queue/session"} {
			if err := node.Template.Send(t.Context(), dest, "news"); err != nil {
				t.Error(err)
			}
			if n := kims.take(); n != 1 {
				t.Errorf("%d messages came from %s", n, dest)
			}
		}
	})
}
