package house

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
)

// module is the path of the root module. The other modules lie below it, so a folder gives its import path in each.
const module = "github.com/headrace/headrace"

// root is where this package's tests find the repository.
const root = "../.."

var update = flag.Bool("update", false, "rewrite the golden files instead of comparing with them")

// source is one Go file.
type source struct {
	path   string // from the root of the repository, with slashes
	text   []byte
	syntax *ast.File
}

func (s source) dir() string   { return path.Dir(s.path) }
func (s source) isTest() bool  { return strings.HasSuffix(s.path, "_test.go") }
func (s source) command() bool { return s.syntax.Name.Name == "main" }

// tree is what the checks read: the repository, or a few files written in a test.
type tree struct {
	fsys    fs.FS
	fset    *token.FileSet
	paths   []string // every file
	sources []source // every Go file that belongs to a package, not those under testdata
	broken  []string // why the others could not be parsed
}

func readTree(fsys fs.FS) (*tree, error) {
	t := &tree{fsys: fsys, fset: token.NewFileSet()}
	err := fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if outside(name, entry.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		t.paths = append(t.paths, name)
		if path.Ext(name) != ".go" || strings.Contains("/"+name, "/testdata/") {
			return nil
		}
		return t.parse(name)
	})
	return t, err
}

// outside reports whether a folder is no part of the repository's own files: .git, built tools, npm's packages.
func outside(name, base string) bool {
	return name != "." && strings.HasPrefix(base, ".") || name == "bin" || base == "node_modules"
}

func (t *tree) parse(name string) error {
	text, err := fs.ReadFile(t.fsys, name)
	if err != nil {
		return err
	}
	syntax, err := parser.ParseFile(t.fset, name, text, parser.ParseComments)
	if err != nil {
		t.broken = append(t.broken, err.Error())
		return nil
	}
	t.sources = append(t.sources, source{name, text, syntax})
	return nil
}

// at returns a problem the way compilers write it, so that editors find the place.
func (t *tree) at(pos token.Pos, format string, args ...any) string {
	p := t.fset.Position(pos)
	return fmt.Sprintf("%s:%d: %s", p.Filename, p.Line, fmt.Sprintf(format, args...))
}

// with returns the paths of the files whose names end in suffix.
func (t *tree) with(suffix string) []string {
	var found []string
	for _, name := range t.paths {
		if strings.HasSuffix(name, suffix) {
			found = append(found, name)
		}
	}
	return found
}

var readRepository = sync.OnceValues(func() (*tree, error) { return readTree(os.DirFS(root)) })

func repository(t *testing.T) *tree {
	t.Helper()
	tree, err := readRepository()
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// treeOf makes a tree of files written in a test.
func treeOf(t *testing.T, files map[string]string) *tree {
	t.Helper()
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	tree, err := readTree(fsys)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// mustHold fails the test once for every problem.
func mustHold(t *testing.T, problems []string) {
	t.Helper()
	for _, p := range problems {
		t.Error(p)
	}
}

// planted is a violation written in memory, and a part of what its check must say; "" means that nothing is wrong.
type planted struct {
	name  string
	files map[string]string
	want  string
}

// mustFind runs a check on planted violations: each must be found, alone.
func mustFind(t *testing.T, check func(*tree) []string, cases []planted) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := check(treeOf(t, c.files))
			switch {
			case c.want == "" && len(got) > 0:
				t.Errorf("found %q, want nothing", got)
			case c.want != "" && (len(got) != 1 || !strings.Contains(got[0], c.want)):
				t.Errorf("found %q, want one problem with %q", got, c.want)
			}
		})
	}
}
