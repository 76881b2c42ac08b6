package house

import (
	"fmt"
	"go/ast"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestPromises(t *testing.T) { mustHold(t, brokenPromises(repository(t))) }

// promisePages have tables whose rows name the tests that hold them: | S-17 | what holds | `TestName` |.
var promisePages = []string{"docs/spring.md", "docs/security.md", "docs/reliability.md"}

// testName matches a test in backticks: TestX, channel.TestX, TestX/case.
var testName = regexp.MustCompile("`(?:[\\w./]+\\.)?((?:Test|Fuzz|Benchmark|Example)\\w*)(?:/[^`]*)?`")

// brokenPromises finds the tests that a promise names and no package has.
func brokenPromises(t *tree) []string {
	tests := testFuncs(t)
	var problems []string
	for _, page := range promisePages {
		if !slices.Contains(t.paths, page) {
			continue
		}
		text, err := fs.ReadFile(t.fsys, page)
		if err != nil {
			return append(problems, err.Error())
		}
		for i, line := range strings.Split(string(text), "\n") {
			if !strings.HasPrefix(strings.TrimSpace(line), "|") {
				continue
			}
			for _, match := range testName.FindAllStringSubmatch(line, -1) {
				if !tests[match[1]] {
					problems = append(problems, fmt.Sprintf("%s:%d: no test is named %s", page, i+1, match[1]))
				}
			}
		}
	}
	return problems
}

func testFuncs(t *tree) map[string]bool {
	names := map[string]bool{}
	for _, s := range t.sources {
		for _, decl := range s.syntax.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && s.isTest() && f.Recv == nil {
				names[f.Name.Name] = true
			}
		}
	}
	return names
}

func TestBrokenPromisesFinds(t *testing.T) {
	page := func(row string) map[string]string {
		return map[string]string{
			"docs/spring.md":           "# Page\n\n| id | what | test |\n| --- | --- | --- |\n" + row + "\n",
			"channel/a_test.go":        "package channel\nfunc TestOrder() {}\nfunc FuzzKey() {}\n",
			"channel/a.go":             "package channel\nfunc TestNotATest() {}\n",
			"examples/chat/x_test.go":  "package main\nfunc TestBrowser() {}\n",
			"bench/fanout/fan_test.go": "package fanout\nfunc BenchmarkFanOut() {}\n",
		}
	}
	mustFind(t, brokenPromises, []planted{
		{"there", page("| S-1 | order | `TestOrder`, `channel.FuzzKey`, `TestBrowser/firefox`, `BenchmarkFanOut` |"), ""},
		{"gone", page("| S-1 | order | `TestOrder`, `TestGone` |"), "docs/spring.md:5: no test is named TestGone"},
		{"not a test file", page("| S-1 | order | `TestNotATest` |"), "TestNotATest"},
		{"prose", page("Tests such as `TestGone` once stood here."), ""},
	})
}
