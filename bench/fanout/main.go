// Fanout measures one publisher and many subscribers: headrace beside broadcasts
// by hand, centrifuge and nats-server.
//
//	go run ./bench/fanout                        everything, about 10 minutes
//	go run ./bench/fanout -run 1000 -rounds 3    scenarios whose name has "1000"
//
// Every visit starts a fresh server process, connects, runs once unmeasured and
// once measured. The contestants of a scenario take turns, forwards and backwards
// by rounds. CPU is the server process's own, from getrusage, for a million
// deliveries; client and server share the machine. Ratios are medians over the
// rounds, with quartiles.
package main

import (
	"flag"
	"fmt"
	"log"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/headrace/headrace/bench/internal/child"
	"github.com/headrace/headrace/bench/internal/stat"
)

// body is how many bytes each message carries.
const body = 128

var (
	run    = flag.String("run", "", "run only the scenarios whose name contains this")
	rounds = flag.Int("rounds", 10, "visits to each contestant")
)

func main() {
	log.SetFlags(0)
	if role := child.Role(); role != "" {
		if err := serve(role); err != nil {
			log.Fatal(err)
		}
		return
	}
	flag.Parse()
	fmt.Printf("%d bytes, %d rounds, %s, %d CPUs\n", body, *rounds, runtime.Version(), runtime.NumCPU())
	for _, s := range scenarios {
		if !strings.Contains(s.name, *run) {
			continue
		}
		if err := s.play(*rounds); err != nil {
			log.Fatal(err)
		}
	}
}

// result is one measured run: deliveries a second, and seconds of the server's
// CPU for a million deliveries.
type result struct{ rate, cpu float64 }

// play visits all contestants in turn and prints what came of it.
func (s scenario) play(rounds int) error {
	fmt.Printf("\n## %s\n\n", s.name)
	results := make(map[string][]result)
	for i := range rounds {
		order := slices.Clone(s.contestants)
		if i%2 == 1 {
			slices.Reverse(order)
		}
		for _, c := range order {
			r, err := c.visit()
			if err != nil {
				return fmt.Errorf("%s: %s: %w", s.name, c.name(), err)
			}
			results[c.name()] = append(results[c.name()], r)
		}
	}
	fmt.Println("| server | deliveries a second (k) | server CPU s/M |\n| --- | --- | --- |")
	for _, c := range s.contestants {
		fmt.Printf("| %s | %s | %s |\n", c.name(),
			stat.Summary(results[c.name()], func(r result) float64 { return r.rate / 1000 }),
			stat.Summary(results[c.name()], func(r result) float64 { return r.cpu }))
	}
	fmt.Println("\n| ratio | asked | reached |\n| --- | --- | --- |")
	for _, c := range s.claims {
		a, b := results[c.a], results[c.b]
		var ratios []float64
		for i := range a {
			ratios = append(ratios, c.value(a[i])/c.value(b[i]))
		}
		fmt.Printf("| %s: %s / %s | %s | %s |\n", c.what, c.a, c.b, c.asked, stat.Summary(ratios, func(r float64) float64 { return r }))
	}
	return nil
}

// visit starts a server, measures one run against it and stops it.
func (c contestant) visit() (r result, err error) {
	s := servers[c.server]
	process, err := child.Start(s.role)
	if err != nil {
		return r, err
	}
	defer process.Stop()
	clients, err := connect(s, process.URL(s.scheme), c.subscribers)
	if err != nil {
		return r, err
	}
	defer clients.close()
	if err := clients.run(c.publishes/2, c.window); err != nil {
		return r, err
	}
	before, err := process.CPU()
	if err != nil {
		return r, err
	}
	start := time.Now()
	if err := clients.run(c.publishes, c.window); err != nil {
		return r, err
	}
	elapsed := time.Since(start)
	after, err := process.CPU()
	deliveries := float64(c.publishes * c.subscribers)
	return result{rate: deliveries / elapsed.Seconds(), cpu: (after - before).Seconds() / deliveries * 1e6}, err
}
