package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/headrace/headrace/examples/internal/need"
)

// TestStompJS lets @stomp/stompjs of npm, as its authors released it, use the
// broker.
func TestStompJS(t *testing.T) {
	node, npm := need.Program(t, "node"), need.Program(t, "npm")
	dir := t.TempDir()
	for _, name := range []string{"package.json", "package-lock.json", "stompjs.js"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run(t, dir, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund")

	broker := start(t, "broker", "localhost:0")
	if out := run(t, dir, node, "stompjs.js", "ws://"+broker.addr+"/ws"); strings.TrimSpace(out) != "fine" {
		t.Errorf("the client says %q", out)
	}
}

// run runs a program in a folder and returns what it prints.
func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.Stderr = dir, t.Output()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	return string(out)
}
