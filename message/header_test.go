package message_test

import (
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/headrace/headrace/message"
	"pgregory.net/rapid"
)

func fields(pairs ...string) []message.Field {
	var list []message.Field
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, message.Field{Name: pairs[i], Value: pairs[i+1]})
	}
	return list
}

func header(pairs ...string) message.Header { return message.NewHeader(fields(pairs...)...) }

// list reads a header through the one method that shows all of it.
func list(h message.Header) []message.Field {
	var all []message.Field
	for name, value := range h.All() {
		all = append(all, message.Field{Name: name, Value: value})
	}
	return all
}

func TestHeader(t *testing.T) {
	for _, tt := range []struct {
		name string
		got  message.Header
		want []message.Field
	}{
		{"zero", message.Header{}, nil},
		{"none", message.NewHeader(), nil},
		{"order and repeated names", header("b", "1", "a", "2", "b", "3"), fields("b", "1", "a", "2", "b", "3")},
		{"with on zero", message.Header{}.With("a", "1"), fields("a", "1")},
		{"with appends", header("b", "1").With("a", "2"), fields("b", "1", "a", "2")},
		{"with replaces in place", header("a", "1", "b", "2").With("a", "3"), fields("a", "3", "b", "2")},
		{"with removes repeated ones", header("a", "1", "b", "2", "a", "3", "a", "4").With("a", "5"), fields("a", "5", "b", "2")},
		{"with empty value", header("a", "1").With("a", ""), fields("a", "")},
		{"names are case sensitive", header("a", "1").With("A", "2"), fields("a", "1", "A", "2")},
		{"without", header("a", "1", "b", "2", "a", "3", "c", "4").Without("a", "c"), fields("b", "2")},
		{"without the last one", header("a", "1").Without("a"), nil},
		{"without nothing", header("a", "1").Without(), fields("a", "1")},
		{"without an unknown name", header("a", "1").Without("b"), fields("a", "1")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := list(tt.got); !slices.Equal(got, tt.want) {
				t.Errorf("fields = %v, want %v", got, tt.want)
			}
			if tt.got.Len() != len(tt.want) {
				t.Errorf("Len() = %d, want %d", tt.got.Len(), len(tt.want))
			}
		})
	}
}

func TestHeaderFirstWins(t *testing.T) {
	h := header("a", "1", "b", "", "a", "2")
	for _, tt := range []struct {
		name, value string
		found       bool
	}{{"a", "1", true}, {"b", "", true}, {"A", "", false}, {"", "", false}} {
		if v, ok := h.Lookup(tt.name); v != tt.value || ok != tt.found {
			t.Errorf("Lookup(%q) = %q, %v, want %q, %v", tt.name, v, ok, tt.value, tt.found)
		}
		if v := h.Get(tt.name); v != tt.value {
			t.Errorf("Get(%q) = %q, want %q", tt.name, v, tt.value)
		}
	}
}

func TestHeaderAllStops(t *testing.T) {
	seen := 0
	for range header("a", "1", "b", "2").All() {
		seen++
		break
	}
	if seen != 1 {
		t.Errorf("saw %d fields after break, want 1", seen)
	}
}

func TestHeaderSame(t *testing.T) {
	h := header("a", "1", "b", "2")
	shared := h
	for _, tt := range []struct {
		name string
		o    message.Header
		want bool
	}{
		{"a copy of the value", shared, true},
		{"without an unknown name", h.Without("c"), true},
		{"equal but made apart", header("a", "1", "b", "2"), false},
		{"written with the same value", h.With("a", "1"), false},
		{"shorter", h.Without("b"), false},
		{"empty", message.Header{}, false},
	} {
		if got := h.Same(tt.o); got != tt.want {
			t.Errorf("%s: Same = %v, want %v", tt.name, got, tt.want)
		}
	}
	if !(message.Header{}).Same(h.Without("a", "b")) {
		t.Error("two empty headers are not the same")
	}
}

// TestHeaderModel: any mix of With and Without does what it does to a plain
// slice, and none of them changes a header that somebody else holds.
func TestHeaderModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom([]string{"a", "b", "c", "A"})
		type holder struct {
			header message.Header
			model  []message.Field
		}
		start := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) message.Field {
			return message.Field{Name: name.Draw(t, "name"), Value: rapid.StringN(0, 2, 4).Draw(t, "value")}
		}), 0, 6).Draw(t, "fields")
		holders := []holder{{message.NewHeader(slices.Clone(start)...), start}}
		for range rapid.IntRange(0, 20).Draw(t, "steps") {
			from := holders[rapid.IntRange(0, len(holders)-1).Draw(t, "of")]
			n := name.Draw(t, "name")
			to := holder{model: slices.Clone(from.model)}
			if rapid.Bool().Draw(t, "with") {
				to.header = from.header.With(n, "new")
				at := slices.IndexFunc(to.model, func(f message.Field) bool { return f.Name == n })
				if at < 0 {
					to.model = append(to.model, message.Field{Name: n})
					at = len(to.model) - 1
				}
				to.model[at].Value = "new"
				tail := slices.DeleteFunc(to.model[at+1:], func(f message.Field) bool { return f.Name == n })
				to.model = to.model[:at+1+len(tail)]
			} else {
				to.header = from.header.Without(n)
				to.model = slices.DeleteFunc(to.model, func(f message.Field) bool { return f.Name == n })
			}
			holders = append(holders, to)
			for i, h := range holders {
				if got := list(h.header); !slices.Equal(got, h.model) {
					t.Fatalf("header %d = %v, want %v", i, got, h.model)
				}
			}
		}
	})
}

// TestHeaderShared: many goroutines write to one header at once and none sees
// another's write. The race detector sees the rest.
func TestHeaderShared(t *testing.T) {
	h := header("a", "1").With("b", "2") // a slice that once had room to grow
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			mine := strconv.Itoa(i)
			for range 200 {
				c := h.With("c", mine).With("a", mine).Without("b")
				if got := list(c); !slices.Equal(got, fields("a", mine, "c", mine)) {
					t.Errorf("writer %d sees %v", i, got)
					return
				}
			}
		})
	}
	wg.Wait()
	if got := list(h); !slices.Equal(got, fields("a", "1", "b", "2")) {
		t.Errorf("the shared header became %v", got)
	}
}

// TestNewHeaderRoom: a slice with room behind it does not let two writers meet.
func TestNewHeaderRoom(t *testing.T) {
	room := make([]message.Field, 1, 8)
	room[0] = message.Field{Name: "a", Value: "1"}
	h := message.NewHeader(room...)
	x, y := h.With("x", "1"), h.With("y", "2")
	if !slices.Equal(list(x), fields("a", "1", "x", "1")) || !slices.Equal(list(y), fields("a", "1", "y", "2")) {
		t.Errorf("x = %v, y = %v", list(x), list(y))
	}
}

func TestHeaderWithAll(t *testing.T) {
	h := message.NewHeader(message.Field{Name: "a", Value: "1"}, message.Field{Name: "b", Value: "2"}, message.Field{Name: "a", Value: "3"})
	got := h.WithAll(message.Field{Name: "a", Value: "4"}, message.Field{Name: "c", Value: "5"})
	if want := message.NewHeader(message.Field{Name: "b", Value: "2"}, message.Field{Name: "a", Value: "4"}, message.Field{Name: "c", Value: "5"}); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if h.Get("a") != "1" || h.Len() != 3 {
		t.Errorf("the header itself changed: %v", h)
	}
}
