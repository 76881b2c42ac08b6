package message_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/headrace/headrace/message"
)

// What Without does by names, a loop does by any other rule.
func TestHeaderByAnyRule(t *testing.T) {
	h := header("foo", "1", "bar", "2", "form", "3", "fog", "4", "foo", "5")
	var rest []message.Field
	for name, value := range h.All() {
		if !strings.HasPrefix(name, "fo") || name == "form" {
			rest = append(rest, message.Field{Name: name, Value: value})
		}
	}
	if got := list(message.NewHeader(rest...)); !slices.Equal(got, fields("bar", "2", "form", "3")) {
		t.Errorf("left %v", got)
	}
	if h.Len() != 5 {
		t.Errorf("the header became %v", list(h))
	}
}

// A header that is copied onto itself stays what it was, field by field and
// while it is read.
func TestHeaderOntoItself(t *testing.T) {
	want := fields("b", "1", "a", "", "c", "3")
	h := header("b", "1", "a", "", "c", "3")
	got := h
	for name, value := range got.All() {
		got = got.With(name, value)
		if !slices.Equal(list(got), want) || !slices.Equal(list(h), want) {
			t.Errorf("after %s: copy %v, header %v", name, list(got), list(h))
		}
	}
}
