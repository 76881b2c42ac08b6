package broker_test

import (
	"runtime"
	"strings"
	"testing"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
)

// TestMemoryBounds: nobody makes the publications of others dear, unless the
// program lets him.
func TestMemoryBounds(t *testing.T) {
	for _, tc := range []struct {
		name, dest string
		code       message.Code // "" where it is taken
		text       string
	}{
		{"some deep wildcards", "/topic/**/a/**/b/**/c", "", ""},
		{"many deep wildcards", strings.Repeat("/**/x", 40), message.CodeDenied, "costs 320, and 32 is allowed"},
		{"one more than some", "/**/a/**/b/**/c/**/d/**", message.CodeDenied, `the pattern "/**/a/**/b/**/c/**/d/**" costs 36, and 32 is allowed`},
		{"long way after a deep wildcard", "/**" + strings.Repeat("/x", 40), message.CodeDenied, "costs 164"},
		{"many wildcards in a segment", "/" + strings.Repeat("a*", 20), message.CodeDenied, "costs 40"},
		{"short expression", "/topic/{stock:(IBM|MSFT)}", "", ""},
		{"expression at every segment", "/**/{id:[0-9]+}", message.CodeDenied, "and 32 is allowed"},
		{"long expression", "/topic/{id:(a?){100}}", message.CodeDenied, "and 32 is allowed"},
		{"costs nothing", "/topic" + strings.Repeat("/x", 200), "", ""},
		{"longest", "/" + strings.Repeat("x", 1023), "", ""},
		{"too long", "/" + strings.Repeat("x", 1024), message.CodeTooLarge, "a destination may have 1024 bytes at most"},
		{"no pattern", "/topic/{", message.CodeInvalid, `bad destination "/topic/{", position 7: '{' without '}'`},
		{"beyond its group", `/topic/{x:\Qabc}`, message.CodeInvalid, "position 10: error parsing regexp"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := ops{t, broker.NewMemory(outbound, broker.Config{})}
			c := newClient("")
			o.connect(c)
			err := o.subscribe(c, "1", tc.dest)
			if tc.code == "" {
				o.must(err)
				return
			}
			wantCode(t, err, tc.code)
			if text := message.Public(err).Message; !strings.Contains(text, tc.text) {
				t.Errorf("the client reads %q, want %q", text, tc.text)
			}
			if tc.code == message.CodeInvalid {
				return
			}
			o = ops{t, broker.NewMemory(outbound, broker.Config{MaxPatternCost: -1, MaxDestination: -1})}
			o.connect(c)
			o.must(o.subscribe(c, "1", tc.dest))
		})
	}
}

func TestMemoryBoundsDestinationsOfMessages(t *testing.T) {
	o := ops{t, broker.NewMemory(outbound, broker.Config{MaxDestination: 10})}
	c := newClient("")
	o.connect(c)
	o.must(o.subscribe(c, "1", "/**"))
	wantCode(t, o.send("/topic/long", "x"), message.CodeTooLarge)
	o.must(o.send("/topic/new", "x"))
	wantLines(t, c, "1 /topic/new x")
}

// TestStoredMessagesKeepNothingElse: what a client sends comes in one piece with much that
// is not stored, nor counted; it does not stay with what is.
func TestStoredMessagesKeepNothingElse(t *testing.T) {
	const n = 500
	rules := []broker.Rule{{Prefix: "/queue", Mode: broker.Queue}, {Prefix: "/history", History: broker.History{Messages: n}}}
	b, users := broker.NewMemory(outbound, broker.Config{Rules: rules}), broker.NewUsers(outbound, broker.UsersConfig{})
	defer b.Close()
	defer users.Stop()
	for _, tc := range []struct {
		dest, listen string
		to           message.RawHandler
	}{
		{"/queue/a", "", b},
		{"/history/a", "", b},
		{"/topic/a", "/topic/a", b},
		{"/user/kim/queue/a", "/user/queue/a", users},
	} {
		t.Run(tc.dest, func(t *testing.T) {
			o := ops{t, tc.to}
			c := newClient("kim")
			o.connect(c)
			if tc.listen != "" {
				o.must(o.subscribeAs(c, "1", tc.listen, "client"))
			}
			send := func() {
				whole := tc.dest + "colorred" + strings.Repeat("x", 16<<10)
				at := len(tc.dest)
				h := message.NewHeader(message.Field{Name: whole[at : at+5], Value: whole[at+5 : at+8]})
				o.must(o.do(message.Raw{Session: c.Session, Destination: whole[:at], Header: h}))
			}
			send()
			before := heap()
			for range n {
				send()
			}
			if grown := heap() - before; grown > n*2000 {
				t.Errorf("%d messages take %d bytes", n, grown)
			}
			if want := tc.listen; want != "" && c.all[len(c.all)-1].Header.Get("color") != "red" {
				t.Errorf("delivered %v", c.all[len(c.all)-1])
			}
			runtime.KeepAlive(c)
			o.must(o.disconnect(c))
		})
	}
}
