package house

import (
	"fmt"
	"go/ast"
	"go/token"
	"regexp"
	"strings"
	"testing"
)

func TestDocs(t *testing.T) { mustHold(t, undocumented(repository(t))) }

// zeroValue is the rule for the fields of a Config: the comment says what the zero value means.
var zeroValue = regexp.MustCompile(`(?i)\bzero\b|\b(nil|empty|false) means\b`)

// undocumented finds exported names without a comment, and Config fields that do not state their zero value.
func undocumented(t *tree) []string {
	d := docs{tree: t}
	for _, s := range t.sources {
		if s.isTest() || s.command() {
			continue
		}
		for _, decl := range s.syntax.Decls {
			switch decl := decl.(type) {
			case *ast.FuncDecl:
				d.function(decl)
			case *ast.GenDecl:
				d.group(decl)
			}
		}
	}
	return d.problems
}

type docs struct {
	*tree
	problems []string
}

func (d *docs) need(name *ast.Ident, what string, comments ...*ast.CommentGroup) {
	if !name.IsExported() {
		return
	}
	if said(comments...) == "" {
		d.problems = append(d.problems, d.at(name.Pos(), "%s has no comment", what))
	}
}

// said joins comments; directives such as //go:build say nothing.
func said(comments ...*ast.CommentGroup) string {
	var text strings.Builder
	for _, c := range comments {
		text.WriteString(c.Text())
	}
	return strings.TrimSpace(text.String())
}

func (d *docs) function(f *ast.FuncDecl) {
	if f.Recv == nil {
		d.need(f.Name, "func "+f.Name.Name, f.Doc)
		return
	}
	if receiver := typeName(f.Recv.List[0].Type); receiver.IsExported() {
		d.need(f.Name, fmt.Sprintf("method %s.%s", receiver, f.Name), f.Doc)
	}
}

// typeName returns the name at the heart of a type: T of *pkg.T[K, V].
func typeName(e ast.Expr) *ast.Ident {
	switch e := e.(type) {
	case *ast.Ident:
		return e
	case *ast.StarExpr:
		return typeName(e.X)
	case *ast.IndexExpr:
		return typeName(e.X)
	case *ast.IndexListExpr:
		return typeName(e.X)
	case *ast.SelectorExpr:
		return e.Sel
	case *ast.ParenExpr:
		return typeName(e.X)
	}
	return ast.NewIdent("_")
}

// group checks a declaration of constants, variables or types. A comment above a group in parentheses speaks of
// the group: each name in it needs its own.
func (d *docs) group(g *ast.GenDecl) {
	for _, spec := range g.Specs {
		var above *ast.CommentGroup
		if !g.Lparen.IsValid() {
			above = g.Doc
		}
		switch spec := spec.(type) {
		case *ast.ValueSpec:
			for _, name := range spec.Names {
				d.need(name, g.Tok.String()+" "+name.Name, above, spec.Doc, spec.Comment)
			}
		case *ast.TypeSpec:
			d.need(spec.Name, "type "+spec.Name.Name, above, spec.Doc, spec.Comment)
			if spec.Name.IsExported() {
				d.members(spec.Name.Name, spec.Type)
			}
		}
	}
}

func (d *docs) members(owner string, e ast.Expr) {
	switch e := e.(type) {
	case *ast.StructType:
		for _, field := range e.Fields.List {
			d.field(owner, field)
		}
	case *ast.InterfaceType:
		for _, method := range e.Methods.List {
			for _, name := range method.Names {
				d.need(name, fmt.Sprintf("method %s.%s", owner, name), method.Doc, method.Comment)
			}
		}
	}
}

func (d *docs) field(owner string, f *ast.Field) {
	names := f.Names
	if names == nil { // embedded
		names = []*ast.Ident{typeName(f.Type)}
	}
	for _, name := range names {
		what := fmt.Sprintf("field %s.%s", owner, name)
		d.need(name, what, f.Doc, f.Comment)
		text := said(f.Doc, f.Comment)
		if strings.HasSuffix(owner, "Config") && name.IsExported() && text != "" && !zeroValue.MatchString(text) {
			d.problems = append(d.problems, d.at(f.Pos(), `%s does not state its zero value ("Zero means ...")`, what))
		}
		if name.IsExported() {
			d.members(owner+"."+name.Name, f.Type)
		}
	}
}

func TestPackageDocs(t *testing.T) { mustHold(t, packagesWithoutDoc(repository(t))) }

// packagesWithoutDoc finds packages that no comment introduces.
func packagesWithoutDoc(t *tree) []string {
	first, documented := map[string]token.Pos{}, map[string]bool{}
	var order []string
	for _, s := range t.sources {
		if s.isTest() {
			continue
		}
		if _, seen := first[s.dir()]; !seen {
			first[s.dir()] = s.syntax.Package
			order = append(order, s.dir())
		}
		documented[s.dir()] = documented[s.dir()] || said(s.syntax.Doc) != ""
	}
	var problems []string
	for _, dir := range order {
		if !documented[dir] {
			problems = append(problems, t.at(first[dir], "package %s has no comment", dir))
		}
	}
	return problems
}

func TestUndocumentedFinds(t *testing.T) {
	one := func(text string) map[string]string { return map[string]string{"a/a.go": "package a\n" + text} }
	mustFind(t, undocumented, []planted{
		{"func", one("func F() {}"), "a/a.go:2: func F has no comment"},
		{"documented func", one("// F does.\nfunc F() {}"), ""},
		{"directive", one("//go:noinline\nfunc F() {}"), "func F"},
		{"method", one("// T is.\ntype T[K any] struct{}\nfunc (t *T[K]) M() {}"), "method T.M"},
		{"method of an unexported type", one("type t struct{}\nfunc (t) M() {}"), ""},
		{"const in a group", one("// All.\nconst (\n\tA = 1\n\tB = 2 // B is.\n)"), "const A"},
		{"var", one("var V int"), "var V"},
		{"type", one("type T int"), "type T"},
		{"field", one("// T is.\ntype T struct{ F, g int }"), "field T.F"},
		{"embedded field", one("// T is.\ntype T struct{ U }\ntype u struct{ U int }"), "field T.U"},
		{"nested field", one("// T is.\ntype T struct {\n\tF struct{ G int } // F is.\n}"), "field T.F.G"},
		{"interface method", one("// I is.\ntype I interface {\n\tM()\n}"), "method I.M"},
		{"interface embeds", one("// I is.\ntype I interface {\n\terror\n}"), ""},
		{"zero missing", one("// C is.\ntype WorkerConfig struct {\n\t// N counts.\n\tN int\n}"), "WorkerConfig.N does not state its zero value"},
		{"zero stated", one("// C is.\ntype Config struct {\n\tN int // N counts. Zero means 4.\n\tF func() // Nil means none.\n\tq int\n}"), ""},
		{"zero outside a Config", one("// O is.\ntype Other struct {\n\tN int // N counts.\n}"), ""},
		{"test file", map[string]string{"a/a_test.go": "package a\nfunc F() {}"}, ""},
		{"command", map[string]string{"a/a.go": "package main\nfunc F() {}"}, ""},
	})
}

func TestPackagesWithoutDocFinds(t *testing.T) {
	mustFind(t, packagesWithoutDoc, []planted{
		{"missing", map[string]string{"a/a.go": "package a\n", "a/b.go": "package a\n"}, "package a has no comment"},
		{"in doc.go", map[string]string{"a/a.go": "package a\n", "a/doc.go": "// Package a is.\npackage a\n"}, ""},
	})
}
