// Package interop_test talks to several servers with the Go client, and asks
// the same of each: our own, and RabbitMQ as Debian packages it.
package interop_test

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/stompadapter/client"
)

func TestMain(m *testing.M) {
	if addrs := strings.Fields(os.Getenv(serveAt)); len(addrs) == 3 {
		serve(addrs[0], addrs[1], addrs[2])
	}
	os.Exit(m.Run())
}

// Login, passcode and virtual host at every server. Only RabbitMQ looks at the
// last.
const login, passcode, host = "guest", "guest", "/"

// server is one that runs, as the cases see it.
type server struct {
	url     string
	tls     *tls.Config
	name    *regexp.Regexp // what CONNECTED says it is
	abrupt  bool           // answers DISCONNECT by closing the connection, without the receipt
	process *process
}

// run puts the cases to s.
func (s *server) run(t *testing.T) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { c.run(t, s) })
	}
}

// dial connects a client whose URL and login are those of s. The end of the
// test closes it.
func (s *server) dial(t *testing.T, c client.Config) *client.Client {
	t.Helper()
	c.URL, c.TLS, c.Login, c.Passcode, c.Host = s.url, s.tls, login, passcode, host
	c.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	cl, err := client.Dial(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cl.Close(t.Context()) }) // its context is over: whatever is left is cut
	return cl
}

// end closes a client in good order.
func (s *server) end(t *testing.T, c *client.Client) {
	t.Helper()
	if err := c.Close(t.Context()); err != nil && !(s.abrupt && errors.Is(err, client.ErrAway)) {
		t.Fatal(err)
	}
}

// process is a server's process, which a test may kill and start again.
type process struct {
	t     *testing.T // whose end is that of the process
	args  []string   // the program and its arguments
	env   []string
	addrs []string // where it listens
	kill  func()   // ends it and waits for that
}

// supervise runs a program and kills it, by its id, at the end of its own
// input: also when the test ends in a way that calls no one back.
const supervise = `"$@" & read -r _; kill -9 $!; wait $!`

// launch starts the process and waits until it listens.
func (p *process) launch() {
	t := p.t
	t.Helper()
	cmd := exec.Command("sh", append([]string{"-c", supervise, "sh"}, p.args...)...)
	cmd.Env = p.env
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		cmd.Wait() // what it ended with says nothing: it is killed
	}()
	p.kill = func() {
		input.Close()
		<-ended
	}
	t.Cleanup(p.kill)
	for _, addr := range p.addrs {
		if err := listens(addr); err != nil {
			t.Fatalf("%v: %v", p.args, err)
		}
	}
}

// listens waits until somebody answers at addr.
func listens(addr string) error {
	deadline, tick := time.After(90*time.Second), time.NewTicker(50*time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-tick.C:
		case <-deadline:
			return err
		}
	}
}

// freeAddrs returns addresses on which nobody listens.
func freeAddrs(t *testing.T, n int) []string {
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
