package house

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// TestSnippets type-checks every Go block of the README and of docs/. A block is a whole file, declarations, or the
// statements of a function; the last two need no imports. What a block uses and does not show stands in a comment
// right before it, as declarations: <!-- go ... -->
func TestSnippets(t *testing.T) { mustHold(t, brokenSnippets(repository(t), root)) }

// brokenSnippets returns what a compiler says of the blocks. The go command runs in dir to find what they import.
func brokenSnippets(t *tree, dir string) []string {
	blocks, err := pageSnippets(t)
	if err != nil {
		return []string{err.Error()}
	}
	return newCompiler(t).compile(blocks, dir)
}

// snippet is one Go block of a page.
type snippet struct {
	page       string
	line       int // of its first line
	text       string
	hiddenLine int
	hidden     string // the comment before it
}

// snippets cuts the Go blocks out of a page.
func snippets(page, text string) []snippet {
	var found []snippet
	lines := strings.SplitAfter(text, "\n")
	next := snippet{page: page}
	for i := 0; i < len(lines); i++ {
		switch line := strings.TrimSpace(lines[i]); {
		case line == "<!-- go":
			next.hiddenLine = i + 2
			next.hidden, i = upTo("-->", lines, i+1)
		case line == "```go":
			next.line = i + 2
			next.text, i = upTo("```", lines, i+1)
			found = append(found, next)
			next = snippet{page: page}
		case strings.HasPrefix(line, "```"):
			_, i = upTo(fence(line), lines, i+1)
			next = snippet{page: page}
		case line != "":
			next = snippet{page: page}
		}
	}
	return found
}

// upTo joins the lines from the first one until one that is end, and returns the place of that.
func upTo(end string, lines []string, first int) (string, int) {
	last := first
	for last < len(lines) && strings.TrimSpace(lines[last]) != end {
		last++
	}
	return strings.Join(lines[first:last], ""), last
}

// fence returns the backticks that a line begins with: as many close the block that it opens.
func fence(line string) string { return line[:len(line)-len(strings.TrimLeft(line, "`"))] }

var packageClause = regexp.MustCompile(`(?m)^package \w+`)

// whole reports whether a block is a file with imports of its own.
func (s snippet) whole() bool { return packageClause.MatchString(s.text) }

// declarations and statements return a fragment as the rest of a file. A return with an error, or with nothing,
// fits the function around statements.
func (s snippet) declarations() string {
	return at(s.page, s.hiddenLine, s.hidden) + at(s.page, s.line, s.text)
}

func (s snippet) statements() string {
	signature := "func _()"
	if _, says := s.output(); says {
		signature = "func Run(t *testing.T)"
	}
	return at(s.page, s.hiddenLine, s.hidden) + signature + " (_ error) {" + at(s.page, s.line, s.text) + "return\n}\n"
}

// at makes the compiler's positions in a part of a page those of the page.
func at(page string, line int, text string) string {
	if text == "" {
		return ""
	}
	return fmt.Sprintf("\n//line %s:%d\n%s\n", page, line, text)
}

func TestSnippetsFinds(t *testing.T) {
	const hello = "```go\npackage main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println(1) }\n```\n"
	cases := []planted{
		{"whole file", map[string]string{"README.md": hello}, ""},
		{"declarations", map[string]string{"README.md": "```go\ntype T struct{}\n\nfunc (T) String() string { return fmt.Sprint(1) }\n```\n"}, ""},
		{"statements", map[string]string{"docs/a.md": "Text.\n\n```go\nx := strings.Repeat(\"a\", 2)\nif err := os.Chdir(x); err != nil {\n\treturn err\n}\n```\n"}, ""},
		{"hidden", map[string]string{"docs/a.md": "<!-- go\nvar given int\n-->\n```go\nfmt.Println(given)\n```\n"}, ""},
		{"hidden is for one block", map[string]string{"docs/a.md": "<!-- go\nvar given int\n-->\n```go\nfmt.Println(given)\n```\n```go\nfmt.Println(given)\n```\n"}, "docs/a.md:8: undefined: given"},
		{"own import wins", map[string]string{"docs/a.md": "<!-- go\nimport rand \"math/rand/v2\"\n-->\n```go\nfmt.Println(rand.N(3))\n```\n"}, ""},
		{"wrong type", map[string]string{"docs/a/b.md": "# T\n\n```go\nvar x int = \"no\"\nfmt.Println(x)\n```\n"}, "docs/a/b.md:4: cannot use"},
		{"wrong name", map[string]string{"README.md": "```go\nfmt.Printl(1)\n```\n"}, "README.md:2: undefined: fmt.Printl"},
		{"wrong hidden line", map[string]string{"README.md": "<!-- go\nvar a int\nvar b = c\n-->\n```go\nfmt.Println(a)\n```\n"}, "README.md:3: undefined: c"},
		{"unused import of a file", map[string]string{"README.md": strings.Replace(hello, "1", "", 1) + strings.Replace(hello, "fmt.Println(1)", "", 1)}, `README.md:11: "fmt" imported and not used`},
		{"syntax", map[string]string{"README.md": "Text.\n```go\nx := (\n```\n"}, "README.md:3:"},
		{"no such package", map[string]string{"README.md": "```go\npackage main\n\nimport _ \"example.com/none\"\n```\n"}, "README.md:4: could not import example.com/none"},
		{"text", map[string]string{"README.md": "```text\nx := ...\n```\n"}, ""},
		{"in a longer fence", map[string]string{"README.md": "````text\n```go\nx := ...\n```\n````\n"}, ""},
		{"other pages", map[string]string{"CHANGELOG.md": "```go\nx := ...\n```\n"}, ""},
	}
	mustFind(t, func(t *tree) []string { return brokenSnippets(t, root) }, cases)
}

func TestSnippetPositions(t *testing.T) {
	got := snippets("a.md", "# T\n```sh\nls\n```\n<!-- go\nhidden\n-->\n\n```go\nshown\n```\n")
	want := snippet{page: "a.md", line: 10, text: "shown\n", hiddenLine: 6, hidden: "hidden\n"}
	if len(got) != 1 || got[0] != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
