package relay_test

import (
	"fmt"
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
	} {
		bubble(t, relay.Config{Dialect: tt.dialect}, func(s *site) {
			c := s.connect(messagetest.User("ada"))
			var header []message.Field
			if tt.header != "" {
				header = append(header, message.Field{Name: tt.header, Value: "true"})
			}
			_, err := c.TrySubscribe(tt.destination, header...)
			if told := message.Public(err); told == nil || told.Code != tt.code {
				t.Errorf("%s %s: subscribed: %v", tt.destination, tt.header, err)
			}
			if tt.header != "" {
				err = s.do(message.Raw{Session: c.Session(), Destination: "/queue/a", Header: message.NewHeader(header...)})()
				if told := message.Public(err); told == nil || told.Code != tt.code {
					t.Errorf("sent with %s: %v", tt.header, err)
				}
			}
			if p := s.fake.peer(1); len(p.got(frame.Subscribe))+len(p.got(frame.Send)) > 0 {
				t.Errorf("%s %s: the broker was asked", tt.destination, tt.header)
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
