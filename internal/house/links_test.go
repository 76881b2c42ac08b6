package house

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"
	"testing"
)

func TestLinks(t *testing.T) { mustHold(t, deadLinks(repository(t))) }

// link matches [text](target "title") and src="target" or href="target".
var link = regexp.MustCompile(`\]\(<?([^)\s>]+)>?(?:\s+"[^"]*")?\)|\b(?:src|href)="([^"]+)"`)

// deadLinks finds the relative links of Markdown pages that point at no file. Links in code are no links.
func deadLinks(t *tree) []string {
	var problems []string
	for _, page := range t.with(".md") {
		text, err := fs.ReadFile(t.fsys, page)
		if err != nil {
			return append(problems, err.Error())
		}
		lines := strings.SplitAfter(string(text), "\n")
		for i := 0; i < len(lines); i++ {
			line := strings.TrimSpace(lines[i])
			if strings.HasPrefix(line, "```") {
				_, i = upTo(fence(line), lines, i+1)
				continue
			}
			for _, match := range link.FindAllStringSubmatch(codeSpan.ReplaceAllString(line, ""), -1) {
				if target := match[1] + match[2]; !exists(t.fsys, page, target) {
					problems = append(problems, fmt.Sprintf("%s:%d: no file at %s", page, i+1, target))
				}
			}
		}
	}
	return problems
}

var (
	codeSpan = regexp.MustCompile("`[^`]*`")
	scheme   = regexp.MustCompile(`^[a-z][a-z+.-]*:|^//`)
)

// exists reports whether a link's target is there: addresses elsewhere and places on the page itself always are.
func exists(fsys fs.FS, page, target string) bool {
	target, _, _ = strings.Cut(target, "#")
	if target == "" || scheme.MatchString(target) {
		return true
	}
	name := path.Join(path.Dir(page), target)
	if rooted, ok := strings.CutPrefix(target, "/"); ok {
		name = path.Clean(rooted)
	}
	_, err := fs.Stat(fsys, name)
	return err == nil
}

func TestDeadLinksFinds(t *testing.T) {
	page := func(text string) map[string]string {
		return map[string]string{"docs/a.md": text, "docs/b.md": "", "README.md": ""}
	}
	mustFind(t, deadLinks, []planted{
		{"beside", page("[b](b.md) and [c](c.md)"), "docs/a.md:1: no file at c.md"},
		{"above", page("[r](../README.md#install \"title\") [s](../NOTHING.md)"), "../NOTHING.md"},
		{"rooted", page("[b](/docs/b.md) [c](/docs/c.md)"), "/docs/c.md"},
		{"folder", page("[docs](../docs/)"), ""},
		{"outside the repository", page("[up](../../etc/passwd)"), "../../etc/passwd"},
		{"image", page(`<img src="x.png">`), "x.png"},
		{"elsewhere", page("[x](https://example.com/x) [y](#y) [m](mailto:a@example.com)"), ""},
		{"code", page("`[x](x.md)`\n```go\nf[T](x)\n```\n"), ""},
	})
}
