package relay_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/messagetest"
	"github.com/headrace/headrace/stompadapter/frame"
	"github.com/headrace/headrace/stompadapter/relay"
)

// A client reaches no queue of another destination, and leaves none behind.
func TestSec_S21_QueuesOfOthers(t *testing.T) {
	for _, tt := range []struct {
		dialect     relay.Dialect
		destination string
		header      string
		code        message.Code
	}{
		{relay.RabbitMQ, "/topic/a", "x-queue-name", message.CodeDenied},
		{relay.RabbitMQ, "/topic/a", "durable", message.CodeDenied},
		{relay.RabbitMQ, "/user/queue/a", "auto-delete", message.CodeDenied},
		{relay.RabbitMQ, "/queue/a", "x-dead-letter-exchange", message.CodeDenied},
		{relay.RabbitMQ, "/topic/%2a", "", message.CodeInvalid},
		{relay.RabbitMQ, "/topic/a.%23", "", message.CodeInvalid},
		{relay.RabbitMQ, "/user/exchange/amq.fanout/a", "", message.CodeInvalid},
		{relay.RabbitMQ, "/user/exchange/amq.direct/", "", message.CodeInvalid},
		{relay.ActiveMQ, "/topic/a", "activemq.exclusive", message.CodeDenied},
		{relay.ActiveMQ, "/topic/a", "durable-subscription-name", message.CodeDenied},
		{relay.ActiveMQ, "/topic/a,/queue/b", "", message.CodeInvalid},
		{relay.ActiveMQ, "/queue/a?x=1", "", message.CodeInvalid},
		{relay.ActiveMQ, "/queue/a?", "", message.CodeInvalid},
		{relay.ActiveMQ, "/queue/a ", "", message.CodeInvalid},
		{relay.ActiveMQ, " /queue/a", "", message.CodeInvalid},
		{relay.ActiveMQ, "/queue/ a", "", message.CodeInvalid},
		{relay.ActiveMQ, "/queue /a", "", message.CodeInvalid},
		{relay.ActiveMQ, "/queue/a\t", "", message.CodeInvalid},
		{relay.ActiveMQ, "/queue/\na", "", message.CodeInvalid},
		{relay.ActiveMQ, "/queue/a\x01", "", message.CodeInvalid},
	} {
		bubble(t, relay.Config{Dialect: tt.dialect}, func(s *site) {
			c := s.connect(messagetest.User("ada"))
			var header []message.Field
			if tt.header != "" {
				header = append(header, message.Field{Name: tt.header, Value: "true"})
			}
			_, err := c.TrySubscribe(tt.destination, header...)
			if told := message.Public(err); told == nil || told.Code != tt.code {
				t.Errorf("%q %s: subscribed: %v", tt.destination, tt.header, err)
			}
			sent := message.Raw{Session: c.Session(), Destination: tt.destination, Header: message.NewHeader(header...)}
			if tt.header != "" {
				sent.Destination = "/queue/a"
			}
			if tt.header != "" || tt.dialect == relay.ActiveMQ {
				err = s.do(sent)()
				if told := message.Public(err); told == nil || told.Code != tt.code {
					t.Errorf("sent to %q with %s: %v", sent.Destination, tt.header, err)
				}
			}
			if p := s.fake.peer(1); len(p.got(frame.Subscribe))+len(p.got(frame.Send)) > 0 {
				t.Errorf("%q %s: the broker was asked", tt.destination, tt.header)
			}
		})
	}
}

// spellings has a client write a destination in ways that a broker might take for it: what the
// relay lets pass is another one to the broker too.
func spellings(t *testing.T, c relay.Config) {
	b := start(t, c)
	for _, kind := range []string{"/topic", "/queue"} {
		t.Run(kind[1:], func(t *testing.T) {
			admin, end := kind+"/admin.x", kind+"/end"
			owner, stranger := messagetest.Connect(t, b), messagetest.Connect(t, b)
			var forms []string
			for _, s := range []string{
				"K/admin.x?x=1", "K/admin.x?", "K/admin.x?consumer.prefetchSize=1", "K/?x=1/admin.x", "K/admin.x,", "K/,admin.x", "K/end.x,K/admin.x",
				"K/admin.x ", "K/ admin.x", "K/admin.x\t", "K/\tadmin.x", "K/admin.x\n", "K/\nadmin.x", "K/admin.x\r", "K/admin.x\x01", "K/\x7fadmin.x",
				" K/admin.x", "\tK/admin.x", "\nK/admin.x", "/ K/admin.x", "K /admin.x", "K/admin .x", "K/admin.x\u00a0", "K/\u2003admin.x", "K/\ufeffadmin.x",
				"K/admin/x", "K/admin.x.", "K/.admin.x", "K/admin..x", "K//admin.x", "/K/admin.x", "K/admin.x/", "K/ADMIN.x", "K/admin.x;", "K/admin.x;a=b",
				"K/admin.x#a", "K/admin.x&a=b", "K/%61dmin.x", "K/admin%2Ex", "K/admin%2ex", "K/KK://admin.x", "K/queue://admin.x", "K/topic://admin.x",
				"K/composite://admin.x", "KK://admin.x", "KK:admin.x", "KK/admin.x", "K/admin.x\\", "K/\"admin.x\"", "K/VirtualTopic.admin.x",
			} {
				forms = append(forms, strings.ReplaceAll(strings.ReplaceAll(s, "KK", kind[1:]), "K", kind))
			}
			sub := owner.Subscribe(admin)
			forms = slices.DeleteFunc(forms, func(s string) bool { return stranger.Try(message.Raw{Destination: s, Payload: []byte(s)}) != nil })
			if len(forms) == 0 {
				t.Error("void: all are refused")
			}
			stranger.Send(admin, "the end")
			for m := owner.Next(t); string(m.Payload) != "the end"; m = owner.Next(t) {
				t.Errorf("what is sent to %q comes to %s", m.Payload, admin)
			}
			owner.Unsubscribe(sub)
			reads := map[string]string{stranger.Subscribe(end): end}
			for _, s := range forms {
				id, err := stranger.TrySubscribe(s)
				if err != nil {
					t.Errorf("%q is refused to subscribers alone: %v", s, err)
				}
				reads[id] = s
			}
			owner.Send(admin, "for the owner")
			owner.Send(end, "the end")
			for m := stranger.Next(t); string(m.Payload) != "the end"; m = stranger.Next(t) {
				if string(m.Payload) == "for the owner" {
					t.Errorf("who subscribes to %q reads what is for %s", reads[m.Subscription], admin)
				}
			}
		})
	}
}

// Where clients may say how queues are made, those of users stay their own, and nobody asks
// for more deliveries than he may.
func TestQueueHeaders(t *testing.T) {
	bubble(t, relay.Config{QueueHeaders: true, Prefetch: 10}, func(s *site) {
		c := s.connect()
		header := []message.Field{{Name: "durable", Value: "true"}, {Name: "exclusive", Value: "false"}, {Name: "prefetch-count", Value: "0"}, {Name: "ack", Value: "client"}}
		c.Subscribe("/queue/a", header...)
		c.Subscribe("/user/queue/a", append(header, message.Field{Name: "prefetch-count", Value: "7"})...)
		c.Subscribe("/queue/b", message.Field{Name: "prefetch-count", Value: "7"}, message.Field{Name: "ack", Value: "client"})
		for i, want := range []struct{ durable, exclusive, prefetch string }{{"true", "false", "10"}, {"false", "true", "10"}, {"", "", "7"}} {
			h := s.fake.peer(1).got(frame.Subscribe)[i].Header
			if h.Get("durable") != want.durable || h.Get("exclusive") != want.exclusive || h.Get("prefetch-count") != want.prefetch || strings.Count(fmt.Sprint(h), "{durable ") > 1 {
				t.Errorf("%d: asked for %v", i, h)
			}
		}
	})
}

// What a client sends to a user goes over its own connection, in its order and in its
// transactions, and is confirmed when all sessions of the user can have it.
func TestClientsSendToUsers(t *testing.T) {
	bubble(t, relay.Config{}, func(s *site) {
		bob := s.connect(messagetest.User("bob"))
		s.connect(messagetest.User("ada"))
		s.connect(messagetest.User("ada"))
		s.fake.set(func(b *fake) { b.answer = func(*peer, frame.Frame) {} })
		done := s.do(message.Raw{Session: bob.Session(), Destination: "/user/ada/queue/a", Payload: []byte("x")})
		own := s.do(message.Raw{Session: bob.Session(), Destination: "/queue/a", Payload: []byte("y")})
		s.want("nothing is confirmed", done, errPending)
		p := s.fake.peer(1)
		if got := p.bodies(); got != "x x y" {
			t.Fatalf("sent %q over the client's connection", got)
		}
		p.confirm(p.got(frame.Send)[0])
		s.want("one of two is confirmed", done, errPending)
		p.confirm(p.got(frame.Send)[1])
		s.want("both are confirmed", done, nil)
		s.want("the next one", own, errPending)
		fromApplication := s.do(text("/user/ada/queue/a", "z"))
		synctest.Wait()
		first := s.fake.peer(0)
		first.confirm(first.got(frame.Send)[0])
		s.want("one of two of the application's", fromApplication, errPending)
	})
}
