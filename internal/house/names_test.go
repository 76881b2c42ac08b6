package house

import (
	"fmt"
	"go/types"
	"io/fs"
	"regexp"
	"strings"
	"testing"
)

// TestPageNames looks up the names of Go that stand in the text of the README and of docs/, such as `channel.Config.Key`:
// blocks are compiled, text is not.
func TestPageNames(t *testing.T) { mustHold(t, unknownNames(repository(t), root)) }

// qualifiedName matches a name of a package, and a field or a method of it.
var qualifiedName = regexp.MustCompile(`(?:^|[^\w./])([a-z]\w*)\.([A-Z]\w*)(?:\[\w+\])?(?:\.([A-Z]\w*))?`)

// mention is a name on a page.
type mention struct{ place, imported, name, member string }

// unknownNames finds names that their packages have not. The go command runs in dir to find these.
func unknownNames(t *tree, dir string) []string {
	c := newCompiler(t)
	mentions, err := c.mentions(t)
	if err != nil {
		return []string{err.Error()}
	}
	imports := map[string]bool{}
	for _, m := range mentions {
		imports[m.imported] = true
	}
	if err := c.load(imports, dir); err != nil {
		return []string{err.Error()}
	}
	var problems []string
	for _, m := range mentions {
		if err := c.lookUp(m); err != nil {
			problems = append(problems, fmt.Sprintf("%s: %v", m.place, err))
		}
	}
	return problems
}

// mentions returns the names in code spans, those of tests apart: the promises have them.
func (c *compiler) mentions(t *tree) ([]mention, error) {
	var found []mention
	for _, page := range t.with(".md") {
		if page != "README.md" && !strings.HasPrefix(page, "docs/") || strings.HasPrefix(page, "docs/adr/") {
			continue // a decision tells of its time
		}
		text, err := fs.ReadFile(t.fsys, page)
		if err != nil {
			return nil, err
		}
		lines := strings.SplitAfter(string(text), "\n")
		for i := 0; i < len(lines); i++ {
			if line := strings.TrimSpace(lines[i]); strings.HasPrefix(line, "```") {
				_, i = upTo(fence(line), lines, i+1)
				continue
			}
			for _, span := range codeSpan.FindAllString(lines[i], -1) {
				for _, match := range qualifiedName.FindAllStringSubmatch(strings.Trim(span, "`"), -1) {
					imported, known := c.byName[match[1]]
					if known && !testName.MatchString("`"+match[2]+"`") {
						found = append(found, mention{fmt.Sprintf("%s:%d", page, i+1), imported, match[2], match[3]})
					}
				}
			}
		}
	}
	return found, nil
}

func (c *compiler) lookUp(m mention) error {
	pkg, err := c.importer.Import(m.imported)
	if err != nil {
		return err
	}
	object := pkg.Scope().Lookup(m.name)
	if object == nil {
		return fmt.Errorf("%s has no %s", m.imported, m.name)
	}
	if m.member == "" {
		return nil
	}
	if member, _, _ := types.LookupFieldOrMethod(object.Type(), true, pkg, m.member); member == nil {
		return fmt.Errorf("%s.%s has no %s", m.imported, m.name, m.member)
	}
	return nil
}

func TestUnknownNamesFinds(t *testing.T) {
	page := func(text string) map[string]string { return map[string]string{"docs/a.md": text} }
	mustFind(t, func(t *tree) []string { return unknownNames(t, root) }, []planted{
		{"function", page("Call `strings.Cat(a, b)`."), "docs/a.md:1: strings has no Cat"},
		{"field", page("\n| `http.Server.Adress` |"), "docs/a.md:2: net/http.Server has no Adress"},
		{"generic", page("`atomic.Pointer[T].Lode`"), "has no Lode"},
		{"all there", page("`strings.Cut`, `http.Server{}`, `http.Server.Addr`, `atomic.Pointer[T].Load`, `x := bytes.NewReader(p)`"), ""},
		{"a test", page("`strings.TestCut`"), ""},
		{"no package of ours", page("`node.Users`, `example.com/bytes.Nothing`, `a.strings.Cat`"), ""},
		{"not code", page("strings.Cat"), ""},
		{"block", page("```text\n`strings.Cat`\n```\n"), ""},
	})
}
