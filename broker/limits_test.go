package broker_test

import (
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
