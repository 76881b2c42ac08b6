package house

import (
	"bytes"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"
)

// A page is read from beginning to end by somebody who has other things to do. Pages of promises are looked things up in.
const (
	maxReadme = 200
	maxPage   = 250
)

// pagesIndex has a line for each page beside it.
const pagesIndex = "docs/README.md"

func TestPageLength(t *testing.T) { mustHold(t, longPages(repository(t))) }
func TestPageIndex(t *testing.T)  { mustHold(t, unlistedPages(repository(t))) }

// longPages finds pages that are too long.
func longPages(t *tree) []string {
	var problems []string
	for _, page := range t.with(".md") {
		limit := maxPage
		switch {
		case page == "README.md":
			limit = maxReadme
		case path.Dir(page) != "docs" || slices.Contains(promisePages, page):
			continue
		}
		text, err := fs.ReadFile(t.fsys, page)
		if err != nil {
			return append(problems, err.Error())
		}
		if n := bytes.Count(text, []byte("\n")); n >= limit {
			problems = append(problems, fmt.Sprintf("%s: %d lines, want less than %d", page, n, limit))
		}
	}
	return problems
}

// unlistedPages finds pages that the index does not link.
func unlistedPages(t *tree) []string {
	if !slices.Contains(t.paths, pagesIndex) {
		return nil
	}
	index, err := fs.ReadFile(t.fsys, pagesIndex)
	if err != nil {
		return []string{err.Error()}
	}
	var problems []string
	for _, page := range t.with(".md") {
		if path.Dir(page) == "docs" && page != pagesIndex && !bytes.Contains(index, []byte("]("+path.Base(page)+")")) {
			problems = append(problems, pagesIndex+": no line for "+path.Base(page))
		}
	}
	return problems
}

func TestLongPagesFinds(t *testing.T) {
	lines := func(n int) string { return strings.Repeat("\n", n) }
	mustFind(t, longPages, []planted{
		{"README", map[string]string{"README.md": lines(maxReadme)}, "README.md: 200 lines"},
		{"page", map[string]string{"docs/a.md": lines(maxPage)}, "docs/a.md: 250 lines"},
		{"just below", map[string]string{"README.md": lines(maxReadme - 1), "docs/a.md": lines(maxPage - 1)}, ""},
		{"promises", map[string]string{"docs/spring.md": lines(maxPage)}, ""},
		{"elsewhere", map[string]string{"CHANGELOG.md": lines(maxPage), "docs/adr/1.md": lines(maxPage)}, ""},
	})
}

func TestUnlistedPagesFinds(t *testing.T) {
	mustFind(t, unlistedPages, []planted{
		{"missing", map[string]string{pagesIndex: "[a](a.md)", "docs/a.md": "", "docs/b.md": ""}, "no line for b.md"},
		{"listed", map[string]string{pagesIndex: "[a](a.md)", "docs/a.md": "", "docs/adr/1.md": ""}, ""},
	})
}
