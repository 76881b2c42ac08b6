package house

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/format"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// maxLines bounds a file that is read by people. A longer one holds more than one idea.
const maxLines = 450

func TestFormat(t *testing.T)         { mustHold(t, unformatted(repository(t))) }
func TestFileLength(t *testing.T)     { mustHold(t, longFiles(repository(t))) }
func TestSmallAdapters(t *testing.T)  { mustHold(t, largeAdapters(repository(t))) }
func TestRandomNumbers(t *testing.T)  { mustHold(t, weakRandom(repository(t))) }
func TestNoSleeps(t *testing.T)       { mustHold(t, sleeps(repository(t))) }
func TestNoSkips(t *testing.T)        { mustHold(t, skips(repository(t))) }
func TestGoroutineLeaks(t *testing.T) { mustHold(t, leaksUnchecked(repository(t))) }

// unformatted finds files that gofmt would change, and those that are no Go.
func unformatted(t *tree) []string {
	problems := slices.Clone(t.broken)
	for _, s := range t.sources {
		if text, err := format.Source(s.text); err != nil || !bytes.Equal(text, s.text) {
			problems = append(problems, s.path+": not as gofmt writes it")
		}
	}
	return problems
}

// longFiles finds files of code, tests and generated ones apart, that are too long.
func longFiles(t *tree) []string {
	var problems []string
	for _, s := range t.sources {
		if n := bytes.Count(s.text, []byte("\n")); n >= maxLines && !s.isTest() && !ast.IsGenerated(s.syntax) {
			problems = append(problems, fmt.Sprintf("%s: %d lines, want less than %d", s.path, n, maxLines))
		}
	}
	return problems
}

// maxAdapter bounds the two small adapters, each in all: what more they need, others need as well, and it belongs into
// transport. Lines of code count: no tests, no comments, no empty lines.
const maxAdapter = 400

// largeAdapters finds small adapters that are none any more.
func largeAdapters(t *tree) []string {
	lines := make(map[string]int)
	for _, s := range t.sources {
		if house := s.dir(); !s.isTest() && (house == "jsonadapter" || house == "sseadapter") {
			lines[house] += codeLines(s.text)
		}
	}
	var problems []string
	for house, n := range lines {
		if n >= maxAdapter {
			problems = append(problems, fmt.Sprintf("%s: %d lines of code, want less than %d", house, n, maxAdapter))
		}
	}
	return problems
}

// codeLines counts the lines that are neither empty nor a comment.
func codeLines(text []byte) (n int) {
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSpace(line); len(line) > 0 && !bytes.HasPrefix(line, []byte("//")) {
			n++
		}
	}
	return n
}

// weakRandom finds guessable random numbers where session ids, tokens and masks are made.
func weakRandom(t *tree) []string {
	var problems []string
	for _, s := range t.sources {
		house, _, _ := strings.Cut(s.path, "/")
		if s.isTest() || !slices.Contains([]string{"message", "broker", "handler", "transport", "stompadapter", "jsonadapter", "sseadapter"}, house) {
			continue
		}
		for _, spec := range s.syntax.Imports {
			if imported, _ := strconv.Unquote(spec.Path.Value); imported == "math/rand" || imported == "math/rand/v2" {
				problems = append(problems, t.at(spec.Pos(), "%s can be guessed; use crypto/rand", imported))
			}
		}
	}
	return problems
}

// sleeps finds tests that wait for real time to pass: slow where they hold, and false where the machine is slower.
func sleeps(t *tree) []string {
	var problems []string
	for _, s := range t.sources {
		if !s.isTest() || imports(s, "testing/synctest") {
			continue
		}
		for n := range ast.Preorder(s.syntax) {
			if sel, ok := n.(*ast.SelectorExpr); ok && sel.Sel.Name == "Sleep" && isName(sel.X, "time") {
				problems = append(problems, t.at(n.Pos(), "time.Sleep in a test outside testing/synctest"))
			}
		}
	}
	return problems
}

// skips finds tests that may skip themselves. Those that need more than Go ask
// internal/need, which skips them on a machine without, and fails them with CI=true.
func skips(t *tree) []string {
	var problems []string
	for _, s := range t.sources {
		if !s.isTest() {
			continue
		}
		for n := range ast.Preorder(s.syntax) {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				continue
			}
			if sel, ok := call.Fun.(*ast.SelectorExpr); ok && slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, sel.Sel.Name) {
				problems = append(problems, t.at(n.Pos(), "a test that skips itself proves nothing; a build tag says what it needs"))
			}
		}
	}
	return problems
}

// leaksUnchecked finds packages that start goroutines and whose tests do not look for those left behind.
func leaksUnchecked(t *tree) []string {
	starts, checked := map[string]ast.Node{}, map[string]bool{}
	var order []string
	for _, s := range t.sources {
		if s.isTest() {
			checked[s.dir()] = checked[s.dir()] || imports(s, "go.uber.org/goleak") && verifies(s)
			continue
		}
		if n := firstGo(s); n != nil && starts[s.dir()] == nil && !s.command() {
			starts[s.dir()] = n
			order = append(order, s.dir())
		}
	}
	var problems []string
	for _, dir := range order {
		if !checked[dir] {
			problems = append(problems, t.at(starts[dir].Pos(), "%s starts goroutines and its tests do not call goleak.VerifyTestMain", dir))
		}
	}
	return problems
}

// firstGo returns a go statement, or a call of a method Go as sync.WaitGroup has it.
func firstGo(s source) ast.Node {
	for n := range ast.Preorder(s.syntax) {
		switch n := n.(type) {
		case *ast.GoStmt:
			return n
		case *ast.CallExpr:
			if sel, ok := n.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "Go" && len(n.Args) == 1 {
				return n
			}
		}
	}
	return nil
}

func verifies(s source) bool {
	for n := range ast.Preorder(s.syntax) {
		if sel, ok := n.(*ast.SelectorExpr); ok && isName(sel.X, "goleak") && (sel.Sel.Name == "VerifyTestMain" || sel.Sel.Name == "VerifyNone") {
			return true
		}
	}
	return false
}

func imports(s source, imported string) bool {
	return slices.ContainsFunc(s.syntax.Imports, func(spec *ast.ImportSpec) bool { return spec.Path.Value == strconv.Quote(imported) })
}

func isName(e ast.Expr, name string) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Name == name
}
