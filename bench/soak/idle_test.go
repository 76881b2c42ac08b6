package soak

import (
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/headrace/headrace/bench/internal/child"
	"github.com/headrace/headrace/bench/internal/load"
	"github.com/headrace/headrace/bench/internal/site"
)

const topic = "/topic/soak"

// Idle sessions stay, and cost little.
func TestR01HoldsLoad(t *testing.T) {
	n, period := size(100, 8000), size(time.Second, 10*time.Second)
	server := serve(t, site.Config{Heartbeat: period})
	empty := must(site.Ask(server))(t)
	swarm := load.KeepAlive(subscribers(t, server.URL("ws"), n, topic, load.Options{Heartbeat: beats(period)}), period)
	defer swarm.Close()

	start, watched := must(server.CPU())(t), phase(6*time.Second, 10*time.Minute)
	<-time.After(watched)
	cpu := 100 * (must(server.CPU())(t) - start).Seconds() / watched.Seconds()
	must(server.Resident())(t) // collects garbage
	s := must(site.Ask(server))(t)
	kb := float64(s.Live-empty.Live) / 1024 / float64(n)
	t.Logf("%d sessions for %v: %d lost, %.1f KB of heap and stacks each, %.1f %% of a core", n, watched, swarm.Ended(), kb, cpu)
	if swarm.Ended() > 0 || s.Sessions != n {
		t.Errorf("%d sessions lost their connection, %d are left", swarm.Ended(), s.Sessions)
	}
	if limit := size(100.0, 25); kb > limit {
		t.Errorf("%.1f KB a session, want at most %.0f", kb, limit)
	}
	if limit := size(50.0, 15); cpu > limit {
		t.Errorf("%.1f %% of a core, want less than %.0f", cpu, limit)
	}
}

// After a restart all clients come back at once.
func TestR15ReconnectStorm(t *testing.T) {
	n := size(200, 5000)
	address := freeAddress(t)
	config := site.Config{Address: address}
	first := must(child.Start(config.Role()))(t)
	all := subscribers(t, first.URL("ws"), n, topic, load.Options{})
	steady := must(first.Resident())(t)
	first.Signal(syscall.SIGKILL)
	if err := first.Stop(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the first server ended with %v", err)
	}
	load.CloseAll(all)

	second := serve(t, config)
	start := time.Now()
	back, err := load.Each(n, n, func(int) (*load.Client, error) {
		c, err := load.Connect(second.URL("ws"), load.Options{})
		if err == nil {
			err = c.Subscribe("0", topic)
		}
		return c, err
	})
	took := time.Since(start)
	defer load.CloseAll(back)
	if err != nil {
		t.Fatal(err)
	}
	peak := must(second.PeakResident())(t)
	t.Logf("%d sessions back after %v; resident %d MB, at most %d MB on the way", n, took.Round(time.Millisecond), steady>>20, peak>>20)
	if took > 15*time.Second {
		t.Errorf("back after %v, want 15 s", took)
	}
	if limit := 2*steady + size[int64](64<<20, 0); peak > limit {
		t.Errorf("%d MB at the peak, want at most %d", peak>>20, limit>>20)
	}
	if got := must(site.Ask(second))(t).Known; got != n {
		t.Errorf("the broker knows %d sessions of %d", got, n)
	}
}

// freeAddress returns an address on which nobody listens now.
func freeAddress(t *testing.T) string {
	ln := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	defer ln.Close()
	return ln.Addr().String()
}

// A server that stood still, as that of a suspended machine, goes on: its
// sessions live or are closed by the rule of their heart-beats, new ones come.
func TestR24Suspend(t *testing.T) {
	n, period := size(50, 500), size(time.Second, 10*time.Second)
	server := serve(t, site.Config{Heartbeat: period})
	all := subscribers(t, server.URL("ws"), n, topic, load.Options{Heartbeat: beats(period)})
	swarm := load.KeepAlive(all, period)
	defer swarm.Close()

	if err := server.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	<-time.After(phase(3*time.Second, time.Minute))
	if err := server.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	start := must(server.CPU())(t)
	c, err := load.Connect(server.URL("ws"), load.Options{})
	if err != nil {
		t.Fatalf("a new client: %v", err)
	}
	defer c.Close()
	<-time.After(2 * period)
	cpu := must(server.CPU())(t) - start
	eventually(t, "server and clients agree on who is there", 20*time.Second, func() bool {
		s := must(site.Ask(server))(t)
		return s.Sessions == s.Known && s.Known == n-swarm.Ended()+1
	})
	t.Logf("%d of %d sessions lived on; %v of CPU in the first %v", n-swarm.Ended(), n, cpu.Round(time.Millisecond), 2*period)
	if cpu > time.Second {
		t.Errorf("%v of CPU after going on", cpu)
	}
}
