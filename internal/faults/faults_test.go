package faults

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const room = "../../broker"

// TestFaults: the model passes the broker as it is, and finds every fault of the table. A fault that cannot be
// planted, because the code has changed, fails: its row has to follow the code.
func TestFaults(t *testing.T) {
	sources := read(t)
	t.Run("none", func(t *testing.T) {
		t.Parallel()
		if out, failed := model(t, "", ""); failed {
			t.Errorf("the model fails without a fault:\n%s", out)
		}
	})
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			text, there := sources[f.file]
			if n := strings.Count(text, f.old); !there || n != 1 {
				t.Fatalf("%s has this %d times, want once:\n%s", f.file, n, f.old)
			}
			out, failed := model(t, f.file, strings.Replace(text, f.old, f.new, 1))
			switch found := verdict.FindString(out); {
			case !failed:
				t.Error("the model does not find it")
			case found == "":
				t.Errorf("the model says nothing, and this went wrong:\n%s", out)
			default:
				t.Log(found)
			}
		})
	}
}

// verdict is how the model says what is wrong.
var verdict = regexp.MustCompile(`model: [^\n]*`)

// read returns the sources of the broker by their names. That it reads all of them, those of its tests too, tells
// "go test" when a result of before does not count any more.
func read(t *testing.T) map[string]string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(room, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	sources := map[string]string{}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		sources[filepath.Base(name)] = string(text)
	}
	return sources
}

// model runs the model with another text of one file, or none, and returns what it says and whether it failed.
func model(t *testing.T, file, text string) (string, bool) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "test", "-run=^TestModel$", "-count=1", "-timeout=2m",
		"-overlay="+overlay(t, file, text), "-vet=off", "-gcflags=-N -l", // which is the fastest
		".", "-rapid.checks=500", "-rapid.seed=1", "-rapid.shrinktime=0s", "-rapid.nofailfile")
	cmd.Dir = room
	cmd.Env = append(os.Environ(), "GOFLAGS=")
	out, err := cmd.CombinedOutput()
	return string(out), err != nil
}

// overlay writes the file that makes the compiler read another text of one file, and none of the tests but the model.
func overlay(t *testing.T, file, text string) string {
	t.Helper()
	dir, replace := t.TempDir(), map[string]string{}
	for name := range read(t) {
		path, err := filepath.Abs(filepath.Join(room, name))
		switch {
		case err != nil:
			t.Fatal(err)
		case name == file:
			replace[path] = filepath.Join(dir, file)
			write(t, replace[path], []byte(text))
		case strings.HasSuffix(name, "_test.go") && !strings.HasPrefix(name, "model") && name != "main_test.go":
			replace[path] = ""
		}
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "overlay.json")
	write(t, name, list)
	return name
}

func write(t *testing.T, name string, text []byte) {
	t.Helper()
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
}
