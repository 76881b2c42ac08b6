package nodes_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/headrace/headrace/bench/internal/nodes"
	"github.com/headrace/headrace/bench/internal/site"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestRoles: a child's role is served by one package, and bad ones by none.
func TestRoles(t *testing.T) {
	for role, want := range map[string]bool{
		"":                      false,
		site.Config{}.Role():    false,
		"nodes {":               true, // and an error
		"nodes {\"Folder\": 1}": true,
	} {
		if ours, err := nodes.Serve(role); ours != want || want && err == nil {
			t.Errorf("%q: %v, %v", role, ours, err)
		}
	}
	if ours, err := site.Serve(nodes.Config{Name: "a"}.Role()); ours || err != nil {
		t.Errorf("a site: %v, %v", ours, err)
	}
}
