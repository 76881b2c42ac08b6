package headrace_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
)

// Who sends a request's header octet by octet is not waited for, unless the
// server's owner says so.
func TestSec_S47_HeaderTimeout(t *testing.T) {
	for _, tt := range []struct{ header, read, want time.Duration }{
		{0, 0, 5 * time.Second},
		{time.Second, 0, time.Second},
		{0, time.Minute, 0},
		{-1, 0, -1},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		server := &http.Server{Addr: "127.0.0.1:0", ReadHeaderTimeout: tt.header, ReadTimeout: tt.read}
		serving := time.Duration(-2)
		server.BaseContext = func(net.Listener) context.Context {
			serving = server.ReadHeaderTimeout
			cancel()
			return context.Background()
		}
		if err := headrace.New(headrace.Config{}).Serve(ctx, server); err != nil {
			t.Error(err)
		}
		if serving != tt.want {
			t.Errorf("header %v, read %v: %v, want %v", tt.header, tt.read, serving, tt.want)
		}
		cancel()
	}
}

// What a session subscribed to ends by its own word, or with it: not by that of
// another session, be it one of the same user, with an id that both have or one
// that only the other has.
func TestSec_S21_SubscriptionsOfOthers(t *testing.T) {
	s := serve(t, setup{stomp: withUsers()})
	victim := s.connectAs("kim")
	victim.subscribe("both", "/user/queue/mine")
	victim.subscribe("topic", "/topic/a")
	victim.subscribe("alone", "/user/queue/other")
	arrives := func(after string) {
		t.Helper()
		for dest, subscription := range map[string]string{"/user/kim/queue/mine": "both", "/topic/a": "topic", "/user/kim/queue/other": "alone"} {
			victim.send(sendFrame(dest, "", after))
			victim.wantMessage(subscription, after)
		}
		victim.sync() // and nothing twice
	}
	for _, user := range []string{"mallory", "kim", ""} {
		other := s.connectAs(user)
		other.subscribe("both", "/user/queue/unrelated")
		other.subscribe("topic", "/topic/unrelated")
		other.send("UNSUBSCRIBE\nid:both\nreceipt:1\n\n\x00", "UNSUBSCRIBE\nid:topic\nreceipt:2\n\n\x00")
		other.wantReceipt("1")
		other.wantReceipt("2")
		arrives("unsubscribed by " + user)
		other.send("UNSUBSCRIBE\nid:alone\nreceipt:3\n\n\x00")
		if f := other.want("ERROR"); f.header["code"] != string(message.CodeNotFound) {
			t.Errorf("a subscription that it has not: %v", f)
		}
		other.wantClosed()
		arrives("left by " + user)
	}
}

// Who resumes a subscription makes one: what may not be subscribed to may not be resumed,
// by whoever knows the place of somebody else, and there is no session to go on with.
func TestSec_S24_ResumptionIsASubscription(t *testing.T) {
	s := serve(t, setup{
		stomp: withUsers(),
		node:  headrace.Config{Rules: []broker.Rule{{History: broker.History{Messages: 10}}}},
		wire: func(n *headrace.Node) {
			n.Inbound.Intercept(at(func(m message.Raw) bool {
				return m.Kind == message.KindSubscribe && m.Destination == "/topic/of.kim" && m.Session.User().Name() != "kim"
			}, func() error { return message.Errorf(message.CodeDenied, "this is kim's") }))
		},
	})
	kim := s.dialAs("kim")
	session := kim.login()
	kim.subscribe("1", "/topic/of.kim")
	kim.subscribe("2", "/user/queue/mine")
	kim.send(sendFrame("/topic/of.kim", "", "first"))
	place := kim.wantMessage("1", "first").header
	kim.send(sendFrame("/topic/of.kim", "", "second"), sendFrame("/user/kim/queue/mine", "", "own"))
	kim.wantMessage("1", "second")
	kim.wantMessage("2", "own")
	resume := func(dest string) string {
		return fmt.Sprintf("SUBSCRIBE\nid:1\ndestination:%s\nhr-epoch:%s\nhr-offset:%s\nreceipt:r\n\n\x00", dest, place["hr-epoch"], place["hr-offset"])
	}
	for _, dest := range []string{"/topic/of.kim", "/user/queue/mine", "/topic/other"} {
		mallory := s.dialAs("mallory")
		mallory.send("CONNECT\naccept-version:1.2\nhost:h\nsession:" + session + "\nsession-id:" + session + "\n\n\x00")
		if f := mallory.want("CONNECTED"); f.header["session"] == session || f.header["user-name"] != "mallory" {
			t.Fatalf("%v goes on with kim's session", f)
		}
		mallory.send(resume(dest))
		if dest == "/topic/of.kim" {
			mallory.wantError("this is kim's")
			continue
		}
		if f := mallory.wantMessage("1", ""); f.header["hr-recovered"] != "false" {
			t.Errorf("%s: %v", dest, f)
		}
		mallory.wantReceipt("r")
		mallory.sync()
	}
	again := s.connectAs("kim")
	again.send(resume("/topic/of.kim"))
	if f := again.wantMessage("1", ""); f.header["hr-recovered"] != "true" {
		t.Errorf("kim herself: %v", f)
	}
	again.wantMessage("1", "second")
	again.wantReceipt("r")
}
