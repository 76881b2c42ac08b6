package destination

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestTableWithPoorSums: a real hash never makes whole sums equal, so the chains that
// are for that case are tried with sums made by hand.
func TestTableWithPoorSums(t *testing.T) {
	for _, sums := range []func(i uint64) uint64{
		func(i uint64) uint64 { return 7 },
		func(i uint64) uint64 { return i % 3 },
		func(i uint64) uint64 { return i % 5 << 61 },
		func(i uint64) uint64 { return i % 9 << 6 },
		func(i uint64) uint64 { return i },
	} {
		var table table[int]
		var nodes []*node[int]
		for i := range uint64(200) {
			nodes = append(nodes, &node[int]{text: fmt.Sprint(i), sum: sums(i)})
			table.insert(nodes[i])
		}
		rand.Shuffle(len(nodes), func(i, j int) { nodes[i], nodes[j] = nodes[j], nodes[i] })
		for gone, n := range nodes {
			for i, m := range nodes {
				if got := table.find(nil, m.sum, m.text); (got == m) != (i >= gone) {
					t.Fatalf("with %d nodes removed, number %d is found as %v", gone, i, got)
				}
			}
			table.remove(n, 0)
		}
		if !table.empty() {
			t.Error("the table is not empty")
		}
	}
}

// TestOnlyChild: branch.only is set while there are no other literal children and not
// before they are all gone, which is what look-ups rely on.
func TestOnlyChild(t *testing.T) {
	var ix Index[string]
	add := func(text string) *Entry[string] { return ix.Add(MustParse(text, Slash), text) }
	only := func(want string) {
		t.Helper()
		got := ""
		if b := ix.roots[1].branch.Load(); b.only.Load() != nil {
			got = b.only.Load().text
		}
		if got != want {
			t.Errorf("the only child is %q, want %q", got, want)
		}
	}
	a := add("/a/*")
	only("a")
	b := add("/b/*")
	only("a")
	ix.Remove(a)
	only("")
	a = add("/a/*")
	only("")
	for _, want := range []string{"/a/*", "/b/*"} {
		found := false
		for v := range ix.Match(want[:2] + "/x") {
			found = v == want
		}
		if !found {
			t.Errorf("%q is not found", want)
		}
	}
	stay := add("/**")
	ix.Remove(a)
	ix.Remove(b)
	add("/c/*")
	only("c")
	ix.Remove(stay)
}
