// Slow measures what clients that stop reading cost the others.
//
//	go run ./bench/slow                    everything, about 3 minutes
//	go run ./bench/slow -rounds 1 -for 12s
//
// A tenth of the subscribers never reads. With and without them take turns. The
// server is a process of its own whose sockets hold back 64 KB; times count from
// when a message is due.
package main

import (
	"flag"
	"fmt"
	"log"
	"runtime"
	"time"

	"github.com/headrace/headrace/bench/internal/child"
	"github.com/headrace/headrace/bench/internal/load"
	"github.com/headrace/headrace/bench/internal/site"
	"github.com/headrace/headrace/bench/internal/stat"
)

var (
	subscribers = flag.Int("subscribers", 1000, "subscribers, the slow ones counted")
	rate        = flag.Int("rate", 200, "messages a second")
	rounds      = flag.Int("rounds", 3, "pairs of runs")
	length      = flag.Duration("for", 14*time.Second, "how long a run lasts")
)

func main() {
	log.SetFlags(0)
	if role := child.Role(); role != "" {
		if _, err := site.Serve(role); err != nil {
			log.Fatal(err)
		}
		return
	}
	flag.Parse()
	fmt.Printf("%d subscribers, %d messages a second, %v, %d rounds, %s, %d CPUs\n", *subscribers, *rate, *length, *rounds, runtime.Version(), runtime.NumCPU())
	fmt.Println("\n| body | p99 without, ms | p99 with, ms | ratio (asked: at most 1.5) | slow ones cut | the last after, s |\n| --- | --- | --- | --- | --- | --- |")
	for _, body := range []int{128, 1024} { // the deadline cuts first, the budget does
		if err := compare(body); err != nil {
			log.Fatal(err)
		}
	}
}

// outcome is a pair of runs.
type outcome struct {
	without, with float64 // p99 in ms
	cut, last     float64
}

func compare(body int) error {
	var all []outcome
	for i := range *rounds {
		var o outcome
		for j := range 2 {
			var err error
			if (i+j)%2 == 0 {
				o.without, _, _, err = run(body, 0)
			} else {
				o.with, o.cut, o.last, err = run(body, *subscribers/10)
			}
			if err != nil {
				return err
			}
		}
		all = append(all, o)
	}
	fmt.Printf("| %d | %s | %s | %s | %s of %d | %s |\n", body,
		stat.Summary(all, func(o outcome) float64 { return o.without }),
		stat.Summary(all, func(o outcome) float64 { return o.with }),
		stat.Summary(all, func(o outcome) float64 { return o.with / o.without }),
		stat.Summary(all, func(o outcome) float64 { return o.cut }), *subscribers/10,
		stat.Summary(all, func(o outcome) float64 { return o.last }))
	return nil
}

// run returns the p99 of those who read, how many were cut, and when the last was.
func run(body, slow int) (p99, cut, last float64, err error) {
	server, err := child.Start(site.Config{SendBuffer: 64 << 10}.Role())
	if err != nil {
		return 0, 0, 0, err
	}
	defer server.Stop()
	watch := site.Watch{Process: server}
	times, err := load.Paced{Subscribers: *subscribers - slow, Slow: slow, Rate: *rate, Bytes: body, For: *length}.Run(server.URL("ws"), watch.Start)
	watch.Stop()
	if err != nil {
		return 0, 0, 0, err
	}
	n, after := watch.Cut()
	return times.Quantile(0.99).Seconds() * 1000, float64(n), after.Seconds(), nil
}
