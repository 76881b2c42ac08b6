package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

// client is the publisher and all subscribers. The subscribers read frames by
// their length alone, so that reading costs little beside the server.
type client struct {
	publisher   *websocket.Conn
	subscribers []*websocket.Conn
	frame       []byte
	received    atomic.Int64
	sent        int64
	progress    chan struct{}
	failed      chan error
}

func connect(kind, addr string, n, body int) (*client, error) {
	c := &client{progress: make(chan struct{}, 1), failed: make(chan error, n)}
	payload := strings.Repeat("x", body)
	stomp := strings.HasPrefix(kind, "headrace")
	c.frame = []byte(payload)
	if stomp {
		c.frame = []byte("SEND\ndestination:/topic/prices\n\n" + payload + "\x00")
	}
	var err error
	for range n {
		conn, e := open(addr, "/sub", stomp)
		if e != nil {
			return nil, e
		}
		c.subscribers = append(c.subscribers, conn)
		go c.count(conn)
	}
	c.publisher, err = open(addr, "/pub", stomp)
	return c, err
}

// open connects, and logs in and subscribes over STOMP.
func open(addr, path string, stomp bool) (*websocket.Conn, error) {
	conn, _, err := websocket.DefaultDialer.Dial("ws://"+addr+path, nil)
	if err != nil || !stomp {
		return conn, err
	}
	write := func(frame string) {
		if err == nil {
			err = conn.WriteMessage(websocket.TextMessage, []byte(frame))
		}
	}
	write("CONNECT\naccept-version:1.2\nhost:bench\n\n\x00")
	if path == "/sub" {
		write("SUBSCRIBE\nid:0\ndestination:/topic/prices\nreceipt:r\n\n\x00")
	}
	want := []string{"CONNECTED"}
	if path == "/sub" {
		want = append(want, "RECEIPT")
	}
	for _, w := range want {
		_, data, e := conn.ReadMessage()
		if e != nil {
			return nil, e
		}
		if !strings.HasPrefix(string(data), w) {
			return nil, fmt.Errorf("got %q, want %s", data, w)
		}
	}
	return conn, err
}

// count counts messages below gorilla: header, length, skip.
func (c *client) count(conn *websocket.Conn) {
	r := bufio.NewReaderSize(conn.NetConn(), 16<<10)
	var header [10]byte
	for {
		if _, err := io.ReadFull(r, header[:2]); err != nil {
			c.failed <- err
			return
		}
		n := int(header[1] & 0x7f)
		switch n {
		case 126:
			io.ReadFull(r, header[2:4])
			n = int(binary.BigEndian.Uint16(header[2:4]))
		case 127:
			io.ReadFull(r, header[2:10])
			n = int(binary.BigEndian.Uint64(header[2:10]))
		}
		if _, err := r.Discard(n); err != nil {
			c.failed <- err
			return
		}
		if n < 64 {
			continue // a heart-beat
		}
		if total := c.received.Add(1); total%int64(len(c.subscribers)) == 0 {
			select {
			case c.progress <- struct{}{}:
			default:
			}
		}
	}
}

// run publishes n messages with at most window on the way, and waits for all.
func (c *client) run(n, window int) error {
	for range n {
		if err := c.await(c.sent - int64(window) + 1); err != nil {
			return err
		}
		if err := c.publisher.WriteMessage(websocket.TextMessage, c.frame); err != nil {
			return err
		}
		c.sent++
	}
	return c.await(c.sent)
}

// await waits until so many publishes are with all subscribers.
func (c *client) await(publishes int64) error {
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	for c.received.Load() < publishes*int64(len(c.subscribers)) {
		select {
		case <-c.progress:
		case err := <-c.failed:
			return fmt.Errorf("a subscriber failed: %w", err)
		case <-deadline.C:
			return fmt.Errorf("%d of %d deliveries after 30 s", c.received.Load(), publishes*int64(len(c.subscribers)))
		}
	}
	return nil
}

func (c *client) close() {
	c.publisher.Close()
	for _, s := range c.subscribers {
		s.Close()
	}
}
