package broker_test

import (
	"fmt"
	"testing"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
)

// A session has so many subscriptions and no more, and any number of those that came and
// went, each to a destination of its own, leaves nothing.
func TestSec_S36_Subscriptions(t *testing.T) {
	pairs := 100_000
	if raceEnabled {
		pairs /= 10
	}
	rules := []broker.Rule{
		{Prefix: "/queue", Mode: broker.Queue},
		{Prefix: "/history", History: broker.History{Messages: 10}},
		{Prefix: "/retain", Retain: true},
	}
	b, users := broker.NewMemory(outbound, broker.Config{Rules: rules}), broker.NewUsers(outbound, broker.UsersConfig{})
	defer b.Close()
	defer users.Stop()
	ack := message.Field{Name: message.HeaderAckMode, Value: "client"}
	resume := message.Field{Name: message.HeaderOffset, Value: "0"}
	for _, tc := range []struct {
		name, dest string
		to         message.RawHandler
		header     []message.Field
	}{
		{"topic", "/topic/%d", b, nil},
		{"pattern", "/topic/%d/**", b, nil},
		{"topic that is acknowledged", "/topic/%d", b, []message.Field{ack}},
		{"queue", "/queue/%d", b, nil},
		{"queue that is acknowledged", "/queue/%d", b, []message.Field{ack}},
		{"history", "/history/%d", b, nil},
		{"history that is acknowledged", "/history/%d", b, []message.Field{ack}},
		{"history that is resumed", "/history/%d", b, []message.Field{resume}},
		{"retained message", "/retain/%d", b, nil},
		{"user's", "/user/queue/%d", users, nil},
		{"user's that is acknowledged", "/user/queue/%d", users, []message.Field{ack}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := ops{t, tc.to}
			c := newClient("kim")
			o.connect(c)
			h := message.NewHeader(tc.header...)
			subscribe := func(i int) error {
				return o.do(message.Raw{Kind: message.KindSubscribe, Session: c.Session, Subscription: fmt.Sprint(i), Destination: fmt.Sprintf(tc.dest, i), Header: h})
			}
			come := func(from, to int) {
				for i := from; i < to; i++ {
					o.must(subscribe(i))
					o.must(o.unsubscribe(c, fmt.Sprint(i)))
					c.got, c.all = nil, nil
				}
			}
			come(0, 2000)
			before := heap()
			come(2000, 2000+pairs)
			if grown := heap() - before; grown > 768<<10 {
				t.Errorf("%d bytes are left of %d subscriptions", grown, pairs)
			}
			if s := b.Stats(); s.Topics > 1024 || s.Queues != 0 || s.Bytes != 0 || users.Stats().Queues != 0 {
				t.Errorf("left behind: %+v", s)
			}
			for i := range 128 {
				o.must(subscribe(i))
			}
			wantCode(t, subscribe(128), message.CodeFull)
			o.must(o.disconnect(c))
		})
	}
}

// Of a history a session gets what is its destination's: the place of somebody else, in
// another or in the same one, opens nothing. What users are sent is not kept at all.
func TestSec_S24_PlacesOfOthers(t *testing.T) {
	withRules(t, []broker.Rule{{History: broker.History{Messages: 10}}}, func(t *testing.T, o ops, b *broker.Memory) {
		kim, mallory := o.newClient(), o.newClient()
		o.must(o.subscribe(kim, "1", "/topic/kim"))
		o.sendAll("/topic/kim", "seen", "secret")
		o.sendAll("/topic/other", "public", "public")
		epoch := kim.last(t).epoch
		for _, dest := range []string{"/topic/other", "/topic/*", "/**", "/topic/kim/", "/topic/nobody"} {
			o.must(o.resume(mallory, dest, position{epoch, "1"}))
			if got := mallory.recovered(t); got != "false" {
				t.Errorf("%s: recovered %q with the place of another", dest, got)
			}
			wantGot(t, mallory)
			o.must(o.unsubscribe(mallory, "1"))
		}
	})
	u := broker.NewUsers(outbound, broker.UsersConfig{})
	defer u.Stop()
	o := ops{t, u}
	kim, again := newClient("kim"), newClient("kim")
	o.connect(kim)
	o.must(o.subscribe(kim, "1", "/user/queue/x"))
	o.must(o.send("/user/kim/queue/x", "secret"))
	if h := kim.got[0].Header; h.Get(message.HeaderEpoch)+h.Get(message.HeaderOffset) != "" {
		t.Errorf("a place in %v", h)
	}
	o.connect(again)
	o.must(o.resume(again, "/user/queue/x", position{"", "0"}))
	if n := len(again.got); n != 1 || again.got[0].Header.Get(message.HeaderRecovered) != "false" || len(again.got[0].Payload) > 0 {
		t.Errorf("%d messages, the first is %v", n, again.got[0])
	}
}
