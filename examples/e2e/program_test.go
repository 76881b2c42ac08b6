// Package e2e_test runs the examples as programs and uses them as people do:
// with a browser, with another client, with signals.
package e2e_test

import (
	"bytes"
	"io"
	"io/fs"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	_ "github.com/headrace/headrace"
	_ "github.com/headrace/headrace/stompadapter"
)

// bin is where the examples are built.
var bin string

func TestMain(m *testing.M) {
	var err error
	if bin, err = os.MkdirTemp("", "headrace-examples-"); err != nil {
		log.Fatal(err)
	}
	code := 1
	if out, err := exec.Command("go", buildArgs()...).CombinedOutput(); err != nil {
		log.Printf("go build: %v\n%s", err, out)
	} else {
		code = m.Run()
	}
	os.RemoveAll(bin)
	os.Exit(code)
}

// buildArgs asks for the race detector in the examples when the tests have it.
func buildArgs() []string {
	args := []string{"build", "-o", bin + string(filepath.Separator)}
	info, _ := debug.ReadBuildInfo()
	if slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		args = append(args, "-race")
	}
	return append(args, "../...")
}

// watchSources tells the go command what the tests depend on: it would answer
// with cached results of programs that were built from other sources. It looks
// again at folders of this module that were read while tests ran; of the root
// module it knows what is imported above.
var watchSources = sync.OnceValue(func() error {
	return filepath.WalkDir("..", func(_ string, _ fs.DirEntry, err error) error { return err })
})

// program is an example that runs.
type program struct {
	cmd  *exec.Cmd
	addr string      // where it listens
	said chan string // the first line of its log, once
	exit chan error  // what it ended with, once
}

// start runs an example until it listens. The end of the test stops it.
func start(t *testing.T, name, addr string, args ...string) *program {
	t.Helper()
	if err := watchSources(); err != nil {
		t.Fatal(err)
	}
	out, said := newFirstLine(), newFirstLine()
	p := &program{cmd: exec.Command(filepath.Join(bin, name), append(args, "-http", addr)...), said: said.line, exit: make(chan error, 1)}
	p.cmd.Stdout, p.cmd.Stderr = out, io.MultiWriter(said, t.Output())
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.exit <- p.cmd.Wait() }()
	t.Cleanup(func() { p.stop(t) })
	select {
	case line := <-out.line:
		p.addr = strings.TrimSuffix(strings.TrimPrefix(line, "listening on http://"), "/")
		if line != "listening on http://"+p.addr+"/" {
			t.Fatalf("%s says %q, want listening on http://ADDR/", name, line)
		}
	case err := <-p.exit:
		p.exit = nil
		t.Fatalf("%s ended before it listened: %v", name, err)
	case <-time.After(20 * time.Second):
		t.Fatalf("%s does not say where it listens", name)
	}
	return p
}

// stop ends a program as an operator does. It must end by itself, soon and
// without an error; with the race detector, a race is one.
func (p *program) stop(t *testing.T) {
	t.Helper()
	if p.exit == nil {
		return
	}
	asked := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Errorf("%s: %v", p.cmd, err)
	}
	select {
	case err := <-p.exit:
		if took := time.Since(asked); err != nil || took > 15*time.Second {
			t.Errorf("%s ended after %v: %v", p.cmd, took, err)
		}
	case <-time.After(20 * time.Second):
		t.Errorf("%s does not end", p.cmd)
		p.cmd.Process.Kill()
		<-p.exit
	}
	p.exit = nil
}

// firstLine tells the first line that is written to it.
type firstLine struct {
	line chan string
	text []byte
	told bool
}

func newFirstLine() *firstLine { return &firstLine{line: make(chan string, 1)} }

func (f *firstLine) Write(p []byte) (int, error) {
	if f.told {
		return len(p), nil
	}
	f.text = append(f.text, p...)
	if line, _, ok := bytes.Cut(f.text, []byte("\n")); ok {
		f.line <- string(line)
		f.told = true
	}
	return len(p), nil
}
