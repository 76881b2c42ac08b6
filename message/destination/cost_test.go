package destination_test

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/headrace/headrace/message/destination"
)

func TestAllocations(t *testing.T) {
	if raceEnabled {
		t.Log("allocations are not counted under the race detector")
		return
	}
	count := func(name string, want float64, f func()) {
		t.Helper()
		if got := testing.AllocsPerRun(1_000, f); got != want {
			t.Errorf("%s: %v allocations, want %v", name, got, want)
		}
	}
	for _, c := range []struct {
		pattern, dest string
		capture       float64
	}{
		{"/topic/price/ibm", "/topic/price/ibm", 0},
		{"/topic/*/i?m/**", "/topic/price/ibm", 0},
		{"/topic/{kind}/{name:[a-z]+}", "/topic/price/ibm", 1},
		{"/**/{base}-{quote}/**", "/topic/eur-usd/x", 1},
		{"/topic/{a:[a-z]+}.{name}", "/topic/price.ibm", 2},
	} {
		p := parse(t, c.pattern)
		count("Match "+c.pattern, 0, func() { p.Match(c.dest) })
		count("Capture "+c.pattern, c.capture, func() { p.Capture(c.dest) })
		count("Value "+c.pattern, max(0, c.capture-1), func() { p.Value(c.dest, "name") })
	}
	count("Parse an exact destination", 0, func() { _, _ = destination.Parse("/topic/price/ibm", slash) })

	ix, sum := destination.NewIndex[int](slash), 0
	for i, p := range []string{"/a/b/c", "/a/*/c", "/a/**", "/**/c", "/a/{x:b+}/c", "/a/b*/{y}"} {
		ix.Add(parse(t, p), i)
	}
	count("Index.Match", 0, func() {
		for v := range ix.Match("/a/b/c") {
			sum += v
		}
	})
}

// TestIndexMemory bounds what the index adds to what an exact subscription costs beside
// its strings, which is 300 bytes at most.
func TestIndexMemory(t *testing.T) {
	if raceEnabled {
		t.Log("memory is not measured under the race detector")
		return
	}
	for _, n := range []int{1_000, 8_000, 100_000, 500_000} {
		patterns := make([]destination.Pattern, n)
		for i := range patterns {
			patterns[i] = parse(t, fmt.Sprintf("/topic/%d", i))
		}
		entries := make([]*destination.Entry[*int], n)
		before := heap()
		ix := destination.NewIndex[*int](slash)
		for i, p := range patterns {
			entries[i] = ix.Add(p, nil)
		}
		each := float64(heap()-before) / float64(n)
		t.Logf("%d exact subscriptions: %.0f bytes each", n, each)
		if each > 200 {
			t.Errorf("%d exact subscriptions: %.0f bytes each, want at most 200", n, each)
		}
		for _, e := range entries {
			ix.Remove(e)
		}
		// The entries are still held: they must not hold the index's nodes.
		if left := float64(heap()-before) / float64(n); left > 60 {
			t.Errorf("%d removed subscriptions: %.0f bytes each are left", n, left)
		}
		runtime.KeepAlive(entries)
		runtime.KeepAlive(patterns)
		runtime.KeepAlive(ix)
	}
}

// TestIndexForgets: adding and removing over and over leaves nothing behind.
func TestIndexForgets(t *testing.T) {
	var ix destination.Index[*int]
	ix.Add(parse(t, "/topic/**"), nil)
	before := heap()
	shapes := []string{"/topic/%d", "/topic/%d/*/x", "/topic/*/%d/**", "/topic/a%d*", "/topic/{x:%d}/**/y", "/%d/p*/x"}
	for i := range 100_000 {
		ix.Remove(ix.Add(parse(t, fmt.Sprintf(shapes[i%len(shapes)], i)), nil))
	}
	if grown := heap() - before; grown > 64<<10 {
		t.Errorf("100,000 pairs of Add and Remove leave %d bytes", grown)
	}
	if ix.Len() != 1 {
		t.Errorf("Len() = %d, want 1", ix.Len())
	}

	// A removed entry that someone keeps does not keep those that came after it.
	p := parse(t, "/topic")
	kept := ix.Add(p, nil)
	before = heap()
	last := ix.Add(p, nil)
	ix.Remove(kept)
	for range 100_000 {
		next := ix.Add(p, nil)
		ix.Remove(last)
		last = next
	}
	if grown := heap() - before; grown > 64<<10 {
		t.Errorf("a removed entry keeps %d bytes", grown)
	}
	runtime.KeepAlive(kept)
	runtime.KeepAlive(&ix)
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestIndexStaysFast bounds, generously, what must not grow with the index: it is to
// catch a scan or a copy of everything, not to measure. A machine that is slow takes its
// time for an index of a hundredth, too.
func TestIndexStaysFast(t *testing.T) {
	const n, limit, most = 20_000, 100 * time.Microsecond, 20
	for name, text := range map[string]string{
		"distinct": "/topic/%d", "one destination": "/topic/x", "shared prefix": "/topic/%d/*",
		"glob with its own prefix": "/topic/p%d.*", "deep": "/topic/**/%d/**",
	} {
		smallLook, smallChange := medians(t, name, text, n/100)
		look, change := medians(t, name, text, n)
		if look > max(limit, most*smallLook) {
			t.Errorf("%s: a look-up takes %v, and %v among %d", name, look, smallLook, n/100)
		}
		if change > max(limit, most*smallChange) {
			t.Errorf("%s: Add and Remove take %v, and %v among %d", name, change, smallChange, n/100)
		}
	}
}

// medians returns how long a look-up, and an Add with its Remove, take among n patterns.
func medians(t *testing.T, name, text string, n int) (look, change time.Duration) {
	var ix destination.Index[int]
	patterns := make([]destination.Pattern, n)
	for i := range patterns {
		patterns[i] = parse(t, text)
		if name != "one destination" {
			patterns[i] = parse(t, fmt.Sprintf(text, i))
		}
		ix.Add(patterns[i], i)
	}
	var looks, changes []time.Duration
	for i := range 1_001 {
		changes = append(changes, timed(func() { ix.Remove(ix.Add(patterns[i%n], i)) }))
		looks = append(looks, timed(func() {
			for range ix.Match(fmt.Sprintf("/topic/p%d.q", i%n)) {
			}
		}))
	}
	slices.Sort(looks)
	slices.Sort(changes)
	return looks[500], changes[500]
}
