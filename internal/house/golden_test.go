package house

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// golden compares a text with a file of the repository, or writes the file under -update.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join(root, name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s: no such golden file; run make api", name)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Errorf("%s differs; if the change is meant, run make api:\n%s", name, lineDiff(string(want), got))
	}
}

// lineDiff lists the lines that only one of two texts has, or says that the order alone differs.
func lineDiff(want, got string) string {
	before, after := strings.Split(want, "\n"), strings.Split(got, "\n")
	var diff []string
	for _, line := range before {
		if !slices.Contains(after, line) {
			diff = append(diff, "- "+line)
		}
	}
	for _, line := range after {
		if !slices.Contains(before, line) {
			diff = append(diff, "+ "+line)
		}
	}
	if diff == nil {
		return "the same lines in another order"
	}
	return strings.Join(diff, "\n")
}

func TestLineDiff(t *testing.T) {
	if got := lineDiff("a\nb\nc", "a\nd\nc"); got != "- b\n+ d" {
		t.Errorf("got %q", got)
	}
	if got := lineDiff("a\nb", "b\na"); got != "the same lines in another order" {
		t.Errorf("got %q", got)
	}
}
