package destination_test

import "strings"

// trie is the yardstick for Index: a trie as one writes it by hand, a map per
// segment, no concurrency, no variables, no removing.
type trie struct {
	children map[string]*trie
	star     *trie
	deep     *trie
	values   []int
}

func (t *trie) add(pattern string, v int) {
	for segment := range strings.SplitSeq(pattern, "/") {
		t = t.child(segment)
	}
	t.values = append(t.values, v)
}

func (t *trie) child(segment string) *trie {
	switch segment {
	case "*":
		if t.star == nil {
			t.star = new(trie)
		}
		return t.star
	case "**":
		if t.deep == nil {
			t.deep = new(trie)
		}
		return t.deep
	}
	if t.children == nil {
		t.children = make(map[string]*trie)
	}
	if t.children[segment] == nil {
		t.children[segment] = new(trie)
	}
	return t.children[segment]
}

// match calls yield for each value whose pattern matches the segments of rest; done
// says that there are none.
func (t *trie) match(rest string, done bool, yield func(int)) {
	if t.deep != nil {
		for _, v := range t.deep.values {
			yield(v)
		}
		if t.deep.children != nil || t.deep.star != nil {
			for from, end := rest, done; !end; {
				t.deep.step(from, yield)
				_, after, more := strings.Cut(from, "/")
				from, end = after, !more
			}
		}
	}
	if !done {
		t.step(rest, yield)
		return
	}
	for _, v := range t.values {
		yield(v)
	}
}

func (t *trie) step(rest string, yield func(int)) {
	segment, rest, more := strings.Cut(rest, "/")
	if c := t.children[segment]; c != nil {
		c.match(rest, !more, yield)
	}
	if t.star != nil {
		t.star.match(rest, !more, yield)
	}
}
