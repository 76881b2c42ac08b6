package house

import (
	"fmt"
	"go/ast"
	"slices"
	"strings"
	"testing"
)

func TestOneWayOut(t *testing.T) { mustHold(t, waysOut(repository(t))) }

// wayOut is where messages are handed to sessions: the end of a node's Outbound, behind its gate.
const wayOut = "wire.go"

// waysOut finds code of the toolkit that hands a message to a session or a sink past that. The session itself does so
// for what passed; tests, and programs that wire their own, may.
func waysOut(t *tree) []string {
	var problems []string
	for _, s := range t.sources {
		room, _, _ := strings.Cut(s.path, "/")
		if s.isTest() || s.path == wayOut || slices.Contains([]string{"message", "messagetest", "examples", "bench"}, room) {
			continue
		}
		ast.Inspect(s.syntax, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if f, ok := call.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "Deliver" {
				problems = append(problems, fmt.Sprintf("%s:%d: delivers past the gate of Outbound", s.path, t.fset.Position(call.Pos()).Line))
			}
			return true
		})
	}
	return problems
}

func TestOneWayOutFinds(t *testing.T) {
	const deliver = "package p\nfunc f(s S) { s.Deliver(1) }\n"
	mustFind(t, waysOut, []planted{
		{"the end of Outbound", map[string]string{"wire.go": deliver}, ""},
		{"a session", map[string]string{"message/session.go": deliver}, ""},
		{"a test", map[string]string{"handler/a_test.go": deliver}, ""},
		{"a shortcut", map[string]string{"handler/a.go": deliver}, "handler/a.go:2: delivers past the gate"},
		{"a declaration", map[string]string{"transport/a.go": "package p\nfunc (s S) Deliver() {}\n"}, ""},
	})
}
