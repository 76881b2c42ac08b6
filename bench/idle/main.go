// Idle measures what clients cost that do nothing: memory, further subscriptions,
// the time to connect, and the CPU that heart-beats take.
//
//	go run ./bench/idle                    everything, about 4 minutes
//	go run ./bench/idle -clients 500 -rounds 2 -beats 5s
//
// The server is a process of its own, on the same machine. Memory is resident
// memory after a collection of garbage, without what was there before the first
// client; the kernel's buffers are not in it.
package main

import (
	"cmp"
	"flag"
	"fmt"
	"log"
	"net"
	"runtime"
	"strconv"
	"time"

	"github.com/headrace/headrace/bench/internal/bare"
	"github.com/headrace/headrace/bench/internal/child"
	"github.com/headrace/headrace/bench/internal/load"
	"github.com/headrace/headrace/bench/internal/site"
	"github.com/headrace/headrace/bench/internal/stat"
)

var (
	clients = flag.Int("clients", 5000, "WebSocket clients")
	rounds  = flag.Int("rounds", 10, "pairs of runs for the time to connect")
	servers = flag.Int("servers", 3, "fresh servers for the memory and the heart-beats")
	beats   = flag.Duration("beats", 30*time.Second, "how long heart-beats are watched")
)

const (
	topic   = "/topic/idle"
	further = 10               // further subscriptions of each client
	period  = 10 * time.Second // of heart-beats
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
	fmt.Printf("%d clients, %s, %d CPUs\n\n| what | asked | reached |\n| --- | --- | --- |\n", *clients, runtime.Version(), runtime.NumCPU())
	for _, measure := range []func() error{costs, connecting} {
		if err := measure(); err != nil {
			log.Fatal(err)
		}
	}
}

func serve(role string) error {
	if ok, err := site.Serve(role); ok {
		return err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go bare.ServeWebSocket(ln, true)
	child.Serve([]string{"ws://" + ln.Addr().String() + "/"}, nil)
	return nil
}

// cost is what was measured of one server.
type cost struct {
	session, shared, own float64 // KB
	cpu                  float64 // percent of a core
	lost                 float64 // connections
}

func costs() error {
	all := make([]cost, *servers)
	for i := range all {
		var err error
		if all[i], err = measure(); err != nil {
			return err
		}
	}
	row := func(what, asked string, value func(cost) float64) {
		fmt.Printf("| %s | %s | %s |\n", what, asked, stat.Summary(all, value))
	}
	row("resident KB of an idle session with a subscription and heart-beats", "at most 13", func(c cost) float64 { return c.session })
	row("... of a further subscription, to a destination that all have", "at most 0.35", func(c cost) float64 { return c.shared })
	row("... to one of its own", "at most 0.35", func(c cost) float64 { return c.own })
	row(fmt.Sprintf("CPU of heart-beats every %v, %% of one core over %v", period, *beats), "below 5", func(c cost) float64 { return c.cpu })
	row("connections lost meanwhile", "0", func(c cost) float64 { return c.lost })
	return nil
}

// measure starts a server, fills it and watches it.
func measure() (c cost, err error) {
	server, err := child.Start(site.Config{}.Role())
	if err != nil {
		return c, err
	}
	defer server.Stop()
	before, err := server.Resident()
	if err != nil {
		return c, err
	}
	// grown returns the KB since it was called last, for each of n things.
	grown := func(n int) float64 {
		after, e := server.Resident()
		err = cmp.Or(err, e)
		kb := float64(after-before) / 1024 / float64(n)
		before = after
		return kb
	}
	milliseconds := strconv.Itoa(int(period.Milliseconds()))
	all, err := load.Subscribers(server.URL("ws"), *clients, topic, load.Options{Heartbeat: milliseconds + "," + milliseconds})
	defer load.CloseAll(all)
	if err == nil {
		err = probe(all)
	}
	if err != nil {
		return c, err
	}
	if c.session = grown(*clients); err != nil {
		return c, err
	}
	if err = subscribe(all, func(_, k int) string { return fmt.Sprintf("/topic/shared/%d", k) }); err != nil {
		return c, err
	}
	if c.shared = grown(*clients * further); err != nil {
		return c, err
	}
	if err = subscribe(all, func(i, k int) string { return fmt.Sprintf("/topic/own/%d/%d", i, k) }); err != nil {
		return c, err
	}
	c.own = grown(*clients * further)
	if err != nil {
		return c, err
	}
	swarm := load.KeepAlive(all, period)
	defer swarm.Close()
	start, err := server.CPU()
	<-time.After(*beats)
	end, e := server.CPU()
	c.cpu, c.lost = 100*(end-start).Seconds()/beats.Seconds(), float64(swarm.Ended())
	return c, cmp.Or(err, e)
}

// probe sends everybody one message, so that no session is as new.
func probe(all []*load.Client) error {
	if err := all[0].Publish(topic, "probe"); err != nil {
		return err
	}
	for _, c := range all {
		if _, err := c.Frame(); err != nil {
			return err
		}
	}
	return nil
}

// subscribe adds further subscriptions to all clients.
func subscribe(all []*load.Client, destination func(client, k int) string) error {
	_, err := load.Each(len(all), 32, func(i int) (struct{}, error) {
		for k := range further {
			d := destination(i, k)
			if err := all[i].Subscribe(d, d); err != nil {
				return struct{}{}, err
			}
		}
		return struct{}{}, nil
	})
	return err
}

// connecting compares the time until all clients have connected and subscribed
// with that of a broadcast by hand, which wants one message for it.
func connecting() error {
	var ratios, ours, theirs []float64
	for i := range *rounds {
		var took [2]time.Duration
		for j := range took {
			k := (i + j) % 2
			var err error
			if took[k], err = connect(k == 0); err != nil {
				return err
			}
		}
		ours, theirs = append(ours, took[0].Seconds()), append(theirs, took[1].Seconds())
		ratios = append(ratios, took[0].Seconds()/took[1].Seconds())
	}
	same := func(v float64) float64 { return v }
	fmt.Printf("| time in which all connect and subscribe, beside bare gorilla (%d pairs) | at most 1.3 | %s |\n", *rounds, stat.Summary(ratios, same))
	fmt.Printf("| ... in seconds, headrace | | %s |\n| ... bare gorilla | | %s |\n", stat.Summary(ours, same), stat.Summary(theirs, same))
	return nil
}

func connect(headrace bool) (time.Duration, error) {
	role := "bare"
	if headrace {
		role = site.Config{}.Role()
	}
	server, err := child.Start(role)
	if err != nil {
		return 0, err
	}
	defer server.Stop()
	start := time.Now()
	all, err := load.Each(*clients, 32, func(int) (*load.Conn, error) {
		if headrace {
			c, err := load.Connect(server.URL("ws"), load.Options{})
			if err != nil {
				return nil, err
			}
			return c.Conn, c.Subscribe("0", topic)
		}
		c, err := load.Dial(server.URL("ws"), load.Options{})
		if err != nil {
			return nil, err
		}
		return c, cmp.Or(c.Send(bare.Subscribe), c.Expect(bare.Subscribe))
	})
	took := time.Since(start)
	for _, c := range all {
		if c != nil {
			c.Close()
		}
	}
	return took, err
}
