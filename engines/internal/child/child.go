// Package child runs servers of NATS and Kafka, which Go has as packages, as processes of
// their own: the program of a test is started once more, as a server.
package child

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/headrace/headrace/internal/proc"
)

// serve says what the program is: a kind of server, its port, and its folder.
const serve = "HEADRACE_SERVE"

// Main is for TestMain. It does not return when the program is a server.
func Main() {
	var kind, dir string
	var port int
	if n, _ := fmt.Sscan(os.Getenv(serve), &kind, &port, &dir); n != 3 {
		return
	}
	if err := map[string]func(int, string) error{"nats": serveNATS, "kafka": serveKafka}[kind](port, dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	select {} // until it is killed
}

func serveNATS(port int, dir string) error {
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: dir, NoSigs: true})
	if err == nil {
		s.Start()
	}
	return err
}

func serveKafka(port int, _ string) error {
	_, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(port))
	return err
}

// NATS starts a server with JetStream, which keeps what it has when it is killed.
func NATS(t testing.TB) (p *proc.Process, addr string) { return start(t, "nats") }

// Kafka starts a cluster of one server, which forgets all when it is killed.
func Kafka(t testing.TB) (p *proc.Process, addr string) { return start(t, "kafka") }

func start(t testing.TB, kind string) (p *proc.Process, addr string) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	addr = proc.FreeAddrs(t, 1)[0]
	_, text, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return proc.Start(t, proc.Config{
		Args:  []string{program},
		Env:   append(os.Environ(), fmt.Sprintf("%s=%s %d %s", serve, kind, port, t.TempDir())),
		Addrs: []string{addr},
	}), addr
}
