package destination_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/headrace/headrace/message/destination"
)

// find returns the values of a look-up, sorted.
func find[V int | string](ix *destination.Index[V], dest string) []V {
	return slices.Sorted(ix.Match(dest))
}

func TestIndex(t *testing.T) {
	var ix destination.Index[string] // the zero value is usable
	patterns := []string{
		"/a/b", "/a/b", "/a/*", "/a/{x}", "/a/{y}", "/a/**", "/**", "/**/b", "/*/b", "/a/?", "/a/b*", "/a/{z:b|c}",
		"/a/**/b/**", "/**/a/**/b/**", "a/b", "**", "/price.{x}.*/b", "", "/", "/a//b",
	}
	for _, p := range patterns {
		ix.Add(parse(t, p), p)
	}
	if ix.Len() != len(patterns) {
		t.Errorf("Len() = %d, want %d", ix.Len(), len(patterns))
	}
	for _, dest := range []string{
		"/a/b", "/a/c", "/a", "/a/", "/b", "/", "", "a/b", "a", "/a/b/c", "/a/b/b", "/a/b/a/b", "/a//b", "/price.x.y/b", "/price.x/b", "/a/*", "/**",
	} {
		var want []string
		for _, p := range patterns {
			if matchSlowly(p, dest, '/') {
				want = append(want, p)
			}
		}
		slices.Sort(want)
		if got := find(&ix, dest); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", dest, got, want)
		}
	}
}

func TestIndexWithDots(t *testing.T) {
	ix := destination.NewIndex[string](dot)
	for _, p := range []string{"a.b", "a.*", "a.{x:[a-z]{1}}", "**.b", "a/*"} {
		ix.Add(destination.MustParse(p, dot), p)
	}
	if got, want := find(ix, "a.b"), []string{"**.b", "a.*", "a.b", "a.{x:[a-z]{1}}"}; !slices.Equal(got, want) {
		t.Errorf("a.b: %q, want %q", got, want)
	}
	if got, want := find(ix, "a/b"), []string{"a/*"}; !slices.Equal(got, want) {
		t.Errorf("a/b: %q, want %q", got, want)
	}
	defer func() {
		want := `destination: pattern "a/b" with separator "/" added to an index with separator "."`
		if got := recover(); got != want {
			t.Errorf("Add panics with %v, want %s", got, want)
		}
	}()
	ix.Add(parse(t, "a/b"), "")
}

func TestIndexRemoveIsIdempotent(t *testing.T) {
	var ix destination.Index[int]
	p := parse(t, "/a/*")
	first, second, third := ix.Add(p, 1), ix.Add(p, 2), ix.Add(p, 3)
	for range 2 {
		ix.Remove(second)
		if got := find(&ix, "/a/b"); !slices.Equal(got, []int{1, 3}) || ix.Len() != 2 {
			t.Errorf("after removing 2: %v, length %d", got, ix.Len())
		}
	}
	ix.Remove(third)
	ix.Remove(first)
	ix.Remove(first)
	if got := find(&ix, "/a/b"); len(got) != 0 || ix.Len() != 0 {
		t.Errorf("after removing all: %v, length %d", got, ix.Len())
	}
	ix.Add(p, 4)
	if got := find(&ix, "/a/b"); !slices.Equal(got, []int{4}) {
		t.Errorf("after adding again: %v", got)
	}
}

func TestIndexLoopMayChangeTheIndex(t *testing.T) {
	var ix destination.Index[int]
	entries := make([]*destination.Entry[int], 10)
	for i := range entries {
		entries[i] = ix.Add(parse(t, "/a"), i)
	}
	var met []int
	for v := range ix.Match("/a") {
		met = append(met, v)
		ix.Remove(entries[v])       // itself
		ix.Remove(entries[(v | 1)]) // and the odd one after it
	}
	slices.Sort(met)
	if n := len(met); n == 0 || len(slices.Compact(met)) != n {
		t.Errorf("met %v, want some, each once", met)
	}
	for range ix.Match("/a") {
		t.Error("the index is not empty")
	}
}

func TestIndexBreak(t *testing.T) {
	var ix destination.Index[int]
	patterns := []string{"/a/b", "/a/*", "/a/**", "/**/b", "/a/b*", "/{x}/{y:b}"}
	for i, p := range patterns {
		ix.Add(parse(t, p), i)
		ix.Add(parse(t, p), i)
	}
	for stop := range 2 * len(patterns) {
		met := 0
		for range ix.Match("/a/b") {
			if met++; met > stop {
				break
			}
		}
		if met != stop+1 {
			t.Errorf("met %d values, want %d", met, stop+1)
		}
	}
}

// TestIndexAgainstList holds the index against a list of patterns that are matched
// one by one, over random changes.
func TestIndexAgainstList(t *testing.T) {
	segment := rapid.SampledFrom([]string{"a", "b", "c", "", "*", "**", "{x}", "a*", "ab*", "?", "{y:a|b}", "ab{z:c?}", "abc"})
	plain := rapid.SampledFrom([]string{"a", "b", "c", "", "ab", "abc", "*"})
	path := func(s *rapid.Generator[string]) *rapid.Generator[string] {
		return rapid.Custom(func(t *rapid.T) string {
			lead := rapid.SampledFrom([]string{"/", "/", "/", ""}).Draw(t, "lead")
			return lead + strings.Join(rapid.SliceOfN(s, 1, 6).Draw(t, "segments"), "/")
		})
	}
	rapid.Check(t, func(t *rapid.T) {
		type added struct {
			pattern destination.Pattern
			entry   *destination.Entry[int]
		}
		ix, list, next := destination.NewIndex[int](slash), map[int]added{}, 0
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				text := rapid.OneOf(path(segment), path(plain)).Draw(t, "pattern")
				p, err := destination.Parse(text, slash)
				if err != nil {
					return // a variable twice
				}
				list[next] = added{p, ix.Add(p, next)}
				next++
			},
			"remove": func(t *rapid.T) {
				if len(list) == 0 {
					return
				}
				v := rapid.SampledFrom(slices.Sorted(maps.Keys(list))).Draw(t, "value")
				ix.Remove(list[v].entry)
				delete(list, v)
			},
			"look up": func(t *rapid.T) {
				dest := path(plain).Draw(t, "destination")
				var want []int
				for v, a := range list {
					if a.pattern.Match(dest) {
						want = append(want, v)
					}
				}
				slices.Sort(want)
				if got := find(ix, dest); !slices.Equal(got, want) {
					t.Fatalf("%q: %v, want %v", dest, got, want)
				}
			},
			"": func(t *rapid.T) {
				if ix.Len() != len(list) {
					t.Fatalf("Len() = %d, want %d", ix.Len(), len(list))
				}
			},
		})
	})
}

// TestIndexConcurrently changes the index under look-ups. What stays is always
// found, exactly once; what was removed before a look-up began is not found.
func TestIndexConcurrently(t *testing.T) {
	const (
		writers = 2
		rounds  = 3_000
	)
	texts := []string{"/a/b", "/a/*", "/a/**", "/**/b", "/a/b?", "/a/{x:b}", "/{x}/b", "/a/**/b", "/a/x%d", "/x%d/b", "/*/b%d", "/a/b%d*", "/x%d"}
	var ix destination.Index[*atomic.Bool]
	stay := map[*atomic.Bool]bool{}
	for _, text := range texts[:8] { // of which "/a/b?" does not match /a/b
		v := new(atomic.Bool)
		ix.Add(parse(t, text), v)
		stay[v] = text != "/a/b?"
	}
	var wg sync.WaitGroup
	var writing atomic.Int32
	writing.Store(writers)
	for range writers {
		wg.Go(func() {
			defer writing.Add(-1)
			type added struct {
				entry *destination.Entry[*atomic.Bool]
				gone  *atomic.Bool
			}
			var mine []added
			for range rounds {
				if len(mine) < 50 || rand.IntN(2) == 0 {
					text := texts[rand.IntN(len(texts))]
					if strings.Contains(text, "%") {
						text = fmt.Sprintf(text, rand.IntN(1_000))
					}
					gone := new(atomic.Bool)
					mine = append(mine, added{ix.Add(destination.MustParse(text, slash), gone), gone})
					continue
				}
				i := rand.IntN(len(mine))
				ix.Remove(mine[i].entry)
				mine[i].gone.Store(true) // from here on, no look-up that begins may find it
				mine = slices.Delete(mine, i, i+1)
			}
		})
	}
	for range 2 {
		wg.Go(func() {
			for writing.Load() > 0 {
				met := map[*atomic.Bool]int{}
				for v := range ix.Match("/a/b") {
					met[v]++
				}
				var gone []*atomic.Bool
				for v, n := range met {
					if n != 1 {
						t.Errorf("a value was met %d times", n)
					}
					if v.Load() {
						gone = append(gone, v)
					}
				}
				for v, matches := range stay {
					if (met[v] == 1) != matches {
						t.Errorf("a value that stays was met %d times", met[v])
					}
				}
				for v := range ix.Match("/a/b") {
					if slices.Contains(gone, v) {
						t.Error("a value was met after it was removed")
					}
				}
			}
		})
	}
	wg.Wait()
}
