package house

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/build"
	"go/doc"
	"go/format"
	"go/parser"
	"go/printer"
	"go/token"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestAPI compares the exported API of every public package of the root module with api/<package>.txt, so that a
// change of the API is seen in review.
func TestAPI(t *testing.T) {
	tree := repository(t)
	want := map[string]bool{}
	for _, dir := range publicPackages(tree) {
		got, err := api(tree.fsys, dir)
		if err != nil {
			t.Error(err)
			continue
		}
		name := apiFile(dir)
		want[name] = true
		golden(t, name, got)
	}
	for _, name := range tree.with(".txt") {
		if !strings.HasPrefix(name, "api/") || want[name] {
			continue
		}
		if !*update {
			t.Errorf("%s: the package is gone; run make api", name)
		} else if err := os.Remove(filepath.Join(root, name)); err != nil {
			t.Error(err)
		}
	}
}

func apiFile(dir string) string {
	if dir == "." {
		dir = path.Base(module)
	}
	return "api/" + dir + ".txt"
}

// publicPackages lists the folders of the packages that users of the root module can import.
func publicPackages(t *tree) []string {
	var dirs []string
	for _, s := range t.sources {
		house, _, _ := strings.Cut(s.path, "/")
		if s.isTest() || s.command() || slices.Contains([]string{"examples", "bench", "internal"}, house) || strings.Contains(s.path, "/internal/") {
			continue
		}
		if !slices.Contains(dirs, s.dir()) {
			dirs = append(dirs, s.dir())
		}
	}
	return dirs
}

// api renders the exported declarations of a package as it is built on linux/amd64, without their comments: what
// a caller's code depends on and nothing else.
func api(fsys fs.FS, dir string) (string, error) {
	fset := token.NewFileSet()
	files, err := packageFiles(fset, fsys, dir)
	if err != nil {
		return "", err
	}
	pkg, err := doc.NewFromFiles(fset, files, path.Join(module, dir))
	if err != nil {
		return "", err
	}
	out := apiWriter{fset: fset}
	fmt.Fprintf(&out.text, "package %s\n", pkg.Name)
	out.values(pkg.Consts)
	out.values(pkg.Vars)
	out.funcs(pkg.Funcs)
	for _, t := range pkg.Types {
		out.decl(t.Decl)
		out.values(t.Consts)
		out.values(t.Vars)
		out.funcs(t.Funcs)
		out.funcs(t.Methods)
	}
	text, err := format.Source(out.text.Bytes())
	return string(text), err
}

func packageFiles(fset *token.FileSet, fsys fs.FS, dir string) ([]*ast.File, error) {
	target := build.Default
	target.GOOS, target.GOARCH, target.CgoEnabled = "linux", "amd64", false
	target.JoinPath = path.Join
	target.OpenFile = func(name string) (io.ReadCloser, error) { return fsys.Open(name) }
	names, err := fs.Glob(fsys, path.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	var files []*ast.File
	for _, name := range names {
		if match, err := target.MatchFile(dir, path.Base(name)); err != nil || !match || strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, err
		}
		file, err := parser.ParseFile(fset, name, text, 0)
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	return files, nil
}

type apiWriter struct {
	fset *token.FileSet
	text bytes.Buffer
}

// decl prints a declaration without the blank lines that its comments left behind.
func (w *apiWriter) decl(d ast.Decl) {
	var text bytes.Buffer
	if err := printer.Fprint(&text, w.fset, d); err != nil {
		panic(err) // a bytes.Buffer takes everything, and the parser made d
	}
	w.text.WriteByte('\n')
	for line := range strings.Lines(text.String()) {
		if strings.TrimSpace(line) != "" {
			w.text.WriteString(line)
		}
	}
	w.text.WriteByte('\n')
}

func (w *apiWriter) values(values []*doc.Value) {
	for _, v := range values {
		w.decl(v.Decl)
	}
}

func (w *apiWriter) funcs(funcs []*doc.Func) {
	for _, f := range funcs {
		w.decl(f.Decl)
	}
}

func TestAPIText(t *testing.T) {
	tree := treeOf(t, map[string]string{
		"message/a.go": `// Package message is.
package message

// Max is.
const Max = 1

const min = 2

type Pair[K comparable] struct {
	// Key is.
	Key K

	// LongName is.
	LongName string // the second

	hidden int
}

// New makes.
func New[K comparable]() *Pair[K] { return nil }

func (p *Pair[K]) Swap(to K) (K, error) { return to, nil }
func helper()                           {}
`,
		"message/a_windows.go": "package message\n\nfunc Elsewhere() {}\n",
		"message/a_test.go":    "package message\n\nfunc InTest() {}\n",
	})
	const want = `package message

const Max = 1

type Pair[K comparable] struct {
	Key      K
	LongName string
	// contains filtered or unexported fields
}

func New[K comparable]() *Pair[K]

func (p *Pair[K]) Swap(to K) (K, error)
`
	got, err := api(tree.fsys, "message")
	if err != nil || got != want {
		t.Errorf("got %q, %v\nwant %q", got, err, want)
	}
}
