package broker

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestRecords holds the ring against a slice.
func TestRecords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var rs records
		var want []int
		next := 0
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				for range rapid.IntRange(1, 20).Draw(t, "n") {
					next++
					rs.push(record{size: next})
					want = append(want, next)
				}
			},
			"pop": func(t *rapid.T) {
				for range min(len(want), rapid.IntRange(1, 20).Draw(t, "n")) {
					if got := rs.pop(); got != want[0] {
						t.Fatalf("popped %d, want %d", got, want[0])
					}
					want = want[1:]
				}
			},
			"": func(t *rapid.T) {
				got := []int{}
				for i := range rs.n {
					got = append(got, rs.at(i).size)
				}
				if !slices.Equal(got, want) && len(want) > 0 || rs.n != len(want) {
					t.Fatalf("holds %v, want %v", got, want)
				}
				if places := len(rs.ring); places > max(4, 4*rs.n) {
					t.Fatalf("%d places for %d records", places, rs.n)
				}
				used := 0
				for i := range rs.ring {
					if rs.ring[i].size != 0 {
						used++
					}
				}
				if used != rs.n {
					t.Fatalf("%d of %d places are not cleared", used-rs.n, len(rs.ring))
				}
			},
		})
	})
}
