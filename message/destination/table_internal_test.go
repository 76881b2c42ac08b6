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
		for i := range uint64(500) {
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
