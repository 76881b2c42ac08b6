package house

import (
	"bytes"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestLayering(t *testing.T) { mustHold(t, layering(repository(t))) }

func TestNeutralFloors(t *testing.T) { mustHold(t, foreignWords(repository(t))) }

// layering finds the imports that the table of the house does not allow, and the packages that have no row.
func layering(t *tree) []string {
	var problems []string
	for _, s := range t.sources {
		row, ok := rowOf(s.dir())
		if !ok {
			problems = append(problems, t.at(s.syntax.Package, "package %s has no row in internal/house/rooms_test.go", s.dir()))
			continue
		}
		for _, spec := range s.syntax.Imports {
			imported, _ := strconv.Unquote(spec.Path.Value)
			if why := row.refuses(s, imported); why != "" {
				problems = append(problems, t.at(spec.Pos(), "%s must not import %s: %s", s.dir(), imported, why))
			}
		}
	}
	return problems
}

// rowOf returns the row of a package: an exact one, else the longest that ends in "/...".
func rowOf(dir string) (best room, found bool) {
	for _, r := range rooms {
		if r.path == dir {
			return r, true
		}
		if covers(r.path, dir) && len(r.path) > len(best.path) {
			best, found = r, true
		}
	}
	return best, found
}

func covers(pattern, dir string) bool {
	prefix, deep := strings.CutSuffix(pattern, "/...")
	return dir == prefix || deep && strings.HasPrefix(dir, prefix+"/")
}

// refuses returns why the room may not import a package, or "".
func (r room) refuses(s source, imported string) string {
	if imported == module || strings.HasPrefix(imported, module+"/") {
		return r.refusesRoom(s, path.Clean("./"+strings.TrimPrefix(imported, module)))
	}
	if first, _, _ := strings.Cut(imported, "/"); !strings.Contains(first, ".") {
		if !r.http && (imported == "net/http" || strings.HasPrefix(imported, "net/http/") || imported == "net/rpc" || imported == "expvar") {
			return "this room has no net/http"
		}
		return ""
	}
	if slices.Contains(r.modules, anything) || s.isTest() && (within(imported, testKit) || within(imported, r.testModules)) {
		return ""
	}
	if within(imported, r.modules) && !within(imported, []string{otelSDK}) {
		return ""
	}
	return "its row does not list this module"
}

func (r room) refusesRoom(s source, to string) string {
	if slices.ContainsFunc(r.imports, func(pattern string) bool { return covers(pattern, to) }) {
		return ""
	}
	if s.isTest() {
		row, ok := rowOf(to)
		if to == s.dir() || to == "messagetest" || ok && row.floor <= r.floor {
			return ""
		}
		return "tests import their own floor, those below and messagetest"
	}
	return "its row does not list this room"
}

func within(imported string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(prefix string) bool {
		return imported == prefix || strings.HasPrefix(imported, prefix+"/")
	})
}

// foreignWords finds the name of the one protocol in the rooms that serve all of them.
func foreignWords(t *tree) []string {
	word := []byte("stomp")
	var problems []string
	for _, name := range t.paths {
		house, _, _ := strings.Cut(name, "/")
		if !slices.Contains(neutral, house) {
			continue
		}
		text, err := fs.ReadFile(t.fsys, name)
		if err != nil {
			return append(problems, err.Error())
		}
		if bytes.Contains(bytes.ToLower([]byte(name)), word) {
			problems = append(problems, fmt.Sprintf("%s: the name says %q: %s serves every protocol", name, word, house))
		}
		for i, line := range bytes.Split(bytes.ToLower(text), []byte("\n")) {
			if bytes.Contains(line, word) {
				problems = append(problems, fmt.Sprintf("%s:%d: says %q: %s serves every protocol", name, i+1, word, house))
			}
		}
	}
	return problems
}

// TestRooms holds the table itself to its own rule: arrows point down, or stay inside one house.
func TestRooms(t *testing.T) {
	houseOf := func(p string) string { h, _, _ := strings.Cut(p, "/"); return h }
	for _, r := range rooms {
		for _, to := range r.imports {
			target, ok := rowOf(strings.TrimSuffix(to, "/..."))
			switch {
			case !ok:
				t.Errorf("row %s: no room %s", r.path, to)
			case houseOf(to) == houseOf(r.path), r.path == "messagetest" && target.floor <= 2:
			case target.floor >= r.floor:
				t.Errorf("row %s (floor %d): %s (floor %d) is not below it", r.path, r.floor, to, target.floor)
			}
		}
	}
}

func TestLayeringFinds(t *testing.T) {
	file := func(pkg string, imports ...string) string {
		text := "package " + pkg + "\n"
		for _, i := range imports {
			text += "import _ " + strconv.Quote(i) + "\n"
		}
		return text
	}
	mustFind(t, layering, []planted{
		{"standard library", map[string]string{"message/a.go": file("message", "context", "encoding/json")}, ""},
		{"down", map[string]string{"channel/a.go": file("channel", module+"/message")}, ""},
		{"up", map[string]string{"message/a.go": file("message", module+"/channel")}, "message/a.go:2: message must not import"},
		{"sideways", map[string]string{"handler/a.go": file("handler", module+"/broker")}, "does not list this room"},
		{"the root", map[string]string{"handler/a.go": file("handler", module)}, "does not list this room"},
		{"no row", map[string]string{"cellar/a.go": file("cellar")}, "cellar has no row"},
		{"no row below a room", map[string]string{"channel/pool/a.go": file("pool")}, "channel/pool has no row"},
		{"http", map[string]string{"broker/a.go": file("broker", "net/http")}, "no net/http"},
		{"http in a test", map[string]string{"message/a_test.go": file("message_test", "net/http/httptest")}, "no net/http"},
		{"http where it belongs", map[string]string{"transport/a.go": file("transport", "net/http", gorilla)}, ""},
		{"foreign module", map[string]string{"channel/a.go": file("channel", "golang.org/x/sync/errgroup")}, "does not list this module"},
		{"similar module", map[string]string{"transport/a.go": file("transport", gorilla+"2")}, "does not list this module"},
		{"gorilla in the server", map[string]string{"stompadapter/a.go": file("stompadapter", gorilla)}, "does not list this module"},
		{"gorilla in its tests", map[string]string{"stompadapter/a_test.go": file("stompadapter_test", gorilla)}, ""},
		{"telemetry API", map[string]string{"interceptor/telemetry/a.go": file("telemetry", otel+"/trace")}, ""},
		{"telemetry SDK", map[string]string{"interceptor/telemetry/a.go": file("telemetry", otelSDK+"/trace")}, "does not list this module"},
		{"telemetry SDK in a test", map[string]string{"interceptor/telemetry/a_test.go": file("telemetry_test", otelSDK+"/trace")}, ""},
		{"telemetry elsewhere", map[string]string{"broker/a.go": file("broker", otel)}, "does not list this module"},
		{"test kit in a test", map[string]string{"channel/a_test.go": file("channel_test", "go.uber.org/goleak", module+"/messagetest", module+"/channel")}, ""},
		{"test kit in the code", map[string]string{"channel/a.go": file("channel", module+"/messagetest")}, "does not list this room"},
		{"test of the floor above", map[string]string{"channel/a_test.go": file("channel_test", module+"/broker")}, "tests import"},
		{"example", map[string]string{"examples/chat/a.go": file("main", module, module+"/stompadapter", otelSDK+"/trace")}, ""},
		{"example with private code", map[string]string{"examples/chat/a.go": file("main", module+"/internal/house")}, "does not list this room"},
	})
}

func TestForeignWordsFinds(t *testing.T) {
	mustFind(t, foreignWords, []planted{
		{"comment", map[string]string{"broker/a.go": "package broker\n\n// like sTOMP\n"}, "broker/a.go:3: says"},
		{"test data", map[string]string{"transport/testdata/x.txt": "STOMP"}, "transport/testdata/x.txt:1"},
		{"name", map[string]string{"message/stomp.go": "package message\n"}, "the name says"},
		{"adapter", map[string]string{"stompadapter/a.go": "package stompadapter // STOMP\n"}, ""},
	})
}
