package transport_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/transport"
)

// stream is an HTTP site that carries a connection in one response.
func stream(t *testing.T, c transport.Config, connect func(net.Conn)) (*httptest.Server, *transport.Server, chan *peer, chan error) {
	c.Logger = slog.New(slog.DiscardHandler)
	s, peers, wrote := transport.NewServer(c), make(chan *peer, 1), make(chan error, 1)
	site := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		wake := make(chan struct{}, 1)
		k, ok := s.Carry(w, r, transport.CarryConfig{Wake: func() {
			select {
			case wake <- struct{}{}:
			default:
			}
		}}, func(conn *transport.Conn) transport.Protocol {
			p := &peer{conn: conn, closed: make(chan error, 1)}
			peers <- p
			return p
		})
		if !ok {
			return
		}
		defer k.Gone(transport.ErrLost)
		for {
			frames, last, _ := k.Next()
			if err := k.Write(w, bytes.Join(frames, nil)); err != nil {
				wrote <- err
				return
			}
			if last {
				return
			}
			select {
			case <-wake:
			case <-r.Context().Done():
				return
			}
		}
	}))
	site.Config.ConnContext = func(ctx context.Context, nc net.Conn) context.Context {
		if connect != nil {
			connect(nc)
		}
		return ctx
	}
	site.Start()
	t.Cleanup(func() { s.Close(); site.Close() })
	return site, s, peers, wrote
}

func TestCarriedStream(t *testing.T) {
	const frames = 1000
	site, s, peers, _ := stream(t, transport.Config{}, nil)
	resp, err := http.Get(site.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	p := <-peers
	var want strings.Builder
	for i := range frames {
		line := fmt.Sprintln("line", i)
		want.WriteString(line)
		if err := p.conn.Send(plain(line)); err != nil {
			t.Fatal(err)
		}
	}
	p.conn.Close(nil)
	b, err := io.ReadAll(resp.Body)
	if string(b) != want.String() || err != nil {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	if err := <-p.closed; err != nil {
		t.Errorf("reason %v", err)
	}
	s.Close()
	if st := s.Stats(); st.Frames != frames || st.Bytes != uint64(want.Len()) {
		t.Errorf("%+v", st)
	}
	http.DefaultClient.CloseIdleConnections()
}

// A client that reads nothing is cut by the deadline, one that comes over the
// budget by that, and one whose server closes at once: no Write outlives them.
func TestCarriedStreamThatNobodyReads(t *testing.T) {
	for name, tt := range map[string]struct {
		config transport.Config
		end    func(*transport.Server, *peer)
		reason error
	}{
		"deadline": {transport.Config{WriteTimeout: 200 * time.Millisecond, OutboxBytes: 8 << 20}, func(*transport.Server, *peer) {}, transport.ErrSlow},
		"budget": {transport.Config{WriteTimeout: time.Hour, OutboxBytes: 8 << 20}, func(_ *transport.Server, p *peer) {
			for p.conn.Send(plain(strings.Repeat("x", 4<<20))) == nil {
			}
		}, transport.ErrSlow},
		"close": {transport.Config{WriteTimeout: time.Hour, OutboxBytes: 8 << 20}, func(s *transport.Server, p *peer) { s.Close() }, transport.ErrShutdown},
	} {
		t.Run(name, func(t *testing.T) {
			site, s, peers, wrote := stream(t, tt.config, smallSendBuffer)
			nc, err := net.Dial("tcp", site.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			nc.(*net.TCPConn).SetReadBuffer(4096)
			io.WriteString(nc, "GET / HTTP/1.1\r\nHost: own\r\n\r\n")
			p := <-peers
			p.conn.Send(plain(strings.Repeat("x", 4<<20)))
			tt.end(s, p)
			if err := <-p.closed; !errors.Is(err, tt.reason) {
				t.Errorf("reason %v", err)
			}
			if err := <-wrote; err == nil {
				t.Error("the write went well")
			}
		})
	}
}
