package e2e_test

import (
	"io"
	"net/http"
	"os/exec"
	"path"
	"strings"
	"testing"
)

// TestExamples starts every example that is a server, asks it for its page and
// stops it.
func TestExamples(t *testing.T) {
	const servers = `{{if eq .Name "main"}}{{range .Imports}}{{if eq . "github.com/headrace/headrace/examples/internal/demo"}}{{$.ImportPath}}{{end}}{{end}}{{end}}`
	list, err := exec.Command("go", "list", "-f", servers, "../...").Output()
	if err != nil {
		t.Fatal("go list:", err)
	}
	packages := strings.Fields(string(list))
	if len(packages) < 3 {
		t.Fatalf("found only %q", packages)
	}
	for _, pkg := range packages {
		name := path.Base(pkg)
		if name == "relay" {
			continue // TestRelay has the RabbitMQ that it needs
		}
		t.Run(name, func(t *testing.T) {
			p := start(t, name, "localhost:0")
			if status, _ := answer(t, "http://"+p.addr+"/"); status != http.StatusOK {
				t.Error("its page:", status)
			}
			p.stop(t)
		})
	}
}

func answer(t *testing.T, url string) (status int, body string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}
