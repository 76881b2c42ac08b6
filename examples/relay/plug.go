package main

import (
	"context"
	"errors"
	"net"
	"sync"
)

// plug is between the relay and RabbitMQ. While it is out there is nothing on the other
// side, as when RabbitMQ ends or the network does.
type plug struct {
	mu    sync.Mutex
	out   bool
	conns map[net.Conn]struct{}
}

// dial is relay.Config.Dial.
func (p *plug) dial(ctx context.Context, addr string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.out {
		conn.Close()
		return nil, errors.New("the plug is out")
	}
	if p.conns == nil {
		p.conns = make(map[net.Conn]struct{})
	}
	p.conns[conn] = struct{}{}
	return &plugged{conn, p}, nil
}

// pull cuts all connections and lets no other one through, until it is put in again.
func (p *plug) pull(out bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.out = out
	if !out {
		return
	}
	for conn := range p.conns {
		conn.Close()
	}
	clear(p.conns)
}

func (p *plug) isOut() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out
}

// plugged is a connection that the plug knows while it is open.
type plugged struct {
	net.Conn
	plug *plug
}

func (c *plugged) Close() error {
	c.plug.mu.Lock()
	delete(c.plug.conns, c.Conn)
	c.plug.mu.Unlock()
	return c.Conn.Close()
}
