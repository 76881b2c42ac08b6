package soak

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/headrace/headrace/bench/internal/child"
	"github.com/headrace/headrace/bench/internal/load"
	"github.com/headrace/headrace/bench/internal/nodes"
	"github.com/headrace/headrace/bench/internal/site"
)

var (
	long   = flag.Bool("long", false, "run the long forms")
	phases = flag.Duration("phase", 0, "how long the phases of the long forms last; 0 means what each promise says")
)

// TestMain serves when the program was started as a child.
func TestMain(m *testing.M) {
	if role := child.Role(); role != "" {
		ours, err := nodes.Serve(role)
		if !ours {
			_, err = site.Serve(role)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// size chooses a number by the form that runs.
func size[N int | int64 | float64 | time.Duration](short, whole N) N {
	if *long {
		return whole
	}
	return short
}

// phase chooses how long something goes on.
func phase(short, whole time.Duration) time.Duration {
	if *long && *phases > 0 {
		return *phases
	}
	return size(short, whole)
}

// serve starts a site as a child; the test ends it, and it must end well.
func serve(t *testing.T, c site.Config) *child.Process {
	t.Helper()
	p := must(child.Start(c.Role()))(t)
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// here starts a site in this process.
func here(t *testing.T, c site.Config) *site.Site {
	t.Helper()
	s := must(site.Start(c))(t)
	t.Cleanup(s.Close)
	return s
}

// subscribers connects clients that subscribe to a topic; the test cuts them.
func subscribers(t *testing.T, url string, n int, topic string, o load.Options) []*load.Client {
	t.Helper()
	all, err := load.Subscribers(url, n, topic, o)
	t.Cleanup(func() { load.CloseAll(all) })
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// must fails the test on an error.
func must[V any](v V, err error) func(*testing.T) V {
	return func(t *testing.T) V {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// eventually waits for what another goroutine or process does, and returns when
// it had happened.
func eventually(t *testing.T, what string, within time.Duration, ok func() bool) time.Duration {
	t.Helper()
	start := time.Now()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Since(start) > within {
			t.Fatalf("not within %v: %s", within, what)
		}
		<-tick.C
	}
	return time.Since(start)
}

// beats is a heart-beat header for a period both ways.
func beats(period time.Duration) string {
	return fmt.Sprintf("%[1]d,%[1]d", period.Milliseconds())
}
