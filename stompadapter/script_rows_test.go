package stompadapter_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
)

// requirement is a row of the list in the package documentation.
type requirement struct {
	id     string
	proofs []string // names of scripts and tests
	reason string
}

var requirementLine = regexp.MustCompile(`^([A-J])(\d+) +(?:MUST|SHOULD|MAY|-) +(?:all|<?1\.[012]\+?) +\S`)

// requirements reads the list.
func requirements(t *testing.T) (rows []requirement) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "requirements.go", nil, parser.ParseComments|parser.PackageClauseOnly)
	if err != nil {
		t.Fatal(err)
	}
	kind := ""
	for line := range strings.Lines(file.Doc.Text()) {
		line, ok := strings.CutPrefix(strings.TrimRight(line, "\n"), "\t")
		if !ok {
			continue
		}
		if requirementLine.MatchString(line) {
			id, _, _ := strings.Cut(line, " ")
			rows, kind = append(rows, requirement{id: id}), ""
			continue
		}
		words := strings.Fields(line)
		if len(rows) == 0 || len(words) == 0 {
			t.Fatalf("cannot read %q", line)
		}
		if words[0] == "=" || words[0] == "~" {
			kind, words = words[0], words[1:]
		}
		switch row := &rows[len(rows)-1]; kind {
		case "=":
			row.proofs = append(row.proofs, words...)
		case "~":
			row.reason += strings.Join(words, " ")
		}
	}
	return rows
}

// TestRequirements holds the list in the package documentation to what there is.
func TestRequirements(t *testing.T) {
	rows, all, tests := requirements(t), scripts(t), testNames(t)
	next := 0
	for _, section := range []struct {
		letter string
		rows   int
	}{{"A", 17}, {"B", 20}, {"C", 15}, {"D", 8}, {"E", 6}, {"F", 10}, {"G", 11}, {"H", 6}, {"I", 18}, {"J", 7}} {
		for n := range section.rows {
			if want := section.letter + strconv.Itoa(n+1); next == len(rows) || rows[next].id != want {
				t.Fatalf("row %d is not %s", next, want)
			}
			next++
		}
	}
	if next != len(rows) {
		t.Errorf("%d rows too many", len(rows)-next)
	}
	claimed := map[string][]string{} // rows by script
	for _, row := range rows {
		if len(row.proofs) == 0 && row.reason == "" {
			t.Errorf("%s has neither a proof nor a reason", row.id)
		}
		for _, proof := range row.proofs {
			isScript := slices.ContainsFunc(all, func(s script) bool { return s.name == proof })
			if !isScript && !tests[proof] {
				t.Errorf("%s names %s, which is neither a script nor a test", row.id, proof)
			}
			claimed[proof] = append(claimed[proof], row.id)
		}
	}
	for _, s := range all {
		slices.Sort(s.rows)
		slices.Sort(claimed[s.name])
		if !slices.Equal(s.rows, claimed[s.name]) {
			t.Errorf("%s is for the rows %v, and those that name it are %v", s.name, s.rows, claimed[s.name])
		}
	}
	if len(all) < 120 {
		t.Errorf("%d scripts", len(all))
	}
}

// testNames returns the tests of this package, and those of others behind the
// package's name.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for dir, prefix := range map[string]string{".": "", "frame": "frame.", "client": "client.", "sockjs": "sockjs.", "../transport": "transport."} {
		files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			source, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, source, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range file.Decls {
				f, ok := d.(*ast.FuncDecl)
				if ok && f.Recv == nil && (strings.HasPrefix(f.Name.Name, "Test") || strings.HasPrefix(f.Name.Name, "Fuzz")) {
					names[prefix+f.Name.Name] = true
				}
			}
		}
	}
	return names
}

// TestScriptsFail plays conversations that did not go as the script says.
func TestScriptsFail(t *testing.T) {
	const login = "A title.\n# rows: A1\n-- ann connects --\n"
	const asks = login + "-- ann sends --\nSEND\ndestination:/topic/news\nreceipt:1\n\n^@\n"
	const receipt = "RECEIPT\nreceipt-id:1\n\n^@\n"
	for name, tt := range map[string]struct{ text, want string }{
		"what nobody looked at":      {asks, "at the end: ann got"},
		"nothing, but there is":      {asks + "-- ann gets nothing --\n", "RECEIPT"},
		"one frame more":             {asks + "-- ann gets --\n" + receipt + receipt, "want"},
		"one frame less":             {asks + "-- ann sends --\nDISCONNECT\nreceipt:1\n\n^@\n-- ann gets --\n" + receipt, "got too much"},
		"another command":            {asks + "-- ann gets --\nERROR\nreceipt-id:1\n\n^@\n", "want"},
		"another value":              {asks + "-- ann gets --\nRECEIPT\nreceipt-id:2\n\n^@\n", "want"},
		"a header more":              {asks + "-- ann gets --\nRECEIPT\nreceipt-id:1\na:b\n\n^@\n", "want"},
		"a header less":              {asks + "-- ann gets --\nRECEIPT\n\n^@\n", "want"},
		"another order":              {login + "-- ann subscribes s /topic/a --\n-- ann sends --\nSEND\ndestination:/topic/a\n\n^@\n-- ann gets in order --\nMESSAGE\nsubscription:s\n...\n\n^@\n", "want"},
		"a body":                     {asks + "-- ann gets --\nRECEIPT\nreceipt-id:1\n\nbody^@\n", "want"},
		"a word for two texts":       {asks + "-- ann gets --\nRECEIPT\nreceipt-id:{version}\n\n^@\n", "want"},
		"two words for one text":     {asks + asks[len(login):] + "-- ann gets --\nRECEIPT\nreceipt-id:{a}\n\n^@\nRECEIPT\nreceipt-id:{b}\n\n^@\n", "want"},
		"heart-beats":                {login + "-- ann gets heart-beats 1 --\n", `got ""`},
		"closed, but it is open":     {login + "-- ann is closed --\n", "is open"},
		"open, but it is closed":     {login + "-- ann sends --\nDISCONNECT\n\n^@\n", "was closed"},
		"closed with another code":   {login + "-- ann sends --\nDISCONNECT\n\n^@\n-- ann is closed 1001 --\n", "1000"},
		"refused, but it is not":     {login + "-- ann is refused 1002 why --\n", "want"},
		"refused in other words":     {login + "-- ann sends --\nSEND\n\n^@\n-- ann is refused 1002 why --\n", "want"},
		"a subprotocol":              {login + "-- ann is given v12.stomp --\n", "was given"},
		"a step that there is not":   {login + "-- ann wonders --\n", "no such step"},
		"a word that is not known":   {login + "-- ann sends --\n{id}\n", "not known"},
		"a configuration of nothing": {"A title.\n# rows: A1\n# config: colour=blue\n-- ann connects --\n", "unknown configuration"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := parseScript(name, []byte(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) { err = s.play(t, scriptTransports[0], "1.2") })
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	for name, text := range map[string]string{
		"no title": "# rows: A1\n-- ann connects --\n", "no rows": "A title.\n-- ann connects --\n", "no steps": "A title.\n# rows: A1\n",
		"a line for nothing": "A title.\n# rows: A1\n# colour: blue\n-- ann connects --\n",
	} {
		if _, err := parseScript(name, []byte(text)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
