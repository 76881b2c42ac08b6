package main

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
)

func TestValidate(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		ok         bool
	}{
		{"kim", "hello", true},
		{strings.Repeat("水", 40), strings.Repeat("é", 250), true},
		{strings.Repeat("水", 41), "hello", false},
		{"kim", strings.Repeat("é", 251), false},
		{" ", "hello", false},
		{"kim", "\t", false},
	} {
		if err := (Line{Name: tt.name, Text: tt.text}).Validate(); (err == nil) != tt.ok {
			t.Errorf("%.10s %.10s: %v", tt.name, tt.text, err)
		}
	}
}

// The page lets nobody write what is refused.
func TestPageKnowsTheLimits(t *testing.T) {
	page, err := files.ReadFile("page.html")
	if err != nil {
		t.Fatal(err)
	}
	for name, most := range map[string]string{"name": "40", "text": "250"} {
		input := regexp.MustCompile(`<input name="` + name + `"[^>]*>`).Find(page)
		if !bytes.Contains(input, []byte(`maxlength="`+most+`"`)) {
			t.Errorf("%s, want %s characters", input, most)
		}
	}
}

// Of what is typed, blank lines are no lines, and one that is too long, however
// long, does not end the program.
func TestLines(t *testing.T) {
	long := strings.Repeat("x", 100_000)
	var got []string
	for line := range lines(strings.NewReader("a\n\n  \nb\r\n" + long + "\nlast")) {
		got = append(got, line)
	}
	if want := []string{"a", "b", long, "last"}; strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("got %.100q", got)
	}
}
