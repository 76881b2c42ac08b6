package headrace_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
)

// stranger speaks STOMP as [small] clients do.
type stranger struct {
	*client
	queue []told
}

func (c *stranger) do(what, id, destination, payload string, header map[string]string) told {
	c.t.Helper()
	text := fmt.Sprintf("%s\ndestination:%s\nid:%s\nreceipt:%s\n", strings.ToUpper(what), destination, id, what)
	for _, name := range slices.Sorted(maps.Keys(header)) {
		text += name + ":" + header[name] + "\n"
	}
	c.send(text + "\n" + payload + "\x00")
	for {
		f, ok := c.client.next()
		if !ok {
			c.t.Fatalf("closed with %d", c.code)
		}
		if f.command != "MESSAGE" {
			return told{Type: strings.ToLower(f.command), Receipt: f.header["receipt-id"], Message: f.header["message"]}
		}
		c.queue = append(c.queue, told{Type: "message", ID: f.header["subscription"]})
	}
}

func (c *stranger) next() (m told) {
	m, c.queue = c.queue[0], c.queue[1:]
	return m
}

// forged are headers that mean something to the server's own rooms, or to servers
// of other makes.
func forged(victim string) map[string]string {
	return map[string]string{
		"hr-ack": "1", "hr-deliveries": "99", "hr-dead-from": "/topic/forged", "hr-offset": "7", "hr-epoch": "forged", "hr-recovered": "true",
		"hr-session": victim, "hr-user": "lee", "hr-destination": "/topic/forged", "hr-node": "n1", "hr-again": "1", "message-id": "forged",
		"simpSessionId": victim, "simpUser": "lee", "simpDestination": "/topic/forged", "simpMessageType": "SUBSCRIBE", "simpSubscriptionId": "own",
		"simpOrigDestination": "/topic/forged", "nativeHeaders": `{"destination"\c["/topic/forged"]}`, "lookupDestination": "/topic/forged",
		"original-destination": "/topic/forged", "x-original-destination": "/user/lee/queue/mine", "x-broadcast": "true", "ignoreError": "true",
	}
}

// plain says which headers on the way in only the server may set, and has not.
func plain(m message.Raw) (bad []string) {
	for name := range m.Header.All() {
		ours := name == message.HeaderAck && (m.Kind == message.KindAck || m.Kind == message.KindNack) ||
			m.Kind == message.KindSubscribe && message.FromClient(m.Kind, name)
		if message.Reserved(name) && !ours {
			bad = append(bad, fmt.Sprint(m.Kind, " ", name))
		}
	}
	return bad
}

// Nothing that a client writes into a header decides where its message goes, or
// makes it go twice: who it is sent to gets it once, and nobody else.
func TestSec_S11_ForgedHeaders(t *testing.T) {
	s := serveSmall(t, headrace.Config{Rules: []broker.Rule{{Prefix: "/queue", Mode: broker.Queue}}})
	secrets(s.node)
	s.node.Inbound.Intercept(func(next message.RawHandler) message.RawHandler {
		return message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
			for _, bad := range plain(m) {
				t.Error("came in:", bad)
			}
			return next.Handle(ctx, m)
		})
	})
	kim, lee := s.dialAs("kim"), s.dialAs("lee")
	kim.login()
	victim := lee.login()
	for _, c := range []*client{kim, lee} {
		c.subscribe("own", "/user/queue/mine")
		c.subscribe("all", "/topic/a")
	}
	kim.subscribe("queue", "/queue/a")
	for _, dest := range []string{"/topic/forged", "/queue/forged", "/user/queue/forged"} {
		lee.subscribe(dest, dest)
	}
	for name, sender := range map[string]small{"STOMP": &stranger{client: s.connect()}, "JSON": s.objects(), "events": s.events()} {
		t.Run(name, func(t *testing.T) {
			header := forged(victim)
			if name != "STOMP" { // whose text it is
				header["nativeHeaders"] = strings.ReplaceAll(header["nativeHeaders"], `\c`, ":")
			}
			wantDone(t, sender.do("subscribe", "mine", "/user/queue/mine", "", header))
			if m := sender.next(); m.ID != "mine" { // it has asked to resume
				t.Errorf("got %+v", m)
			}
			for dest, want := range map[string]map[*client]string{
				"/topic/a":             {kim: "all", lee: "all"},
				"/queue/a":             {kim: "queue"},
				"/user/kim/queue/mine": {kim: "own"},
				"/app/session":         {},
			} {
				wantDone(t, sender.do("send", "", dest, "x", header))
				for c, subscription := range want {
					f := c.wantMessage(subscription, "x")
					for name, value := range f.header {
						if message.Reserved(name) && header[name] == value {
							t.Errorf("%s: %s passes as %s", dest, name, value)
						}
					}
					if f.header["simpUser"] != "lee" {
						t.Errorf("%s: what is nobody's business does not pass: %v", dest, f.header)
					}
				}
				kim.sync() // nothing else
				lee.sync()
			}
			if m := sender.next(); m.ID != "mine" {
				t.Errorf("got %+v, want the answer", m)
			}
		})
	}
}
