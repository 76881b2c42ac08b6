// Package need finds the programs that some tests drive: a browser, node, npm, a message broker.
//
// A machine without them still runs the other tests. A test that needs one is skipped there and says why; with
// CI=true it fails instead, so that a green run has run everything. HEADRACE_SHORT=1 skips it everywhere.
package need

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Browser returns the path of Chromium or Chrome.
func Browser(t testing.TB) string {
	t.Helper()
	return Program(t, "chromium", "chromium-browser", "google-chrome")
}

// Program returns the path of the first of the named programs that is installed. Without one the test does not go on.
func Program(t testing.TB, names ...string) string {
	t.Helper()
	if os.Getenv("HEADRACE_SHORT") == "1" {
		t.Skip("HEADRACE_SHORT=1: tests that need more than Go are left out")
	}
	for _, name := range names {
		if file, err := exec.LookPath(name); err == nil {
			return file
		}
	}
	missing := strings.Join(names, ", ")
	if os.Getenv("CI") == "true" {
		t.Fatalf("none of these is installed, and CI=true allows no skip: %s", missing)
	}
	t.Skipf("none of these is installed: %s; scripts/setup.sh installs it on Debian", missing)
	return ""
}
