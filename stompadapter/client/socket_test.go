package client_test

import (
	"context"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/client"
	"github.com/headrace/headrace/stompadapter/frame"
)

// accept takes the next connection of a client and answers CONNECT.
func accept(t *testing.T, l net.Listener, greeting string) *peer {
	t.Helper()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{t: t, conn: conn, frames: make(chan frame.Frame, 1000), pause: make(chan struct{}, 1)}
	go p.read(greeting)
	return p
}

func listenTCP(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// TestHeartbeatsOverASocket has no exact figures: those are of the tests above,
// where time stands still meanwhile.
func TestHeartbeatsOverASocket(t *testing.T) {
	const beat = 100 * time.Millisecond
	l := listenTCP(t)
	dialed := in(func() *client.Client {
		c, err := client.Dial(t.Context(), client.Config{
			URL:       "tcp://" + l.Addr().String(),
			Heartbeat: client.HeartbeatConfig{Send: beat, Receive: 5 * beat},
			Reconnect: client.ReconnectConfig{Off: true},
		})
		if err != nil {
			t.Error(err)
		}
		return c
	})
	began := time.Now() // before the client's time begins to run
	p := accept(t, l, "CONNECTED\nversion:1.2\nheart-beat:100,100\n\n\x00")
	defer p.conn.Close()
	c := <-dialed
	defer hangUp(c)
	<-c.Done() // for the server is silent
	d := time.Since(began)
	if d < 10*beat-50*time.Millisecond || d > 100*beat {
		t.Errorf("lost after %v, want two heart-beats of %v", d, 5*beat)
	}
	if err := c.Err(); !strings.Contains(err.Error(), "silent") {
		t.Errorf("got %v", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := p.raw.Len() - strings.IndexByte(p.raw.String(), 0) - 1; n < 3 || n > int(d/beat)+2 {
		t.Errorf("%d heart-beats in %v, want one every %v", n, d, beat)
	}
}

// TestReconnectOverASocket takes the server away, and the port with it, which anybody may
// have got when it comes again: that is at another one.
func TestReconnectOverASocket(t *testing.T) {
	l := listenTCP(t)
	var addr atomic.Value
	addr.Store(l.Addr().String())
	got := make(chan string, 1)
	dialed := in(func() *client.Client {
		c, err := client.Dial(t.Context(), client.Config{
			URL:       "tcp://server",
			Reconnect: client.ReconnectConfig{MinDelay: 10 * time.Millisecond, MaxDelay: 50 * time.Millisecond},
			Dial: func(ctx context.Context) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "tcp", addr.Load().(string))
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Subscribe(t.Context(), "/a", client.SubscribeConfig{}, func(_ context.Context, m message.Raw) error {
			got <- string(m.Payload)
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		return c
	})
	p := accept(t, l, connected)
	p.want(frame.Connect)
	p.confirm(p.want(frame.Subscribe))
	c := <-dialed
	defer hangUp(c)

	l.Close()
	if err := p.conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	for range p.frames { // until the client has hung up too
	}
	p.conn.Close()
	if err := c.Send(t.Context(), "/b", "meanwhile"); err != nil {
		t.Fatal(err)
	}
	l = listenTCP(t)
	addr.Store(l.Addr().String())
	p = accept(t, l, connected)
	defer p.conn.Close()
	p.want(frame.Connect)
	f := p.want(frame.Subscribe)
	p.confirm(f)
	if f := p.want(frame.Send); string(f.Body) != "meanwhile" {
		t.Errorf("got %q", f.Body)
	}
	if _, err := io.WriteString(p.conn, "MESSAGE\nsubscription:"+f.Header.Get("id")+"\nmessage-id:1\ndestination:/a\n\nhello\x00"); err != nil {
		t.Fatal(err)
	}
	if m := <-got; m != "hello" {
		t.Errorf("got %q", m)
	}
}
