package house

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"slices"
	"strconv"
	"strings"
)

// wellKnown lists the packages that a fragment may use without an import, besides the rooms of this repository.
var wellKnown = []string{
	"bytes", "context", "crypto/rand", "crypto/tls", "embed", "encoding/json", "errors", "fmt", "io", "iter", "log", "log/slog",
	"maps", "net", "net/http", "net/http/httptest", "net/netip", "net/url", "os", "os/signal", "runtime", "slices", "strconv", "strings", "sync",
	"sync/atomic", "syscall", "testing", "testing/synctest", "time",
	gorilla, otel, otel + "/attribute", otel + "/metric", otel + "/trace", watermill, watermill + "/pubsub/gochannel",
	"go.uber.org/goleak", "golang.org/x/time/rate",
}

// compiler type-checks snippets. What they import it takes from the build cache.
type compiler struct {
	fset     *token.FileSet
	byName   map[string]string // import paths by the names of packages
	exported map[string]string // files of export data by import path
	importer types.Importer
	problems []string
}

func newCompiler(t *tree) *compiler {
	c := &compiler{fset: token.NewFileSet(), byName: map[string]string{}, exported: map[string]string{}}
	c.importer = importer.ForCompiler(c.fset, "gc", c.open)
	for _, imported := range wellKnown {
		c.byName[path.Base(imported)] = imported
	}
	for _, dir := range publicPackages(t) {
		c.byName[path.Base(path.Join(module, dir))] = path.Join(module, dir)
	}
	return c
}

func (c *compiler) compile(blocks []snippet, dir string) []string {
	files := make([]*ast.File, 0, len(blocks))
	whole := map[*ast.File]bool{}
	for _, s := range blocks {
		file, err := c.parse(s)
		if err != nil {
			c.problems = append(c.problems, err.Error())
			continue
		}
		files = append(files, file)
		whole[file] = s.whole()
	}
	imported := map[string]bool{}
	for _, file := range files {
		for _, spec := range file.Imports {
			name, _ := strconv.Unquote(spec.Path.Value)
			imported[name] = true
		}
	}
	if err := c.load(imported, dir); err != nil {
		return append(c.problems, err.Error())
	}
	for _, file := range files {
		c.check(file, whole[file])
	}
	return c.problems
}

// parse makes a file of a snippet.
func (c *compiler) parse(s snippet) (*ast.File, error) {
	text, err := c.source(s)
	if err != nil {
		return nil, err
	}
	return parser.ParseFile(c.fset, "", text, 0)
}

// source returns a snippet as the text of a file: a whole one as it stands, a fragment as declarations, else as
// statements.
func (c *compiler) source(s snippet) (string, error) {
	if s.whole() {
		return at(s.page, s.line, s.text), nil
	}
	rest := s.declarations()
	file, asDeclarations := parser.ParseFile(c.fset, "", "package snippet\n"+rest, 0)
	if asDeclarations != nil {
		var asStatements error
		rest = s.statements()
		if file, asStatements = parser.ParseFile(c.fset, "", "package snippet\n"+rest, 0); asStatements != nil {
			return "", fmt.Errorf("%w (nor are these declarations: %w)", asStatements, asDeclarations)
		}
	}
	return "package snippet\n" + c.missingImports(file) + rest, nil
}

// missingImports returns import declarations for the packages that a fragment uses and does not import itself.
func (c *compiler) missingImports(file *ast.File) string {
	var decls strings.Builder
	done := map[string]bool{}
	for _, spec := range file.Imports {
		imported, _ := strconv.Unquote(spec.Path.Value)
		done[path.Base(imported)] = true
		if spec.Name != nil {
			done[spec.Name.Name] = true
		}
	}
	for _, id := range file.Unresolved {
		if imported, ok := c.byName[id.Name]; ok && !done[id.Name] && qualifies(file, id) {
			done[id.Name] = true
			fmt.Fprintf(&decls, "import %s %q\n", id.Name, imported)
		}
	}
	return decls.String()
}

// qualifies reports whether a name stands before a dot, as that of a package does.
func qualifies(file *ast.File, id *ast.Ident) bool {
	for n := range ast.Preorder(file) {
		if sel, ok := n.(*ast.SelectorExpr); ok && sel.X == ast.Expr(id) {
			return true
		}
	}
	return false
}

// load asks the go command for the export data of packages and of all that these import. In workspace mode they may be
// of any module of the repository. What it does not find, check reports at the import.
func (c *compiler) load(imported map[string]bool, dir string) error {
	if len(imported) == 0 {
		return nil
	}
	args := []string{"list", "-e", "-export", "-deps", "-f", "{{with .Export}}{{$.ImportPath}} {{.}}{{end}}", "--"}
	cmd := exec.Command("go", append(args, slices.Sorted(maps.Keys(imported))...)...)
	var stderr bytes.Buffer
	cmd.Dir, cmd.Stderr = dir, &stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("go list: %w\n%s", err, &stderr)
	}
	for line := range strings.Lines(string(out)) {
		name, file, _ := strings.Cut(strings.TrimSpace(line), " ")
		c.exported[name] = file
	}
	return nil
}

func (c *compiler) check(file *ast.File, whole bool) {
	config := types.Config{
		Importer: c.importer,
		Error: func(err error) {
			var e types.Error
			if errors.As(err, &e) && !whole && strings.HasPrefix(e.Msg, "declared and not used") {
				return // a fragment ends before its variables are used
			}
			c.problems = append(c.problems, err.Error())
		},
	}
	_, _ = config.Check("snippet", c.fset, []*ast.File{file}, nil) // Error has them all
}

func (c *compiler) open(imported string) (io.ReadCloser, error) {
	file, ok := c.exported[imported]
	if !ok {
		return nil, errors.New("no such package, or it does not compile")
	}
	return os.Open(file)
}
