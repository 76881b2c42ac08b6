package broker

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// FuzzNotice: whatever other nodes say, what is taken of it is what they said.
func FuzzNotice(f *testing.F) {
	for _, n := range []notice{
		{kind: noticeDelta, life: "l", number: 1 << 63, part: 7, more: true, gone: []string{"x", ""}},
		{kind: noticeSnapshot, life: "l", sessions: []remote{{id: "1", user: "\xff", subscriptions: []held{{"s", "/topic/a"}, {}}}, {id: "2"}}},
		{kind: noticeAsk, life: "l", subject: "b"},
		{kind: noticeLeave, life: "l"},
		{kind: noticeClose, life: "l", subject: "s", code: "denied", reason: "out"},
	} {
		f.Add(n.append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := parseNotice(b)
		if err != nil {
			return
		}
		again, err := parseNotice(n.append(nil))
		if err != nil || !reflect.DeepEqual(n, again) {
			t.Fatalf("%+v was read, then %+v, %v", n, again, err)
		}
	})
}

// TestNoticeParts: a notice in parts says what it said whole, whatever its size, and no
// part is much larger than it may be.
func TestNoticeParts(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		text := func(what string) string {
			return strings.Repeat("x", rapid.SampledFrom([]int{1, 5, 300, nameLimit / 2, nameLimit - 200}).Draw(rt, what))
		}
		n := notice{kind: noticeDelta, life: "l", number: 3}
		for i := range rapid.IntRange(0, 12).Draw(rt, "sessions") {
			s := remote{id: fmt.Sprint(i, "-"), user: text("user")}
			for j := range rapid.IntRange(0, 12).Draw(rt, "subscriptions") {
				s.subscriptions = append(s.subscriptions, held{fmt.Sprint(j), text("destination")})
			}
			n.sessions = append(n.sessions, s)
		}
		for i := range rapid.IntRange(0, 12).Draw(rt, "gone") {
			n.gone = append(n.gone, fmt.Sprint(i)+text("id"))
		}
		c := &cluster{gathered: map[string]*gathered{}}
		c.tells.init()
		c.tells.want = map[string]struct{}{}
		var whole *notice
		for i, part := range n.parts() {
			b := part.append(nil)
			if len(b) > noticePart+nameLimit {
				rt.Fatalf("a part of %d bytes", len(b))
			}
			read, err := parseNotice(b)
			if err != nil || whole != nil || read.part != uint64(i) {
				rt.Fatalf("part %d: %v, whole before: %v", i, err, whole != nil)
			}
			whole = c.gather("b", &read)
		}
		if whole == nil || len(c.gathered) != 0 || len(c.tells.want) != 0 {
			rt.Fatal("something is missing")
		}
		got := &peer{sessions: map[string]*remote{}, users: map[string][]*remote{}}
		got.take(whole)
		if len(got.sessions) != len(n.sessions) || !reflect.DeepEqual(whole.gone, n.gone) {
			rt.Fatalf("%d sessions, want %d", len(got.sessions), len(n.sessions))
		}
		for _, s := range n.sessions {
			if !reflect.DeepEqual(*got.sessions[s.id], s) {
				rt.Fatalf("%.300v, want %.300v", *got.sessions[s.id], s)
			}
		}
	})
}

// TestNoticePartsInDisorder: of parts that are not all there, or not in a row, nothing is
// taken, and the node is asked for all.
func TestNoticePartsInDisorder(t *testing.T) {
	part := func(life string, number, part uint64, more bool) *notice {
		return &notice{kind: noticeSnapshot, life: life, number: number, part: part, more: more}
	}
	for name, parts := range map[string][]*notice{
		"no beginning":      {part("l", 1, 1, false)},
		"a hole":            {part("l", 1, 0, true), part("l", 1, 2, false)},
		"another number":    {part("l", 1, 0, true), part("l", 2, 1, false)},
		"another life":      {part("l", 1, 0, true), part("m", 1, 1, false)},
		"twice":             {part("l", 1, 0, true), part("l", 1, 1, true), part("l", 1, 1, false)},
		"after its end":     {part("l", 1, 0, true), part("l", 1, 1, false), part("l", 1, 2, false)},
		"without an end":    append([]*notice{part("l", 1, 0, true)}, endless(part)...),
		"of another notice": {part("l", 1, 0, true), {kind: noticeDelta, life: "l", number: 1, part: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			c := &cluster{gathered: map[string]*gathered{}}
			c.tells.init()
			c.tells.want = map[string]struct{}{}
			var last *notice
			for _, p := range parts {
				last = c.gather("b", p)
			}
			if _, asked := c.tells.want["b"]; last != nil || !asked || len(c.gathered) != 0 {
				t.Errorf("taken: %v, asked: %v, %d kept", last != nil, asked, len(c.gathered))
			}
		})
	}
}

func endless(part func(string, uint64, uint64, bool) *notice) (all []*notice) {
	for i := range maxParts {
		all = append(all, part("l", 1, uint64(i+1), true))
	}
	return all
}

// TestNoticeLargeNames: what does not fit in a message is not told, and the rest is.
func TestNoticeLargeNames(t *testing.T) {
	large := strings.Repeat("x", nameLimit)
	n := notice{sessions: []remote{
		{id: "1", user: large}, {id: "2", subscriptions: []held{{"a", large}, {"b", "/topic/b"}}},
	}}
	parts := n.parts()
	want := []remote{{id: "2", subscriptions: []held{{"b", "/topic/b"}}}}
	if len(parts) != 1 || !reflect.DeepEqual(parts[0].sessions, want) {
		t.Errorf("told %.200v", parts)
	}
}
