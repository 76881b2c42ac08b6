package headrace_test

import (
	"context"
	"fmt"
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
