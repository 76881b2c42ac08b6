package headrace_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/messagetest"
)

var individually = message.Field{Name: message.HeaderAckMode, Value: "client-individual"}

// TestQueuesOfANode: one line makes /queue competing; the others stay topics.
func TestQueuesOfANode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		node := headrace.New(headrace.Config{Rules: []broker.Rule{{Prefix: "/queue", Mode: broker.Queue}}})
		defer node.Close()
		kim, lee := messagetest.Connect(t, node), messagetest.Connect(t, node)
		for _, c := range []*messagetest.Client{kim, lee} {
			c.Subscribe("/queue/jobs", individually)
			c.Subscribe("/topic/news")
		}
		for _, m := range []struct{ dest, payload string }{{"/queue/jobs", "1"}, {"/queue/jobs", "2"}, {"/topic/news", "news"}} {
			kim.Send(m.dest, m.payload)
		}
		for c, job := range map[*messagetest.Client]string{kim: "1", lee: "2"} {
			m := c.Next(t)
			if string(m.Payload) != job {
				t.Errorf("job %q, want %q", m.Payload, job)
			}
			c.Ack(m)
			if news := c.Next(t); string(news.Payload) != "news" {
				t.Errorf("got %q, want the news", news.Payload)
			}
		}
		kim.Refute(t)
		lee.Refute(t)
	})
}

// TestGate: whatever way a message takes to a session's queue, the gate decides
// about it last, after all that is mounted on Outbound.
func TestGate(t *testing.T) {
	var mu sync.Mutex
	var seen []string
	var deny bool
	gate := func(next message.RawHandler) message.RawHandler {
		return message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
			mu.Lock()
			defer mu.Unlock()
			if m.Kind == message.KindData {
				seen = append(seen, m.Header.Get("mounted")+string(m.Payload))
				if deny {
					return message.Errorf(message.CodeDenied, "not for you")
				}
			}
			return next.Handle(ctx, m)
		})
	}
	node := headrace.New(headrace.Config{
		Gate: gate,
		Rules: []broker.Rule{
			{Prefix: "/topic/kept", History: broker.History{Messages: 10}},
			{Prefix: "/topic/last", Retain: true},
			{Prefix: "/queue/jobs", Mode: broker.Queue, Acks: broker.Acks{Backoff: time.Nanosecond, MaxDeliveries: 2, DeadLetter: "/queue/dead"}},
		},
	})
	defer node.Close()
	node.Outbound.Intercept(func(next message.RawHandler) message.RawHandler {
		return message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
			m.Header = m.Header.With("mounted", "yes ")
			return next.Handle(ctx, m)
		})
	})
	same := func(_ context.Context, text string) (string, error) { return text, nil }
	handler.Handle(node.Router, "/all", same)
	handler.Handle(node.Router, "/user", same, handler.SendToUser("/queue/own"))
	handler.Handle(node.Router, "/session", same, handler.SendToSession("/queue/own"))
	handler.Handle(node.Router, "/fails", func(context.Context, string) (string, error) { return "", errors.New("no") })
	handler.OnError(node.Router, func(context.Context, error) (string, error) { return "error", nil }, handler.SendToSession("/queue/own"))
	handler.OnSubscribe(node.Router, "/snapshot", func(context.Context, struct{}) (string, error) { return "direct", nil })
	handler.OnSubscribe(node.Router, "/live", func(context.Context, struct{}) (string, error) { return "opening", nil }, handler.Live("/topic/live"))

	for _, path := range []struct {
		name string
		take func(t *testing.T, c *messagetest.Client) // makes one message come
		want string
	}{
		{"broadcast", func(t *testing.T, c *messagetest.Client) { c.Subscribe("/topic/a"); c.Send("/topic/a", "broadcast") }, "broadcast"},
		{"broadcast of the application", func(t *testing.T, c *messagetest.Client) {
			c.Subscribe("/topic/a")
			must(t, node.Template.Send(t.Context(), "/topic/a", "template"))
		}, "template"},
		{"user destination", func(t *testing.T, c *messagetest.Client) {
			c.Subscribe("/user/queue/own")
			must(t, node.Template.SendToUser(t.Context(), "kim", "/queue/own", "to the user"))
		}, "to the user"},
		{"reply to all", func(t *testing.T, c *messagetest.Client) { c.Subscribe("/topic/all"); c.Send("/app/all", "reply") }, "reply"},
		{"reply to the user", func(t *testing.T, c *messagetest.Client) { c.Subscribe("/user/queue/own"); c.Send("/app/user", "his") }, "his"},
		{"reply to the session", func(t *testing.T, c *messagetest.Client) {
			c.Subscribe("/user/queue/own")
			c.Send("/app/session", "its")
		}, "its"},
		{"reply of an error handler", func(t *testing.T, c *messagetest.Client) { c.Subscribe("/user/queue/own"); c.Send("/app/fails", "x") }, "error"},
		{"direct reply", func(t *testing.T, c *messagetest.Client) { _, _ = c.TrySubscribe("/app/snapshot") }, "direct"},
		{"opening of a stream", func(t *testing.T, c *messagetest.Client) { _, _ = c.TrySubscribe("/app/live") }, "opening"},
		{"replay", func(t *testing.T, c *messagetest.Client) {
			c.Subscribe("/topic/kept/a", message.Field{Name: message.HeaderOffset, Value: "0"})
		}, ""},
		{"retained", func(t *testing.T, c *messagetest.Client) {
			c.Send("/topic/last/a", "last")
			c.Subscribe("/topic/last/a")
		}, "last"},
		{"queue", func(t *testing.T, c *messagetest.Client) {
			c.Subscribe("/queue/jobs/a")
			c.Send("/queue/jobs/a", "job")
		}, "job"},
		{"own queue of a subscription that acknowledges", func(t *testing.T, c *messagetest.Client) {
			c.Subscribe("/topic/a", individually)
			c.Send("/topic/a", "acked")
		}, "acked"},
		{"request", func(t *testing.T, c *messagetest.Client) {
			c.Subscribe("/user/queue/questions")
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			_, _ = node.Template.Request(ctx, "/user/kim/queue/questions", "question")
		}, "question"},
	} {
		t.Run(path.name, func(t *testing.T) {
			for _, denied := range []bool{false, true} {
				mu.Lock()
				seen, deny = nil, denied
				mu.Unlock()
				kim := messagetest.Connect(t, node, messagetest.User("kim"))
				path.take(t, kim)
				mu.Lock()
				if !slices.Contains(seen, "yes "+path.want) {
					t.Errorf("denied %v: the gate saw %q, want %q", denied, seen, path.want)
				}
				mu.Unlock()
				if denied {
					kim.Refute(t)
				} else if m := kim.Next(t); string(m.Payload) != path.want {
					t.Errorf("the client got %q, want %q", m.Payload, path.want)
				}
				kim.Disconnect()
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestReceiptLevels: a sender is told when his message got as far as the config asks
// for its destination.
func TestReceiptLevels(t *testing.T) {
	for _, tt := range []struct {
		config headrace.Config
		dest   string
		want   string // told before "handled" or "acked", or after it
	}{
		{headrace.Config{}, "/app/slow", "handled told"},
		{headrace.Config{Receipts: message.Accepted}, "/app/slow", "told handled"},
		{headrace.Config{}, "/queue/a", "told acked"},
		{headrace.Config{Rules: []broker.Rule{{Prefix: "/queue", Mode: broker.Queue}}}, "/queue/a", "told acked"},
		{headrace.Config{Rules: []broker.Rule{{Prefix: "/queue", Mode: broker.Queue, Receipts: message.Accepted}}}, "/queue/a", "told acked"},
		{headrace.Config{Rules: []broker.Rule{{Prefix: "/queue", Mode: broker.Queue, Receipts: message.Handled}}}, "/queue/a", "acked told"},
	} {
		t.Run(fmt.Sprint(tt.dest, " ", tt.want), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				var order []string
				note := func(what string) { mu.Lock(); order = append(order, what); mu.Unlock() }
				node := headrace.New(tt.config)
				defer node.Close()
				handler.Consume(node.Router, "/slow", func(context.Context, string) error {
					time.Sleep(time.Second)
					note("handled")
					return nil
				})
				kim := messagetest.Connect(t, node)
				kim.Subscribe("/queue/a", individually)
				m := message.Raw{Destination: tt.dest, Session: kim.Session(), Payload: []byte("x")}
				m.Done = message.NewCompletion(message.Handled, func(error) { note("told") })
				m.Done.Release(node.Handle(t.Context(), m))
				time.Sleep(2 * time.Second)
				if tt.dest == "/queue/a" {
					note("acked")
					kim.Ack(kim.Next(t))
				}
				synctest.Wait()
				if got := fmt.Sprint(order); got != "["+tt.want+"]" {
					t.Errorf("%s, want %s", got, tt.want)
				}
			})
		})
	}
}
