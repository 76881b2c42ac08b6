package house

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestModules compares the modules that the packages of the root module need, tests apart, with a golden list: a
// dependency that users would have to carry is seen in review.
func TestModules(t *testing.T) {
	cmd := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}{{end}}{{end}}", "./...")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOWORK=off") // as a user of the module sees it
	cmd.Stderr = t.Output()
	out, err := cmd.Output()
	if err != nil {
		t.Fatal("go list:", err)
	}
	modules := strings.Fields(string(out))
	slices.Sort(modules)
	golden(t, "internal/house/testdata/modules.txt", strings.Join(slices.Compact(modules), "\n")+"\n")
}
