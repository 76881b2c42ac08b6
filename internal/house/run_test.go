package house

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/format"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestSnippetsRun runs the Go blocks of the README and of docs/ that end in "// Output:", as those of Example
// functions do, and compares what they print. Statements may use t, a *testing.T; an error that they return fails.
func TestSnippetsRun(t *testing.T) {
	mustHold(t, wrongOutputs(t, repository(t), root))
}

// outputComment is what a block prints, in its last lines.
var outputComment = regexp.MustCompile(`(?m)^\s*// Output:((?:.*\n\s*//.*)*.*)\n\s*}?\s*\z`)

// output returns what a block says that it prints.
func (s snippet) output() (want string, says bool) {
	found := outputComment.FindStringSubmatch(s.text)
	if found == nil {
		return "", false
	}
	lines := strings.Split(found[1], "\n")
	for i, line := range lines {
		lines[i] = strings.TrimPrefix(strings.TrimPrefix(strings.TrimSpace(line), "//"), " ")
	}
	return strings.TrimSpace(strings.Join(lines, "\n")), true
}

// wrongOutputs returns which blocks print something else than they say. All of them become packages of one program,
// which lies in the module at dir for the go command's eyes only.
func wrongOutputs(t *testing.T, from *tree, dir string) []string {
	blocks, err := pageSnippets(from)
	if err != nil {
		return []string{err.Error()}
	}
	blocks = slices.DeleteFunc(blocks, func(s snippet) bool { _, says := s.output(); return !says })
	if len(blocks) == 0 {
		return nil
	}
	p := program{compiler: newCompiler(from), dir: t.TempDir(), overlay: map[string]string{}}
	if err := p.write(blocks, dir); err != nil {
		return []string{err.Error()}
	}
	printed, err := p.run(dir)
	if err != nil {
		return []string{err.Error()}
	}
	var problems []string
	for i, s := range blocks {
		want, _ := s.output()
		if got := strings.TrimSpace(printed[i]); got != want {
			problems = append(problems, fmt.Sprintf("%s:%d: prints\n%s\nand says\n%s", s.page, s.line, got, want))
		}
	}
	return problems
}

// program is what blocks are made into.
type program struct {
	compiler *compiler
	dir      string
	overlay  map[string]string // files by where the go command sees them
}

// mark begins what a block prints.
const mark = "\x01\n"

func (p *program) write(blocks []snippet, dir string) error {
	var imports, calls strings.Builder
	for i, s := range blocks {
		name, call := fmt.Sprintf("page%d", i), "p.Run(t)"
		text, err := p.compiler.source(s)
		if err != nil {
			return err
		}
		if s.whole() {
			text = strings.Replace(text, "func main()", "func Run()", 1)
			call = "func() error { p.Run(); return nil }()"
		}
		text = packageClause.ReplaceAllString(text, "package "+name)
		if err := p.add(dir, name+"/page.go", text); err != nil {
			return err
		}
		fmt.Fprintf(&imports, "import %s %q\n", name, module+"/internal/pages/"+name)
		fmt.Fprintf(&calls, "fmt.Print(%q)\nt.Run(%q, func(t *testing.T) { if err := %s; err != nil { t.Fatal(err) } })\n",
			mark, fmt.Sprintf("%s:%d", s.page, s.line), strings.Replace(call, "p.", name+".", 1))
	}
	test := fmt.Sprintf("package pages\nimport (\"fmt\"; \"testing\")\n%s\nfunc TestPages(t *testing.T) {\n%sfmt.Print(%q)\n}\n", &imports, &calls, mark)
	formatted, err := format.Source([]byte(test))
	if err != nil {
		return err
	}
	return p.add(dir, "pages_test.go", string(formatted))
}

// add writes a file that the go command finds below internal/pages.
func (p *program) add(dir, name, text string) error {
	seen, err := filepath.Abs(filepath.Join(dir, "internal/pages", name))
	if err != nil {
		return err
	}
	file := filepath.Join(p.dir, strings.ReplaceAll(name, "/", "_"))
	p.overlay[seen] = file
	return os.WriteFile(file, []byte(text), 0o600)
}

// run returns what each block printed.
func (p *program) run(dir string) ([]string, error) {
	overlay, err := json.Marshal(map[string]any{"Replace": p.overlay})
	if err != nil {
		return nil, err
	}
	listed, binary := filepath.Join(p.dir, "overlay.json"), filepath.Join(p.dir, "pages.test")
	if err := os.WriteFile(listed, overlay, 0o600); err != nil {
		return nil, err
	}
	build := exec.Command("go", "test", "-vet=off", "-overlay", listed, "-c", "-o", binary, "./internal/pages")
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, out)
	}
	var stderr bytes.Buffer
	run := exec.Command(binary, "-test.timeout=1m")
	run.Dir, run.Stderr = p.dir, &stderr
	out, err := run.Output()
	if err != nil {
		return nil, fmt.Errorf("%w\n%s%s", err, out, &stderr)
	}
	return strings.Split(string(out), mark)[1:], nil
}

// pageSnippets returns the Go blocks of the README and of docs/.
func pageSnippets(t *tree) ([]snippet, error) {
	var blocks []snippet
	for _, page := range t.with(".md") {
		if page != "README.md" && !strings.HasPrefix(page, "docs/") {
			continue
		}
		text, err := fs.ReadFile(t.fsys, page)
		if err != nil {
			return nil, err
		}
		blocks = append(blocks, snippets(page, string(text))...)
	}
	return blocks, nil
}

func TestSnippetsRunFinds(t *testing.T) {
	page := func(block string) map[string]string {
		return map[string]string{"docs/a.md": "# A\n\n```go\n" + block + "```\n"}
	}
	cases := []planted{
		{"as said", page("x := 3\nfmt.Println(x)\nt.Cleanup(func() { fmt.Println(4) })\n// Output:\n// 3\n// 4\n"), ""},
		{"a program", page("package main\n\nimport \"fmt\"\n\nfunc main() {\n\tfmt.Println(3)\n\t// Output: 3\n}\n"), ""},
		{"something else", page("fmt.Println(3)\n// Output: 4\n"), "docs/a.md:4: prints\n3\nand says\n4"},
		{"an error", page("return errors.New(\"no\")\n// Output:\n"), "no"},
		{"does not compile", page("x := 3\n// Output: 3\n"), "docs/a.md:4"},
	}
	mustFind(t, func(from *tree) []string { return wrongOutputs(t, from, root) }, cases)
}

func TestSnippetOutput(t *testing.T) {
	for text, want := range map[string]string{
		"f()\n// Output: 1\n":                             "1",
		"f()\n// Output:\n// 1\n//\n//  2\n":              "1\n\n 2",
		"func main() {\n\tf()\n\t// Output:\n\t// 1\n}\n": "1",
		"f()\n// Output:\n":                               "",
	} {
		if got, says := (snippet{text: text}).output(); got != want || !says {
			t.Errorf("%q prints %q, %v; want %q", text, got, says, want)
		}
	}
	for _, text := range []string{"f()\n", "// Output: 1\nf()\n", "f() // Output: 1\n"} {
		if got, says := (snippet{text: text}).output(); says {
			t.Errorf("%q prints %q", text, got)
		}
	}
}
