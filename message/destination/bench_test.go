package destination_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/headrace/headrace/message/destination"
)

var sizes = []int{10, 1_000, 100_000}

// workload returns n patterns, 90% exact, 5% with "*" and 5% with "**", and
// destinations that match one of each.
func workload(n int, deep string) (patterns, dests []string) {
	special := max(1, n/20)
	for i := range n - 2*special {
		patterns = append(patterns, fmt.Sprintf("/topic/price/stock-%d/last", i))
	}
	for i := range special {
		patterns = append(patterns, fmt.Sprintf("/topic/*/stock-%d/last", i), fmt.Sprintf(deep, i))
		dests = append(dests, fmt.Sprintf("/topic/price/stock-%d/last", i))
	}
	rand.Shuffle(len(patterns), func(i, j int) { patterns[i], patterns[j] = patterns[j], patterns[i] })
	rand.Shuffle(len(dests), func(i, j int) { dests[i], dests[j] = dests[j], dests[i] })
	return patterns, dests
}

var shapes = []struct{ name, deep string }{
	{"tail", "/topic/price/stock-%d/**"},
	{"inner", "/topic/**/stock-%d/last"},
}

func parse(tb testing.TB, text string) destination.Pattern {
	tb.Helper()
	p, err := destination.Parse(text, destination.Slash)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// lookUps makes a function that looks up the destinations in turn, n times, and
// returns how many values it met.
func indexLookUps(tb testing.TB, patterns, dests []string) func(n int) int {
	ix := destination.NewIndex[int](destination.Slash)
	for i, p := range patterns {
		ix.Add(parse(tb, p), i)
	}
	return func(n int) (met int) {
		for i := range n {
			for range ix.Match(dests[i%len(dests)]) {
				met++
			}
		}
		return met
	}
}

func trieLookUps(patterns, dests []string) func(n int) int {
	t := new(trie)
	for i, p := range patterns {
		t.add(p, i)
	}
	return func(n int) (met int) {
		for i := range n {
			t.match(dests[i%len(dests)], false, func(int) { met++ })
		}
		return met
	}
}

func BenchmarkIndexMatch(b *testing.B) {
	for _, shape := range shapes {
		for _, n := range sizes {
			patterns, dests := workload(n, shape.deep)
			b.Run(fmt.Sprintf("%s/trie/%d", shape.name, n), func(b *testing.B) {
				b.ReportAllocs()
				run := trieLookUps(patterns, dests)
				b.ResetTimer()
				if met := run(b.N); met != 3*b.N {
					b.Fatalf("met %d values in %d look-ups", met, b.N)
				}
			})
			b.Run(fmt.Sprintf("%s/index/%d", shape.name, n), func(b *testing.B) {
				b.ReportAllocs()
				run := indexLookUps(b, patterns, dests)
				b.ResetTimer()
				if met := run(b.N); met != 3*b.N {
					b.Fatalf("met %d values in %d look-ups", met, b.N)
				}
			})
		}
	}
}

// BenchmarkIndexRatio reports the time of a look-up over that of the hand-made trie:
// the median and the quartiles of interleaved pairs.
// Of 100,000 subscriptions it looks up 5,000 destinations in turn, which are more than
// the caches hold, and the same few.
func BenchmarkIndexRatio(b *testing.B) {
	for _, shape := range shapes {
		for _, n := range append(sizes, -100_000) {
			b.Run(fmt.Sprintf("%s/%d", shape.name, n), func(b *testing.B) {
				patterns, dests := workload(max(n, -n), shape.deep)
				if n < 0 {
					dests = dests[:100]
				}
				index, trie := indexLookUps(b, patterns, dests), trieLookUps(patterns, dests)
				for b.Loop() {
					reportRatio(b, func() { index(50_000) }, func() { trie(50_000) })
				}
			})
		}
	}
}

// BenchmarkIndexChange is one Add and one Remove in an index of n entries.
func BenchmarkIndexChange(b *testing.B) {
	for _, shape := range changeShapes {
		for _, n := range []int{10, 100_000} {
			b.Run(fmt.Sprintf("%s/%d", shape.name, n), func(b *testing.B) {
				b.ReportAllocs()
				change := changes(b, shape.pattern, n)
				b.ResetTimer()
				change(b.N)
			})
		}
	}
}

// BenchmarkIndexChangeRatio reports the time of Add and Remove at 100,000 entries over
// that at 10.
func BenchmarkIndexChangeRatio(b *testing.B) {
	for _, shape := range changeShapes {
		b.Run(shape.name, func(b *testing.B) {
			many, few := changes(b, shape.pattern, 100_000), changes(b, shape.pattern, 10)
			for b.Loop() {
				reportRatio(b, func() { many(20_000) }, func() { few(20_000) })
			}
		})
	}
}

var changeShapes = []struct {
	name    string
	pattern func(i int) string
}{
	{"distinct", func(i int) string { return fmt.Sprintf("/topic/price/%d", i) }},
	{"one-destination", func(int) string { return "/topic/price" }},
	{"shared-prefix", func(i int) string { return fmt.Sprintf("/topic/%d/*", i) }},
}

// changes fills an index with n entries and makes a function that replaces entries, the
// oldest first: as many Adds as Removes.
func changes(tb testing.TB, pattern func(i int) string, n int) func(times int) {
	ix := destination.NewIndex[int](destination.Slash)
	patterns, entries := make([]destination.Pattern, 2*n), make([]*destination.Entry[int], n)
	for i := range patterns {
		patterns[i] = parse(tb, pattern(i))
	}
	for i := range entries {
		entries[i] = ix.Add(patterns[i], i)
	}
	next := n
	return func(times int) {
		for range times {
			i := next % n
			ix.Remove(entries[i])
			entries[i] = ix.Add(patterns[next%(2*n)], i)
			next++
		}
	}
}

// BenchmarkIndexFirstMatch reports the slowest of the first look-ups of an index that has
// just been filled.
func BenchmarkIndexFirstMatch(b *testing.B) {
	patterns, dests := workload(100_000, "/topic/**/stock-%d/last")
	parsed := make([]destination.Pattern, len(patterns))
	for i, p := range patterns {
		parsed[i] = parse(b, p)
	}
	var all []time.Duration
	for b.Loop() {
		ix := destination.NewIndex[int](destination.Slash)
		for i, p := range parsed {
			ix.Add(p, i)
		}
		for _, dest := range dests[:20] {
			all = append(all, timed(func() {
				for range ix.Match(dest) {
				}
			}))
		}
	}
	slices.Sort(all)
	b.ReportMetric(float64(all[len(all)/2]), "median-ns")
	b.ReportMetric(float64(all[len(all)-1]), "slowest-ns")
}

func BenchmarkMatch(b *testing.B) {
	for _, pattern := range []string{
		"/topic/price/stock-1/last", "/topic/*/stock-1/last", "/topic/**/last", "/topic/{kind}/{name}/last", "/topic/*/stock-*/l?st", "/topic/*/{name:[a-z]+-1}/last",
	} {
		p := parse(b, pattern)
		b.Run(pattern[1:], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.Match("/topic/price/stock-1/last")
			}
		})
	}
}

func reportRatio(b *testing.B, subject, anchor func()) {
	subject()
	anchor()
	var ratios []float64
	for range 15 {
		ratios = append(ratios, float64(timed(subject))/float64(timed(anchor)))
	}
	slices.Sort(ratios)
	b.ReportMetric(ratios[3], "q1")
	b.ReportMetric(ratios[7], "median")
	b.ReportMetric(ratios[11], "q3")
}

func timed(f func()) time.Duration {
	start := time.Now()
	f()
	return time.Since(start)
}
