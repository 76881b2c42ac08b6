package need_test

import (
	"fmt"
	"testing"

	"github.com/headrace/headrace/internal/need"
)

// outcome is a test that writes down how it ended.
type outcome struct {
	testing.TB
	how string
}

func (o *outcome) Helper()                   { o.TB.Helper() }
func (o *outcome) Skip(...any)               { o.end("skipped") }
func (o *outcome) Skipf(string, ...any)      { o.end("skipped") }
func (o *outcome) Fatalf(s string, a ...any) { o.end("failed: " + fmt.Sprintf(s, a...)) }

func (o *outcome) end(how string) {
	o.how = how
	panic(o)
}

func ask(t *testing.T, program string) (how string) {
	o := &outcome{TB: t, how: "found"}
	defer func() {
		if r := recover(); r != nil && r != any(o) {
			panic(r)
		}
		how = o.how
	}()
	need.Program(o, "no-such-program", program)
	return
}

func TestProgram(t *testing.T) {
	const gone = "no-such-program-either"
	for _, c := range []struct{ name, short, ci, program, want string }{
		{"found", "", "true", "go", "found"},
		{"missing", "", "", gone, "skipped"},
		{"missing in CI", "", "true", gone, "failed: none of these is installed, and CI=true allows no skip: no-such-program, " + gone},
		{"short", "1", "true", "go", "skipped"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("HEADRACE_SHORT", c.short)
			t.Setenv("CI", c.ci)
			if got := ask(t, c.program); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
