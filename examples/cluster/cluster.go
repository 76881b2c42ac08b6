package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// cluster are nodes, each a process. Its methods may be called from any goroutine.
type cluster struct {
	program, engine string

	changing sync.Mutex // one at a time starts and kills
	mu       sync.Mutex
	nodes    []*process
	next     int // whose turn it is
}

// state is what the page is shown of a node.
type state struct {
	Name string `json:"name"`
	PID  int    `json:"pid"`
	Addr string `json:"addr"`
	Up   bool   `json:"up"`
}

// process is a node as its parent sees it.
type process struct {
	state
	cmd    *exec.Cmd
	input  io.Closer // its end ends the node
	output *bufio.Reader
	ended  chan struct{} // closed when it has
}

func newCluster(program, engine string, nodes int) *cluster {
	c := &cluster{program: program, engine: engine}
	for i := range nodes {
		c.nodes = append(c.nodes, &process{state: state{Name: fmt.Sprint("node-", i+1)}})
	}
	return c
}

// startAll starts all nodes side by side, and waits until they listen.
func (c *cluster) startAll() error {
	errs := make(chan error, len(c.nodes))
	for _, n := range c.all() {
		go func() { errs <- c.start(n.Name) }()
	}
	var first error
	for range cap(errs) {
		if err := <-errs; err != nil && first == nil {
			first = err
		}
	}
	return first
}

// start starts the node of this name, unless it runs, and waits until it listens.
func (c *cluster) start(name string) error {
	i, n := c.find(name)
	if n == nil || n.Up {
		return nil
	}
	p, err := launch(c.program, "-node", name, "-nats", c.engine, "-http", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	p.Name = name
	c.mu.Lock()
	c.nodes[i] = p
	c.mu.Unlock()
	go func() {
		defer close(p.ended)
		p.wait()
		c.mu.Lock()
		defer c.mu.Unlock()
		p.Up = false
	}()
	return nil
}

// launch starts a node and waits until it says where it listens.
func launch(program string, args ...string) (*process, error) {
	p := &process{cmd: exec.Command(program, args...), ended: make(chan struct{})}
	p.cmd.Stderr = os.Stderr
	input, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	output, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	p.input, p.PID, p.Up = input, p.cmd.Process.Pid, true
	p.output = bufio.NewReader(output)
	line, err := p.output.ReadString('\n')
	if err != nil {
		p.wait()
		return nil, fmt.Errorf("does not say where it listens: %w", err)
	}
	p.Addr = strings.Trim(strings.TrimPrefix(line, "listening on http://"), "/\n")
	return p, nil
}

// wait returns when the node has ended.
func (p *process) wait() {
	_, _ = io.Copy(io.Discard, p.output) // as long as it says something
	_ = p.cmd.Wait()                     // that it was killed is no news
}

// kill ends the node of this name at once, without a word to anybody.
func (c *cluster) kill(name string) {
	if _, n := c.find(name); n != nil && n.Up {
		_ = n.cmd.Process.Kill() // it may have ended
		<-n.ended
	}
}

// close lets all nodes end, which they do by themselves, and kills who does not.
func (c *cluster) close() {
	c.changing.Lock() // what is being started is ended too
	defer c.changing.Unlock()
	c.mu.Lock()
	nodes := append([]*process(nil), c.nodes...)
	c.mu.Unlock()
	late := time.After(4 * time.Second)
	for _, n := range nodes {
		if n.cmd != nil {
			_ = n.input.Close() // it may be closed
		}
	}
	for _, n := range nodes {
		if n.cmd == nil {
			continue
		}
		select {
		case <-n.ended:
		case <-late:
			_ = n.cmd.Process.Kill() // it may have ended
			<-n.ended
		}
	}
}

// find returns the place of a node, and a copy of what is known of it, or nil.
func (c *cluster) find(name string) (int, *process) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, n := range c.nodes {
		if n.Name == name {
			found := *n
			return i, &found
		}
	}
	return 0, nil
}

// all returns the state of all nodes.
func (c *cluster) all() []state {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []state
	for _, n := range c.nodes {
		all = append(all, n.state)
	}
	return all
}

// pick returns where a node listens, one after the other of those that run.
func (c *cluster) pick() (addr string, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for range c.nodes {
		n := c.nodes[c.next%len(c.nodes)]
		c.next++
		if n.Up {
			return n.Addr, true
		}
	}
	return "", false
}
