package headrace_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/messagetest"
)

// guard is a gate that notes what comes to kim's sessions, and denies it when it is shut.
type guard struct {
	mu   sync.Mutex
	seen []string
	shut bool
	pass string // what passes though it is shut
}

func (g *guard) intercept(next message.RawHandler) message.RawHandler {
	return message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
		if u := m.Session.User(); u == nil || u.Name() != "kim" || m.Kind != message.KindData {
			return next.Handle(ctx, m)
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		g.seen = append(g.seen, m.Header.Get("mounted")+" "+text(m))
		if g.shut && (g.pass == "" || string(m.Payload) != g.pass) {
			return message.Errorf(message.CodeDenied, "not for you")
		}
		return next.Handle(ctx, m)
	})
}

// text is a payload, with how often it was delivered if that is said.
func text(m message.Raw) string {
	return string(m.Payload) + m.Header.Get(message.HeaderDeliveries)
}

func (g *guard) set(shut bool, pass string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.seen, g.shut, g.pass = nil, shut, pass
}

func (g *guard) saw(text string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Contains(g.seen, "mounted "+text)
}

// gated is a node with everything that sends to clients.
func gated(g *guard) *headrace.Node {
	node := headrace.New(headrace.Config{
		Gate: []message.RawInterceptor{g.intercept},
		Rules: []broker.Rule{
			{Prefix: "/topic/kept", History: broker.History{Messages: 10}},
			{Prefix: "/topic/last", Retain: true},
			{Prefix: "/queue/jobs", Mode: broker.Queue, Acks: broker.Acks{Backoff: time.Nanosecond, MaxDeliveries: 2, DeadLetter: "/topic/dead"}},
		},
	})
	node.Outbound.Intercept(func(next message.RawHandler) message.RawHandler {
		return message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
			m.Header = m.Header.With("mounted", "mounted")
			return next.Handle(ctx, m)
		})
	})
	same := func(_ context.Context, text string) (string, error) { return text, nil }
	own := handler.SendToSession("/queue/own")
	handler.Handle(node.Router, "/all", same)
	handler.Handle(node.Router, "/user", same, handler.SendToUser("/queue/own"))
	handler.Handle(node.Router, "/session", same, own)
	handler.Stream(node.Router, "/stream", func(_ context.Context, text string) iter.Seq2[string, error] {
		return func(yield func(string, error) bool) { yield(text, nil) }
	}, own)
	handler.Later(node.Router, "/later", func(_ context.Context, text string) *handler.Future[string] {
		f := handler.NewFuture[string]()
		go f.Complete(text, nil)
		return f
	}, own)
	handler.Handle(node.Router, "/fails", func(context.Context, string) (string, error) { return "", errors.New("no") })
	handler.OnError(node.Router, func(context.Context, error) (string, error) { return "error", nil }, own)
	handler.OnSubscribe(node.Router, "/snapshot", func(context.Context, struct{}) (string, error) { return "direct", nil })
	handler.OnSubscribe(node.Router, "/told", func(context.Context, struct{}) (string, error) { return "told", nil }, handler.SendTo("/topic/told"))
	handler.OnSubscribe(node.Router, "/live", func(context.Context, struct{}) (string, error) { return "opening", nil }, handler.Live("/topic/live"))
	return node
}

// TestGate: whatever way a message takes to a session's queue, the gate decides
// about it last, after all that is mounted on Outbound.
func TestGate(t *testing.T) {
	g := new(guard)
	node := gated(g)
	defer node.Close()
	offset := message.Field{Name: message.HeaderOffset, Value: "0"}
	for _, path := range []struct {
		name string
		take func(t *testing.T, kim, other *messagetest.Client) // makes a message come to kim
		want string
		pass string // what it follows on
	}{
		{"broadcast", func(t *testing.T, kim, other *messagetest.Client) {
			kim.Subscribe("/topic/a")
			other.Send("/topic/a", "broadcast")
		}, "broadcast", ""},
		{"broadcast to a pattern", func(t *testing.T, kim, other *messagetest.Client) {
			kim.Subscribe("/topic/*")
			other.Send("/topic/a", "pattern")
		}, "pattern", ""},
		{"broadcast to who acknowledges", func(t *testing.T, kim, other *messagetest.Client) {
			kim.Subscribe("/topic/a", individually)
			other.Send("/topic/a", "acked")
		}, "acked", ""},
		{"broadcast of the application", func(t *testing.T, kim, _ *messagetest.Client) {
			kim.Subscribe("/topic/a")
			must(t, node.Template.Send(t.Context(), "/topic/a", "template"))
		}, "template", ""},
		{"transaction", func(t *testing.T, kim, other *messagetest.Client) {
			tx := message.Field{Name: message.HeaderTransaction, Value: "t"}
			kim.Subscribe("/topic/a")
			must(t, other.Try(message.Raw{Kind: message.KindBegin, Header: message.NewHeader(tx)}))
			other.Send("/topic/a", "committed", tx)
			must(t, other.Try(message.Raw{Kind: message.KindCommit, Header: message.NewHeader(tx)}))
		}, "committed", ""},
		{"user destination", func(t *testing.T, kim, other *messagetest.Client) {
			kim.Subscribe("/user/queue/own")
			other.Send("/user/kim/queue/own", "to the user")
		}, "to the user", ""},
		{"user destination by session", func(t *testing.T, kim, other *messagetest.Client) {
			kim.Subscribe("/user/queue/own")
			other.Send("/user/"+kim.Session().ID()+"/queue/own", "to the session")
		}, "to the session", ""},
		{"user destination with acknowledgements", func(t *testing.T, kim, other *messagetest.Client) {
			kim.Subscribe("/user/queue/own", individually)
			other.Send("/user/kim/queue/own", "to the user, acked")
		}, "to the user, acked", ""},
		{"user destination of the application", func(t *testing.T, kim, _ *messagetest.Client) {
			kim.Subscribe("/user/queue/own")
			must(t, node.Template.SendToUser(t.Context(), "kim", "/queue/own", "by the program"))
		}, "by the program", ""},
		{"request", func(t *testing.T, kim, _ *messagetest.Client) {
			kim.Subscribe("/user/queue/questions")
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			_, _ = node.Template.Request(ctx, "/user/kim/queue/questions", "question")
		}, "question", ""},
		{"reply to all", func(t *testing.T, kim, other *messagetest.Client) {
			kim.Subscribe("/topic/all")
			other.Send("/app/all", "reply")
		}, "reply", ""},
		{"reply to the user", func(t *testing.T, kim, _ *messagetest.Client) {
			kim.Subscribe("/user/queue/own")
			kim.Send("/app/user", "his")
		}, "his", ""},
		{"reply to the session", func(t *testing.T, kim, _ *messagetest.Client) {
			kim.Subscribe("/user/queue/own")
			kim.Send("/app/session", "its")
		}, "its", ""},
		{"reply of a stream", func(t *testing.T, kim, _ *messagetest.Client) {
			kim.Subscribe("/user/queue/own")
			kim.Send("/app/stream", "streamed")
		}, "streamed", ""},
		{"reply that comes later", func(t *testing.T, kim, _ *messagetest.Client) {
			kim.Subscribe("/user/queue/own")
			kim.Send("/app/later", "later")
		}, "later", ""},
		{"reply of an error handler", func(t *testing.T, kim, _ *messagetest.Client) {
			kim.Subscribe("/user/queue/own")
			kim.Send("/app/fails", "x")
		}, "error", ""},
		{"answer to a subscription", func(t *testing.T, kim, _ *messagetest.Client) { _, _ = kim.TrySubscribe("/app/snapshot") }, "direct", ""},
		{"answer by the broker", func(t *testing.T, kim, _ *messagetest.Client) {
			kim.Subscribe("/topic/told")
			_, _ = kim.TrySubscribe("/app/told")
		}, "told", ""},
		{"opening of a stream", func(t *testing.T, kim, _ *messagetest.Client) { _, _ = kim.TrySubscribe("/app/live") }, "opening", ""},
		{"update behind an opening", func(t *testing.T, kim, _ *messagetest.Client) {
			_, _ = kim.TrySubscribe("/app/live")
			must(t, node.Template.Send(t.Context(), "/topic/live", "update"))
		}, "update", "opening"},
		{"answer to a resumption", func(t *testing.T, kim, _ *messagetest.Client) { kim.Subscribe("/topic/kept/a", offset) }, "", ""},
		{"replay", func(t *testing.T, kim, other *messagetest.Client) {
			other.Subscribe("/topic/kept/b", offset)
			epoch := message.Field{Name: message.HeaderEpoch, Value: other.Next(t).Header.Get(message.HeaderEpoch)}
			other.Send("/topic/kept/b", "missed")
			at := message.Field{Name: message.HeaderOffset, Value: other.Next(t).Header.Get(message.HeaderOffset)}
			other.Send("/topic/kept/b", "replayed")
			kim.Subscribe("/topic/kept/b", at, epoch)
		}, "replayed", ""},
		{"retained message", func(t *testing.T, kim, other *messagetest.Client) {
			other.Send("/topic/last/a", "last")
			kim.Subscribe("/topic/last/a")
		}, "last", ""},
		{"queue", func(t *testing.T, kim, other *messagetest.Client) {
			kim.Subscribe("/queue/jobs/a")
			other.Send("/queue/jobs/a", "job")
		}, "job", ""},
		{"backlog of a queue", func(t *testing.T, kim, other *messagetest.Client) {
			other.Send("/queue/jobs/b", "waited")
			kim.Subscribe("/queue/jobs/b")
		}, "waited", ""},
		{"redelivery after a NACK", func(t *testing.T, kim, other *messagetest.Client) {
			other.Subscribe("/queue/jobs/c", individually)
			other.Send("/queue/jobs/c", "again")
			kim.Subscribe("/queue/jobs/c")
			m := other.Next(t)
			other.Unsubscribe("sub-1")
			other.Nack(m)
		}, "again2", ""},
		{"redelivery of what a session left", func(t *testing.T, kim, other *messagetest.Client) {
			other.Subscribe("/queue/jobs/d", individually)
			other.Send("/queue/jobs/d", "left")
			other.Next(t)
			kim.Subscribe("/queue/jobs/d")
			other.Disconnect()
		}, "left2", ""},
		{"dead letter", func(t *testing.T, kim, other *messagetest.Client) {
			kim.Subscribe("/topic/dead")
			other.Subscribe("/queue/jobs/e", individually)
			other.Send("/queue/jobs/e", "dead")
			other.Nack(other.Next(t))
			other.Nack(other.Next(t))
		}, "dead2", ""},
	} {
		t.Run(path.name, func(t *testing.T) {
			for _, shut := range []bool{false, true} {
				g.set(shut, path.pass)
				kim, other := messagetest.Connect(t, node, messagetest.User("kim")), messagetest.Connect(t, node)
				path.take(t, kim, other)
				eventually(t, "the gate decides", func() bool { return g.saw(path.want) })
				for !shut && text(kim.Next(t)) != path.want { // something came before it
				}
				if shut {
					if path.pass != "" {
						kim.Next(t)
					}
					kim.Refute(t)
				}
				kim.Disconnect()
				other.Disconnect()
			}
		})
	}
}

// TestGateDecidesAboutSessions: a session that the gate denies its answer is none.
func TestGateDecidesAboutSessions(t *testing.T) {
	node := headrace.New(headrace.Config{Gate: []message.RawInterceptor{func(message.RawHandler) message.RawHandler {
		return message.HandlerFunc[[]byte](func(context.Context, message.Raw) error {
			return message.Errorf(message.CodeDenied, "not you")
		})
	}}})
	defer node.Close()
	if _, err := messagetest.TryConnect(t, node); err == nil || message.Public(err).Code != message.CodeDenied {
		t.Errorf("error %v", err)
	}
	if s := node.Stats(); s.Broker.Sessions != 0 || s.Users.Sessions != 0 {
		t.Errorf("stats %+v", s)
	}
}
