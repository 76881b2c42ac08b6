package interop_test

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/client"
)

// patience is how long a case waits for what has to come.
const patience = 30 * time.Second

// unique returns a destination that nobody else uses.
func unique(prefix string) string { return prefix + rand.Text() }

// listen subscribes and returns where the messages come out.
func listen(t *testing.T, c *client.Client, destination string, config client.SubscribeConfig) <-chan message.Raw {
	t.Helper()
	got := make(chan message.Raw, 20_000)
	_, err := c.Subscribe(t.Context(), destination, config, func(_ context.Context, m message.Raw) error {
		got <- m
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// pull subscribes for messages that are acknowledged by hand.
func pull(t *testing.T, c *client.Client, destination string, ack client.AckMode) func() message.Raw {
	t.Helper()
	s, err := c.Subscribe(t.Context(), destination, client.SubscribeConfig{Ack: ack}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return func() message.Raw {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		for m, err := range s.Messages(ctx) {
			if err != nil {
				t.Fatal(err)
			}
			return m
		}
		panic("unreachable")
	}
}

// next returns what comes next.
func next[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatal("nothing comes")
		panic("unreachable")
	}
}

// want checks the body of what comes next.
func want(t *testing.T, from <-chan message.Raw, body string) {
	t.Helper()
	if m := next(t, from); string(m.Payload) != body {
		t.Fatalf("got %.40q, want %.40q", m.Payload, body)
	}
}

// send sends texts and waits for their receipts.
func send(t *testing.T, c *client.Client, destination string, bodies ...string) {
	t.Helper()
	for _, body := range bodies {
		if err := c.SendReceipt(t.Context(), destination, body); err != nil {
			t.Fatal(err)
		}
	}
}

// refused checks that err is an ERROR frame of the server.
func refused(t *testing.T, err error) {
	t.Helper()
	if e, ok := errors.AsType[*client.ServerError](err); !ok || e.Message == "" {
		t.Errorf("got %v, want a ServerError that says why", err)
	}
}

// line is a network connection that a test watches.
type line struct {
	net.Conn
	heard chan time.Time // when the server sent something
	ended chan struct{}  // the client has closed it
	once  sync.Once
}

// lines dials s and hands out each connection.
func (s *server) lines(t *testing.T) (dial func(context.Context) (net.Conn, error), opened <-chan *line) {
	t.Helper()
	u, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	lines := make(chan *line, 1000)
	return func(ctx context.Context) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", u.Host)
		if err != nil {
			return nil, err
		}
		l := &line{Conn: conn, heard: make(chan time.Time, 1000), ended: make(chan struct{})}
		lines <- l
		return l, nil
	}, lines
}

func (l *line) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	if n > 0 {
		l.heard <- time.Now()
	}
	return n, err
}

func (l *line) Close() error {
	l.once.Do(func() { close(l.ended) })
	return l.Conn.Close()
}
