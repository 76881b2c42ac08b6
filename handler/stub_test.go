//go:build !race

package handler_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestStubStaysSmall builds programs with one route and with many, all of
// distinct types: each may add 8 KiB to the program, its types and its endpoint
// included.
func TestStubStaysSmall(t *testing.T) {
	const routes, most = 100, 8 << 10
	few, many := programSize(t, 1), programSize(t, 1+routes)
	each := (many - few) / routes
	t.Logf("%d bytes with 1 route, %d with %d: %d a route", few, many, 1+routes, each)
	if each >= most {
		t.Errorf("a route adds %d bytes, want less than %d", each, most)
	}
}

// programSize returns the size of a program with n routes, half of which take a
// Request.
func programSize(t *testing.T, n int) int64 {
	t.Helper()
	var b strings.Builder
	b.WriteString(`package main

import (
	"context"

	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
)

func main() {
	r := handler.NewRouter(message.HandlerFunc[[]byte](func(context.Context, message.Raw) error { return nil }), handler.Config{})
`)
	for i := range n {
		fmt.Fprintf(&b, "\thandler.Handle(r, \"/%d/{x}\", endpoint%d)\n", i, i)
	}
	b.WriteString("}\n")
	for i := range n {
		fmt.Fprintf(&b, "\ntype in%d struct { A%d string; B int }\n\ntype out%d struct { C%d []string }\n", i, i, i, i)
		if i%2 == 0 {
			fmt.Fprintf(&b, "\nfunc endpoint%d(_ context.Context, in in%d) (out%d, error) { return out%d{[]string{in.A%d}}, nil }\n", i, i, i, i, i)
		} else {
			fmt.Fprintf(&b, "\nfunc endpoint%d(_ context.Context, req handler.Request[in%d]) (out%d, error) { return out%d{[]string{req.Payload.A%d}}, nil }\n", i, i, i, i, i)
		}
	}
	dir := t.TempDir()
	source, program := filepath.Join(dir, "main.go"), filepath.Join(dir, "program")
	if err := os.WriteFile(source, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, source).CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	info, err := os.Stat(program)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}
