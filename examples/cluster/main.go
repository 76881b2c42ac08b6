// Cluster is several nodes that are one broker, joined by NATS. Each is a process of its
// own, and a page shows who is at which: kill one there, as kill -9 does, and watch its
// clients come back at another.
//
//	go run ./examples/cluster -nodes 3 -http localhost:8080
//
//	pages ─► front: a balancer ─┬─► node-1 ─┐
//	                            ├─► node-2 ─┼─ NATS
//	                            └─► node-3 ─┘
//
// The NATS server runs within the front, without JetStream: what is said here is of the
// moment, and nothing has to be kept. Where something has to, nats.JetStream stands in
// the place of nats.Core, and is all that changes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/headrace/headrace/examples/internal/demo"
	"github.com/headrace/headrace/examples/internal/embedded"
)

func main() {
	addr := flag.String("http", "localhost:8080", "address to listen on")
	nodes := flag.Int("nodes", 3, "how many nodes to start")
	name := flag.String("node", "", "be the node of this `NAME` alone; the front starts nodes so")
	engine := flag.String("nats", "", "`URL` of the NATS server of a node")
	flag.Parse()
	ctx, stop := demo.Context()
	defer stop()

	run := func() error { return front(ctx, *addr, *nodes) }
	if *name != "" {
		run = func() error { return serveNode(untilAlone(ctx), *name, *engine, *addr) }
	}
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

// front starts the nodes and serves the page until ctx ends.
func front(ctx context.Context, addr string, nodes int) error {
	if nodes < 1 {
		return errors.New("-nodes must be 1 or more")
	}
	engine, stop, err := embedded.NATS()
	if err != nil {
		return err
	}
	defer stop()
	program, err := os.Executable()
	if err != nil {
		return err
	}
	c := newCluster(program, engine, nodes)
	defer c.close()
	if err := c.startAll(); err != nil {
		return err
	}
	return serve(ctx, c, addr)
}

func serve(ctx context.Context, c *cluster, addr string) error {
	server := demo.Server(addr, c.routes())
	announce := server.BaseContext
	server.BaseContext = func(l net.Listener) context.Context {
		defer explain(c, l.Addr().String())
		return announce(l)
	}
	var ending sync.WaitGroup
	defer ending.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ending.Go(func() {
		<-ctx.Done()
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
		defer cancel()
		_ = server.Shutdown(closing) // who is still there is cut with the nodes
	})
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// explain says what to do now.
func explain(c *cluster, addr string) {
	for _, n := range c.all() {
		fmt.Printf("  %s: process %d, ws://%s/ws\n", n.Name, n.PID, n.Addr)
	}
	fmt.Printf(`Open the page: three people are there, each at a node of its own, and talk.
Kill a node on the page, or from a terminal:

  kill -9 %d

Who was there is at another node before you can look. Start it again on the page.
More people: http://%s/?as=kim
`, c.all()[0].PID, addr)
}
