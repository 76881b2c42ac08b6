package proc

import (
	"bufio"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Config says what runs.
type Config struct {
	// Args are the program and its arguments. Zero (nil) makes no sense.
	Args []string
	// Env is its environment. Zero (nil) means the test's own.
	Env []string
	// Addrs are where it listens as soon as it is ready. Zero (nil) means that it is
	// ready at once.
	Addrs []string
}

// Process is a program that a test runs, and may kill and start again. Its methods are
// for one goroutine at a time.
type Process struct {
	t      testing.TB
	config Config
	pid    int
	input  interface{ Close() error }
	ended  chan struct{}
}

// supervise runs a program, tells its id, and kills it by that at the end of its own
// input: also when the test ends in a way that calls no one back.
const supervise = `exec 4<&0; "$@" <&- 3>&- 4<&- & echo $! >&3; exec 3>&-; read -r _ <&4; kill -9 $!; wait $!`

// Start runs a program and waits until it is ready. What it says goes into the test's
// log. The end of the test kills it.
func Start(t testing.TB, c Config) *Process {
	t.Helper()
	p := &Process{t: t, config: c, input: nopCloser{}, ended: make(chan struct{})}
	close(p.ended)
	t.Cleanup(p.Kill)
	p.Launch()
	return p
}

type nopCloser struct{}

func (nopCloser) Close() error { return nil }

// Launch starts the program, after Kill anew, and waits until it is ready.
func (p *Process) Launch() {
	p.t.Helper()
	cmd := exec.Command("sh", append([]string{"-c", supervise, "sh"}, p.config.Args...)...)
	cmd.Env = p.config.Env
	log := &lines{t: p.t}
	cmd.Stdout, cmd.Stderr = log, log
	input, err := cmd.StdinPipe()
	p.must(err)
	id, tells, err := os.Pipe()
	p.must(err)
	defer id.Close()
	cmd.ExtraFiles = []*os.File{tells}
	err = cmd.Start()
	tells.Close()
	p.must(err)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // what it ended with says nothing: it is killed
	}()
	p.input, p.ended = input, ended
	text, err := bufio.NewReader(id).ReadString('\n')
	p.must(err)
	p.pid, err = strconv.Atoi(strings.TrimSpace(text))
	p.must(err)
	for _, addr := range p.config.Addrs {
		p.must(p.listens(addr))
	}
}

// lines is where a program writes: into the log of the test.
type lines struct {
	mu sync.Mutex
	t  testing.TB
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.t.Output().Write(b)
}

// Kill ends the program at once, as kill -9 does, and waits for that. After it, it does
// nothing.
func (p *Process) Kill() {
	_ = p.input.Close() // it may be closed
	<-p.ended
}

// Stop lets the program stand still, as one that is too busy to answer, until Continue.
func (p *Process) Stop() { p.signal(syscall.SIGSTOP) }

// Continue lets it go on.
func (p *Process) Continue() { p.signal(syscall.SIGCONT) }

func (p *Process) signal(s syscall.Signal) {
	p.t.Helper()
	p.must(syscall.Kill(p.pid, s))
}

func (p *Process) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatalf("%s: %v", p.config.Args[0], err)
	}
}

// patience is how long a server may take until it listens: the machine may be busy.
const patience = 90 * time.Second

// listens waits until somebody answers at addr.
func (p *Process) listens(addr string) error {
	deadline, tick := time.After(patience), time.NewTicker(50*time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-tick.C:
		case <-p.ended:
			return err
		case <-deadline:
			return err
		}
	}
}

// FreeAddrs returns n addresses of the loopback interface on which nobody listens.
func FreeAddrs(t testing.TB, n int) []string {
	t.Helper()
	var addrs []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		addrs = append(addrs, l.Addr().String())
	}
	return addrs
}

// port returns the port of an address.
func port(addr string) string {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		panic(err)
	}
	return port
}
