package e2e_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/headrace/headrace/internal/need"
)

// npm returns where the scripts of clients can run, with what they use.
func npm(t *testing.T) (dir string) {
	t.Helper()
	need.Program(t, "npm")
	if err := watchSources(); err != nil {
		t.Fatal(err)
	}
	dir, err := install()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// install fetches nothing but what the lock file names, by its hash.
var install = sync.OnceValues(func() (dir string, err error) {
	dir = filepath.Join(bin, "clients.npm")
	if err := os.CopyFS(dir, os.DirFS("clients")); err != nil {
		return "", err
	}
	cmd := exec.Command("npm", "ci", "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", cmd, err, out)
	}
	return dir, nil
})

// script is one of clients that runs in node. It says what it does, line by
// line: "ok CLIENT: CHECK" for a check that passed.
type script struct {
	cmd  *exec.Cmd
	name string
	out  io.Reader
}

func node(t *testing.T, name string, args ...string) *script {
	t.Helper()
	s := &script{cmd: exec.CommandContext(t.Context(), need.Program(t, "node"), append([]string{name}, args...)...), name: name}
	s.cmd.Dir, s.cmd.Stderr = npm(t), t.Output()
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.out = out
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return s
}

// wait waits for the end and counts the checks; other lines go to heard. It
// fails the test unless they are as many as testdata says.
func (s *script) wait(t *testing.T, heard func(line string)) {
	t.Helper()
	passed := make(checks)
	for lines := bufio.NewScanner(s.out); lines.Scan(); {
		if !passed.add(lines.Text()) {
			heard(lines.Text())
		}
	}
	if err := s.cmd.Wait(); err != nil {
		t.Errorf("%s: %v", s.cmd, err)
	}
	passed.want(t, s.name)
}

// unheard is for scripts that say nothing but which checks passed.
func unheard(t *testing.T) func(string) {
	return func(line string) { t.Errorf("the script says %q", line) }
}

// checks are how many passed, by client.
type checks map[string]int

func (c checks) add(line string) bool {
	check, ok := strings.CutPrefix(line, "ok ")
	client, _, ok2 := strings.Cut(check, ": ")
	if ok && ok2 {
		c[client]++
	}
	return ok && ok2
}

// want compares with the file, in which numbers may only rise: a client that
// passes fewer checks than it once did has a reason that should be found.
func (c checks) want(t *testing.T, script string) {
	t.Helper()
	const file = "testdata/checks.txt"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) < 3 || f[0] != script {
			continue
		}
		client := strings.Join(f[1:len(f)-1], " ")
		if n, err := strconv.Atoi(f[len(f)-1]); err != nil || c[client] != n {
			t.Errorf("%s passes %d checks, and %s says %s", client, c[client], file, f[len(f)-1])
		}
		delete(c, client)
	}
	for client, n := range c {
		t.Errorf("%s passes %d checks and is not in %s: %s  %s  %d", client, n, file, script, client, n)
	}
}
