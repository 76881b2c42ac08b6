package soak

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/headrace/headrace/bench/internal/child"
	"github.com/headrace/headrace/bench/internal/nodes"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/client"
)

// cluster are processes that are one broker, with an engine of its own between them.
type cluster struct {
	t      *testing.T
	engine string
	lives  int

	mu    sync.Mutex
	nodes []*running
}

// running is a node. One that was killed has a process no more.
type running struct {
	*child.Process
	name, addr string
}

// newCluster starts n nodes; the test ends them.
func newCluster(t *testing.T, n int) *cluster {
	t.Helper()
	engine := must(child.Start(nodes.Config{Folder: t.TempDir()}.Role()))(t)
	t.Cleanup(func() {
		if err := engine.Stop(); err != nil {
			t.Error(err)
		}
	})
	c := &cluster{t: t, engine: engine.URL("nats"), nodes: make([]*running, n)}
	t.Cleanup(func() {
		for i := range c.nodes {
			if n := c.node(i); n.Process != nil {
				_ = n.Signal(syscall.SIGKILL) // nobody needs what it still has
				_ = n.Stop()
			}
		}
	})
	for i := range n {
		c.start(i)
	}
	return c
}

// start starts the node at a place, under a name that none had.
func (c *cluster) start(i int) {
	c.t.Helper()
	c.lives++
	name := fmt.Sprintf("node%d.%d", i, c.lives)
	p := must(child.Start(nodes.Config{Name: name, Engine: c.engine}.Role()))(c.t)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nodes[i] = &running{p, name, strings.TrimPrefix(p.URL("ws"), "ws://")}
}

func (c *cluster) node(i int) *running {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nodes[i]
}

// kill ends a node as kill -9 does.
func (c *cluster) kill(i int) {
	c.t.Helper()
	n := c.node(i)
	if err := n.Signal(syscall.SIGKILL); err != nil {
		c.t.Fatal(err)
	}
	_ = n.Stop() // it was killed
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nodes[i] = &running{nil, n.name, n.addr}
}

// visitor is a client that goes to another node when it loses the one it is at.
type visitor struct {
	*client.Client
	at    atomic.Value // the name of the node that it is at: a string
	dials atomic.Int64
}

// visit connects to the node at a place, and to the next ones when that is gone.
func (c *cluster) visit(user string, i int) *visitor {
	c.t.Helper()
	v := new(visitor)
	v.at.Store("")
	v.Client = must(client.Dial(c.t.Context(), client.Config{
		URL:       "ws://cluster/?user=" + user,
		Dial:      func(ctx context.Context) (net.Conn, error) { return v.dial(ctx, c, i) },
		Reconnect: client.ReconnectConfig{MaxDelay: time.Second},
		Logger:    silent,
	}))(c.t)
	c.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = v.Close(ctx) // a connection that was lost is none of our business
	})
	v.subscribe(c.t, "/app/where", client.SubscribeConfig{}, func(_ context.Context, m message.Raw) error {
		v.at.Store(strings.Trim(string(m.Payload), `"`))
		return nil
	})
	eventually(c.t, "a client knows where it is", time.Minute, func() bool { return v.at.Load() != "" })
	return v
}

func (v *visitor) dial(ctx context.Context, c *cluster, first int) (conn net.Conn, err error) {
	for range c.nodes {
		addr := c.node((first + int(v.dials.Load())) % len(c.nodes)).addr
		if conn, err = new(net.Dialer).DialContext(ctx, "tcp", addr); err == nil {
			return conn, nil
		}
		v.dials.Add(1)
	}
	return nil, err
}

func (v *visitor) subscribe(t *testing.T, to string, c client.SubscribeConfig, handle func(context.Context, message.Raw) error) {
	t.Helper()
	if _, err := v.Subscribe(t.Context(), to, c, handle); err != nil {
		t.Fatal(err)
	}
}
