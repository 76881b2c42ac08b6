package house

import (
	"fmt"
	"go/ast"
	"go/token"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestPromises(t *testing.T)     { mustHold(t, brokenPromises(repository(t))) }
func TestPromisesKept(t *testing.T) { mustHold(t, unkeptPromises(repository(t))) }

// promisePages have tables whose rows name the tests that hold them: | S-17 | what holds | `TestName` |.
var promisePages = []string{"docs/spring.md", "docs/security.md", "docs/reliability.md"}

// owed are the numbers, from the first to the last of each range, that a page must have a row of, with a test.
var owed = map[string]struct {
	number  string // its format
	ranges  [][2]int
	without map[int]string // why there is no row of a number
}{
	"docs/security.md":    {number: "S-%02d", ranges: [][2]int{{5, 48}}},
	"docs/reliability.md": {number: "R-%02d", ranges: [][2]int{{1, 19}, {22, 31}}},
	"docs/spring.md": {
		number: "%d",
		ranges: [][2]int{{1, 305}},
	},
}

// nothingToHold ends a row, with its reason, for which no test can stand.
const nothingToHold = "| nothing to hold |"

// testName matches a test in backticks: TestX, channel.TestX, TestX/case.
var testName = regexp.MustCompile("`(?:([\\w./]+)\\.)?((?:Test|Fuzz|Benchmark|Example)\\w*)(?:/([^`]*))?`")

// brokenPromises finds the tests that a promise names and no package has.
func brokenPromises(t *tree) []string {
	tests, literals := testFuncs(t), testLiterals(t)
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
				room, name, subtest := match[1], match[2], match[3]
				switch rooms := tests[name]; {
				case len(rooms) == 0:
					problems = append(problems, fmt.Sprintf("%s:%d: no test is named %s", page, i+1, name))
				case room != "" && !slices.Contains(rooms, path.Base(room)):
					problems = append(problems, fmt.Sprintf("%s:%d: %s is no test of %s, but of %s", page, i+1, name, room, strings.Join(rooms, ", ")))
				case subtest != "" && !slices.ContainsFunc(rooms, func(room string) bool { return literals[room][subtest] }):
					problems = append(problems, fmt.Sprintf("%s:%d: %s has no case %q", page, i+1, name, subtest))
				}
			}
		}
	}
	return problems
}

// unkeptPromises finds the numbers without a row, and the rows without a test.
func unkeptPromises(t *tree) []string {
	var problems []string
	for page, o := range owed {
		if !slices.Contains(t.paths, page) {
			continue
		}
		text, err := fs.ReadFile(t.fsys, page)
		if err != nil {
			return append(problems, err.Error())
		}
		for _, r := range o.ranges {
			for n := r[0]; n <= r[1]; n++ {
				number := fmt.Sprintf(o.number, n)
				_, row, ok := strings.Cut(string(text), "\n| "+number+" |")
				row, _, _ = strings.Cut(row, "\n")
				switch {
				case !ok && o.without[n] == "":
					problems = append(problems, page+": no row of "+number)
				case ok && !testName.MatchString(row) && !strings.HasSuffix(row, nothingToHold):
					problems = append(problems, page+": "+number+" names no test")
				}
			}
		}
	}
	return problems
}

// testFuncs returns the rooms that have a test of each name: the last part of their path, headrace for the root.
func testFuncs(t *tree) map[string][]string {
	rooms := map[string][]string{}
	for _, s := range t.sources {
		for _, decl := range s.syntax.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && s.isTest() && f.Recv == nil {
				rooms[f.Name.Name] = append(rooms[f.Name.Name], path.Base(path.Join(module, s.dir())))
			}
		}
	}
	return rooms
}

// testLiterals returns the strings in the tests of each room, among them the names of cases.
func testLiterals(t *tree) map[string]map[string]bool {
	rooms := map[string]map[string]bool{}
	for _, s := range t.sources {
		if !s.isTest() {
			continue
		}
		room := path.Base(path.Join(module, s.dir()))
		if rooms[room] == nil {
			rooms[room] = map[string]bool{}
		}
		ast.Inspect(s.syntax, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				text, _ := strconv.Unquote(lit.Value)
				rooms[room][text] = true
			}
			return true
		})
	}
	return rooms
}

func TestBrokenPromisesFinds(t *testing.T) {
	page := func(row string) map[string]string {
		return map[string]string{
			"docs/spring.md":           "# Page\n\n| id | what | test |\n| --- | --- | --- |\n" + row + "\n",
			"channel/a_test.go":        "package channel\nfunc TestOrder() {}\nfunc FuzzKey() {}\n",
			"channel/a.go":             "package channel\nfunc TestNotATest() {}\n",
			"examples/chat/x_test.go":  "package main\nfunc TestBrowser() { run(\"firefox\") }\n",
			"bench/fanout/fan_test.go": "package fanout\nfunc BenchmarkFanOut() {}\n",
		}
	}
	mustFind(t, brokenPromises, []planted{
		{"there", page("| S-1 | order | `TestOrder`, `channel.FuzzKey`, `TestBrowser/firefox`, `BenchmarkFanOut` |"), ""},
		{"gone", page("| S-1 | order | `TestOrder`, `TestGone` |"), "docs/spring.md:5: no test is named TestGone"},
		{"a case that is gone", page("| S-1 | order | `TestBrowser/mosaic` |"), `TestBrowser has no case "mosaic"`},
		{"not a test file", page("| S-1 | order | `TestNotATest` |"), "TestNotATest"},
		{"in its room", page("| S-1 | order | `channel.TestOrder`, `examples/chat.TestBrowser` |"), ""},
		{"in another room", page("| S-1 | order | `broker.TestOrder` |"), "TestOrder is no test of broker, but of channel"},
		{"prose", page("Tests such as `TestGone` once stood here."), ""},
	})
}

func TestUnkeptPromisesFinds(t *testing.T) {
	rows := func(without string, extra string) map[string]string {
		var b strings.Builder
		for _, r := range owed["docs/reliability.md"].ranges {
			for n := r[0]; n <= r[1]; n++ {
				if number := fmt.Sprintf("%02d", n); number != without {
					b.WriteString("| R-" + number + " | holds | `TestIt` |\n")
				}
			}
		}
		return map[string]string{"docs/reliability.md": "# Page\n\n| | what | test |\n| --- | --- | --- |\n" + b.String() + extra}
	}
	mustFind(t, unkeptPromises, []planted{
		{"all", rows("", ""), ""},
		{"one too few", rows("16", ""), "no row of R-16"},
		{"the last too few", rows("31", ""), "no row of R-31"},
		{"without a test", rows("06", "| R-06 | holds | by itself |\n"), "R-06 names no test"},
		{"with nothing to hold", rows("06", "| R-06 | Go has no such thing. | nothing to hold |\n"), ""},
		{"in prose alone", rows("06", "R-06 is held by `TestIt`.\n"), "no row of R-06"},
	})
}
