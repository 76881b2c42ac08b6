package soak_test

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	goredis "github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"net"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/engines/kafka"
	"github.com/headrace/headrace/engines/nats"
	"github.com/headrace/headrace/engines/redis"
	"github.com/headrace/headrace/internal/proc"
)

var long = flag.Bool("long", false, "run the long forms")

// form chooses between what the short and the long form have.
func form[T any](short, lengthy T) T {
	if *long {
		return lengthy
	}
	return short
}

// serveNATS makes the test's program a server of NATS: where it listens, and its folder.
const serveNATS = "HEADRACE_SERVE_NATS"

func TestMain(m *testing.M) {
	var host, dir string
	var port int
	if n, _ := fmt.Sscan(os.Getenv(serveNATS), &host, &port, &dir); n == 3 {
		runNATS(host, port, dir)
	}
	goleak.VerifyTestMain(m)
}

func runNATS(host string, port int, dir string) {
	s, err := server.NewServer(&server.Options{Host: host, Port: port, JetStream: true, StoreDir: dir, NoSigs: true})
	if err != nil {
		panic(err)
	}
	s.Start()
	select {} // until it is killed
}

// startNATS starts one as a process of its own, which can be killed.
func startNATS(t *testing.T) (p *proc.Process, addr string) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	addr = proc.FreeAddrs(t, 1)[0]
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	p = proc.Start(t, proc.Config{
		Args:  []string{program},
		Env:   append(os.Environ(), fmt.Sprintf("%s=%s %s %s", serveNATS, host, port, t.TempDir())),
		Addrs: []string{addr},
	})
	return p, addr
}

func startRedis(t *testing.T) (*proc.Process, string) {
	r := proc.StartRedis(t)
	return r.Process, r.Addr
}

// startKafka starts a cluster in the process, which cannot be killed.
func startKafka(t *testing.T) (*proc.Process, string) {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return nil, cluster.ListenAddrs()[0]
}

// closer is a backplane of any engine.
type closer interface {
	broker.Backplane
	Close()
}

// ackWait is short, so that what a killed engine forgot to deliver comes soon.
const ackWait = 3 * time.Second

// engine is one of those that headrace speaks.
type engine struct {
	start   func(t *testing.T) (*proc.Process, string)
	connect func(addr string, log *slog.Logger) (closer, error)
}

var engines = map[string]engine{
	"Core": {startNATS, func(addr string, log *slog.Logger) (closer, error) {
		return nats.Core(nats.Config{URL: "nats://" + addr, Logger: log})
	}},
	"JetStream": {startNATS, func(addr string, log *slog.Logger) (closer, error) {
		return nats.JetStream(nats.Config{URL: "nats://" + addr, Logger: log, AckWait: ackWait, InFlight: inFlight})
	}},
	"Redis": {startRedis, func(addr string, log *slog.Logger) (closer, error) {
		return redis.Streams(redis.Config{
			Redis: goredis.UniversalOptions{Addrs: []string{addr}}, Logger: log, AckWait: ackWait, InFlight: inFlight, MaxLen: 1 << 20,
		})
	}},
	"Kafka": {startKafka, func(addr string, log *slog.Logger) (closer, error) {
		dial := func(ctx context.Context, network, _ string) (net.Conn, error) { // also to those that the cluster names
			return new(net.Dialer).DialContext(ctx, network, addr)
		}
		return kafka.New(kafka.Config{Brokers: []string{addr}, Logger: log, InFlight: inFlight, Options: []kgo.Opt{kgo.Dialer(dial)}})
	}},
}

// inFlight is how many messages of a group are under way at a node.
const inFlight = 1024

// node connects until the test ends.
func (e engine) node(t *testing.T, addr string) closer {
	t.Helper()
	b, err := e.connect(addr, slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// eventually waits until something is true.
func eventually(t *testing.T, what string, within time.Duration, is func() bool) {
	t.Helper()
	deadline, tick := time.After(within), time.NewTicker(5*time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("never within %v: %s", within, what)
		}
	}
}
