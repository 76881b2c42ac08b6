package destination_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
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
// The numbers in the names are the subscriptions and the destinations that are looked up in
// turn: 5,000 are more than the caches hold.
func BenchmarkIndexRatio(b *testing.B) {
	for _, shape := range shapes {
		for _, c := range []struct{ subscriptions, looked int }{{10, 1}, {1_000, 50}, {100_000, 100}, {100_000, 5_000}} {
			b.Run(fmt.Sprintf("%s/%d/%d", shape.name, c.subscriptions, c.looked), func(b *testing.B) {
				patterns, dests := workload(c.subscriptions, shape.deep)
				dests = dests[:c.looked]
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
				change := shape.changes(b, n)
				b.ResetTimer()
				change(b.N)
			})
		}
	}
}

// BenchmarkIndexChangeRatio reports the time of Add and Remove at 100,000 entries over
// that at 10. Where the oldest entries go, most of the difference is that the caches
// hold all of 10 entries and little of 100,000.
func BenchmarkIndexChangeRatio(b *testing.B) {
	for _, shape := range changeShapes {
		b.Run(shape.name, func(b *testing.B) {
			many, few := shape.changes(b, 100_000), shape.changes(b, 10)
			for b.Loop() {
				reportRatio(b, func() { many(20_000) }, func() { few(20_000) })
			}
		})
	}
}

type changeShape struct {
	name    string
	pattern func(i int) string
	old     bool // the entry that is removed is the oldest, not one of the latest
}

var changeShapes = []changeShape{
	{"distinct", func(i int) string { return fmt.Sprintf("/topic/price/%d", i) }, false},
	{"distinct-oldest", func(i int) string { return fmt.Sprintf("/topic/price/%d", i) }, true},
	{"one-destination", func(int) string { return "/topic/price" }, false},
	{"one-destination-oldest", func(int) string { return "/topic/price" }, true},
	{"shared-prefix", func(i int) string { return fmt.Sprintf("/topic/%d/*", i) }, false},
	{"shared-prefix-oldest", func(i int) string { return fmt.Sprintf("/topic/%d/*", i) }, true},
}

// changes fills an index with n entries and makes a function that adds and removes one
// many times.
func (s changeShape) changes(tb testing.TB, n int) func(times int) {
	turning, fresh := min(10, n), 64 // entries that come and go, patterns they come with
	if s.old {
		turning, fresh = n, n
	}
	ix := destination.NewIndex[int](destination.Slash)
	patterns := make([]destination.Pattern, n+fresh)
	for i := range patterns {
		patterns[i] = parse(tb, s.pattern(i))
	}
	entries := make([]*destination.Entry[int], n)
	for i := range entries {
		entries[i] = ix.Add(patterns[i], i)
	}
	coming := patterns[n:]
	if s.old {
		coming = append(slices.Clone(coming), patterns[:n]...) // what went comes back a turn later
	}
	next := 0
	return func(times int) {
		for range times {
			i := next % turning
			ix.Remove(entries[i])
			entries[i] = ix.Add(coming[next%len(coming)], i)
			next++
		}
	}
}

// BenchmarkIndexFirstMatch reports the first look-up in an index that has just been
// filled: the median, the quartiles and the slowest of many such indexes.
func BenchmarkIndexFirstMatch(b *testing.B) {
	patterns, dests := workload(100_000, "/topic/**/stock-%d/last")
	parsed := make([]destination.Pattern, len(patterns))
	for i, p := range patterns {
		parsed[i] = parse(b, p)
	}
	var all []float64
	for b.Loop() {
		for i := range 15 {
			ix := destination.NewIndex[int](destination.Slash)
			for i, p := range parsed {
				ix.Add(p, i)
			}
			runtime.GC()
			all = append(all, float64(timed(func() {
				for range ix.Match(dests[i]) {
				}
			})))
		}
	}
	reportQuartiles(b, all)
	b.ReportMetric(slices.Max(all), "slowest")
}

// BenchmarkRoutingRatio reports the time of routing among 1,000 routes over that among 10:
// look-up, choice of the most specific route and capture of its variables.
func BenchmarkRoutingRatio(b *testing.B) {
	many, few := routing(b, 1_000), routing(b, 10)
	for b.Loop() {
		reportRatio(b, func() { many(100_000) }, func() { few(100_000) })
	}
}

func routing(tb testing.TB, n int) func(times int) {
	ix := destination.NewIndex[destination.Pattern](destination.Slash)
	dests := make([]string, n)
	for i := range n {
		for _, text := range []string{"/trade%d/{symbol}", "/trade%d/**"} {
			p := parse(tb, fmt.Sprintf(text, i))
			ix.Add(p, p)
		}
		dests[i] = fmt.Sprintf("/trade%d/ibm", i)
	}
	return func(times int) {
		for i := range times {
			var best destination.Pattern
			for p := range ix.Match(dests[i%10*(n/10)]) {
				if best.Exact() || destination.Compare(p, best) < 0 {
					best = p
				}
			}
			if vars, _ := best.Capture(dests[i%10*(n/10)]); len(vars) != 1 {
				tb.Fatal(best)
			}
		}
	}
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
	reportQuartiles(b, ratios)
}

func reportQuartiles(b *testing.B, figures []float64) {
	slices.Sort(figures)
	n := len(figures)
	b.ReportMetric(figures[n/4], "q1")
	b.ReportMetric(figures[n/2], "median")
	b.ReportMetric(figures[3*n/4], "q3")
}

func timed(f func()) time.Duration {
	start := time.Now()
	f()
	return time.Since(start)
}
