package main

import (
	"bytes"
	"cmp"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/headrace/headrace/bench/internal/load"
)

// mark begins every body and is nowhere else in what a server sends: a subscriber
// counts marks, however the server joins or splits messages.
const mark = "#"

// client is the publisher and all subscribers.
type client struct {
	publisher   *load.Conn
	subscribers []*load.Conn
	message     string
	received    atomic.Int64
	sent        int64
	progress    chan struct{}
	failed      chan error
}

func connect(s server, url string, subscribers int) (*client, error) {
	c := &client{
		message:  fmt.Sprintf(s.dialect.publish, mark+strings.Repeat("x", body-len(mark))),
		progress: make(chan struct{}, 1),
		failed:   make(chan error, subscribers+1),
	}
	var err error
	c.subscribers, err = load.Each(subscribers, 16, func(int) (*load.Conn, error) {
		conn, err := open(s.dialect, url)
		if err == nil {
			err = cmp.Or(conn.Send(s.dialect.subscribe), conn.Expect(s.dialect.subscribed))
		}
		return conn, err
	})
	if err != nil {
		return nil, err
	}
	for _, s := range c.subscribers {
		go c.count(s)
	}
	if c.publisher, err = open(s.dialect, url); err == nil {
		go c.skip(c.publisher)
	}
	return c, err
}

func open(d dialect, url string) (*load.Conn, error) {
	conn, err := load.Dial(url, load.Options{Buffer: 16 << 10})
	if err != nil || d.login == "" {
		return conn, err
	}
	return conn, cmp.Or(conn.Send(d.login), conn.Expect(d.loggedIn))
}

// count counts what reaches a subscriber.
func (c *client) count(conn *load.Conn) {
	all := int64(len(c.subscribers))
	for {
		p, err := conn.Next()
		if err != nil {
			c.failed <- err
			return
		}
		n := int64(bytes.Count(p, []byte(mark)))
		if n == 0 {
			continue // a heart-beat, or the middle of a message
		}
		if total := c.received.Add(n); total/all != (total-n)/all {
			select {
			case c.progress <- struct{}{}:
			default:
			}
		}
	}
}

// skip reads what the publisher is answered.
func (c *client) skip(conn *load.Conn) {
	for {
		if _, err := conn.Next(); err != nil {
			c.failed <- err
			return
		}
	}
}

// run publishes n messages with at most window on the way, and waits for all.
func (c *client) run(n, window int) error {
	for range n {
		if err := c.await(c.sent - int64(window) + 1); err != nil {
			return err
		}
		if err := c.publisher.Send(c.message); err != nil {
			return err
		}
		c.sent++
	}
	return c.await(c.sent)
}

// await waits until so many publishes are with all subscribers.
func (c *client) await(publishes int64) error {
	want := publishes * int64(len(c.subscribers))
	if c.received.Load() >= want {
		return nil
	}
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	for c.received.Load() < want {
		select {
		case <-c.progress:
		case err := <-c.failed:
			return fmt.Errorf("a client failed: %w", err)
		case <-deadline.C:
			return fmt.Errorf("%d of %d deliveries after 30 s", c.received.Load(), want)
		}
	}
	return nil
}

func (c *client) close() {
	if c.publisher != nil {
		c.publisher.Close()
	}
	for _, s := range c.subscribers {
		s.Close()
	}
}
