// Package child runs the program a second time as a server, so that what the
// server costs is measured apart from its clients.
//
// A main, or a TestMain, that is started as a child serves instead:
//
//	if role := child.Role(); role != "" {
//		child.Serve(urls, answer)
//		return
//	}
//
// Parent and child talk over the child's standard input and output: a line asks,
// a line answers, and the end of the input ends the child.
package child

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const roleVariable = "HEADRACE_BENCH_CHILD"

// Role returns what the program was started as, or "" if it is no child.
func Role() string { return os.Getenv(roleVariable) }

// Process is a running child. Its methods are called by one goroutine at a time.
type Process struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Scanner
	stderr strings.Builder
	urls   []string
}

// Start starts the program in a role and waits until it serves.
func Start(role string) (*Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &Process{cmd: exec.Command(self)}
	p.cmd.Env = append(os.Environ(), roleVariable+"="+role)
	p.cmd.Stderr = &p.stderr
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	p.out = bufio.NewScanner(out)
	line, err := p.answer()
	if err != nil {
		return nil, errors.Join(err, p.Stop())
	}
	p.urls = strings.Fields(line)
	return p, nil
}

// URL returns where the child serves a scheme: ws, wss, tcp or tls.
func (p *Process) URL(scheme string) string {
	for _, u := range p.urls {
		if strings.HasPrefix(u, scheme+"://") {
			return u
		}
	}
	return ""
}

// Ask asks the child a question of its own or one of those below.
func (p *Process) Ask(question string) (string, error) {
	if _, err := fmt.Fprintln(p.in, question); err != nil {
		return "", err
	}
	return p.answer()
}

func (p *Process) answer() (string, error) {
	if !p.out.Scan() {
		return "", cmp.Or(p.out.Err(), errors.New("the child is gone"))
	}
	return p.out.Text(), nil
}

// CPU returns the processor time that the child has used.
func (p *Process) CPU() (time.Duration, error) {
	n, err := p.number("cpu")
	return time.Duration(n), err
}

// Resident returns the child's resident memory in bytes, after a collection of
// garbage that gives all that is free back to the system.
func (p *Process) Resident() (int64, error) { return p.number("resident") }

// PeakResident returns the most memory in bytes that the child ever had.
func (p *Process) PeakResident() (int64, error) { return p.number("peak") }

func (p *Process) number(question string) (int64, error) {
	text, err := p.Ask(question)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(text, 10, 64)
}

// Signal sends a signal to the child.
func (p *Process) Signal(s syscall.Signal) error { return p.cmd.Process.Signal(s) }

// Stop ends the child and waits for it. The error has what the child wrote to
// its standard error, unless it ended well.
func (p *Process) Stop() error {
	p.in.Close()
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("child: %w: %s", err, p.stderr.String())
	}
	return nil
}

// Serve is the child's side: it tells the parent the URLs and answers what it
// asks, until the parent closes the pipe or is gone. Questions that this package
// does not know go to answer, which may be nil.
func Serve(urls []string, answer func(question string) string) {
	fmt.Println(strings.Join(urls, " "))
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		switch q := in.Text(); q {
		case "cpu":
			fmt.Println(int64(cpu()))
		case "resident":
			runtime.GC()
			debug.FreeOSMemory()
			fmt.Println(status("VmRSS:"))
		case "peak":
			fmt.Println(status("VmHWM:"))
		default:
			fmt.Println(answer(q))
		}
	}
}

func cpu() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		panic(err) // of a wrong argument
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// status reads a line of /proc/self/status, in bytes.
func status(name string) int64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == name {
			kilobytes, _ := strconv.ParseInt(f[1], 10, 64)
			return kilobytes << 10
		}
	}
	return 0
}
