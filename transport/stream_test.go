package transport_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/transport"
)

// streams is a server with one listener.
type streams struct {
	*transport.Server
	listener net.Listener
	peers    chan *peer
	served   chan error // what Serve returned
}

func serve(t testing.TB, ln net.Listener, su setup, c transport.StreamConfig) *streams {
	if su.config.Logger == nil {
		su.config.Logger = slog.New(slog.DiscardHandler)
	}
	s := &streams{
		Server:   transport.NewServer(su.config),
		listener: ln,
		peers:    make(chan *peer, 10000),
		served:   make(chan error, 1),
	}
	go func() {
		s.served <- s.Serve(ln, c, func(c *transport.Conn) transport.Protocol {
			p := &peer{conn: c, receive: su.receive, closed: make(chan error, 1)}
			if su.open != nil {
				su.open(p)
			}
			s.peers <- p
			return p
		})
	}()
	t.Cleanup(func() {
		s.Close()
		if err := <-s.served; err != transport.ErrShutdown && err != errBroken {
			t.Errorf("Serve returned %v", err)
		}
		close(s.served)
	})
	return s
}

// listen returns a listener on a real socket and how to reach it.
func listen(t testing.TB, network string) (net.Listener, func() net.Conn) {
	t.Helper()
	address := "127.0.0.1:0"
	if network == "unix" {
		address = filepath.Join(t.TempDir(), "socket")
	}
	kind := strings.Replace(network, "tls", "tcp", 1)
	ln, err := net.Listen(kind, address)
	if err != nil {
		t.Fatal(err)
	}
	dial := func() net.Conn {
		nc, err := net.Dial(kind, ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { nc.Close() })
		nc.SetDeadline(time.Now().Add(20 * time.Second))
		return nc
	}
	if network != "tls" {
		return ln, dial
	}
	site := httptest.NewUnstartedServer(nil)
	site.StartTLS() // for its certificate
	site.Close()
	return tls.NewListener(ln, &tls.Config{Certificates: site.TLS.Certificates}), func() net.Conn {
		return tls.Client(dial(), &tls.Config{InsecureSkipVerify: true})
	}
}

// turnedAway expects a connection to end without a word. The end may come
// before Dial has returned.
func turnedAway(t testing.TB, ln net.Listener, say string) {
	t.Helper()
	nc, err := net.Dial(ln.Addr().Network(), ln.Addr().String())
	if err != nil {
		return
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(20 * time.Second))
	io.WriteString(nc, say)
	nc.(interface{ CloseWrite() error }).CloseWrite()
	if b, err := io.ReadAll(nc); len(b) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%q, %v", b, err)
	}
}

// plain returns a frame with s for a stream.
func plain(s string) *transport.Frame {
	return transport.NewFrame(transport.FramingStream, []byte(s))
}

func echoPlain(p *peer, b []byte) error { return p.conn.Send(plain(string(b))) }

func TestStreamsEcho(t *testing.T) {
	for _, network := range []string{"tcp", "unix", "tls"} {
		t.Run(network, func(t *testing.T) {
			ln, dial := listen(t, network)
			s := serve(t, ln, setup{receive: echoPlain}, transport.StreamConfig{
				Principal: func(nc net.Conn) (message.Principal, error) {
					_, encrypted := nc.(*tls.Conn)
					if encrypted && !nc.(*tls.Conn).ConnectionState().HandshakeComplete {
						return nil, errors.New("asked before the handshake")
					}
					return message.User("ann"), nil
				},
			})
			nc := dial()
			r := bufio.NewReader(nc)
			for range 3 {
				io.WriteString(nc, "hello\n")
				if line, err := r.ReadString('\n'); line != "hello\n" {
					t.Fatalf("%q, %v", line, err)
				}
			}
			p := <-s.peers
			info := p.conn.Info()
			if info.Transport != network || info.Principal.Name() != "ann" || network != "unix" && info.RemoteAddr != nc.LocalAddr().String() {
				t.Errorf("%+v", info)
			}
			if p.conn.Framing() != transport.FramingStream {
				t.Error("framing")
			}
			nc.Close()
			if err := <-p.closed; !errors.Is(err, transport.ErrLost) {
				t.Errorf("reason %v", err)
			}
		})
	}
}

// What was sent arrives, however much of what the client sends is unread, and
// then the end does.
func TestStreamCloseSendsWhatIsQueued(t *testing.T) {
	for _, network := range []string{"tcp", "unix", "tls"} {
		t.Run(network, func(t *testing.T) {
			const frames = 200
			ln, dial := listen(t, network)
			s := serve(t, ln, setup{receive: func(p *peer, _ []byte) error {
				for range frames {
					p.conn.Send(plain(strings.Repeat("x", 1000)))
				}
				return message.Errorf(message.CodeInvalid, "no")
			}}, transport.StreamConfig{})
			nc := dial()
			var writer sync.WaitGroup
			writer.Go(func() { io.WriteString(nc, strings.Repeat("y", 64<<10)) })
			b, err := io.ReadAll(nc)
			if len(b) != frames*1000 || err != nil {
				t.Errorf("%d bytes, %v", len(b), err)
			}
			writer.Wait()
			nc.Close()
			p := <-s.peers
			if err := <-p.closed; message.Public(err).Code != message.CodeInvalid {
				t.Errorf("reason %v", err)
			}
			if n := len(p.received()); n > 16<<10 {
				t.Errorf("%d bytes received after the end", n)
			}
		})
	}
}

// Who ends its side, as nc does, still gets the answers.
func TestStreamAnswersWhoEndedItsSide(t *testing.T) {
	ln, dial := listen(t, "tcp")
	s := serve(t, ln, setup{receive: echoPlain}, transport.StreamConfig{})
	nc := dial()
	io.WriteString(nc, "question")
	nc.(*net.TCPConn).CloseWrite()
	if b, err := io.ReadAll(nc); string(b) != "question" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	if err := <-(<-s.peers).closed; !errors.Is(err, transport.ErrLost) {
		t.Errorf("reason %v", err)
	}
}

// A client that does not end its side is not waited for.
func TestStreamLingerIsBounded(t *testing.T) {
	for _, network := range []string{"tcp", "tls"} {
		t.Run(network, func(t *testing.T) {
			ln, dial := listen(t, network)
			s := serve(t, ln, setup{open: func(p *peer) {
				p.conn.Send(plain("bye"))
				p.conn.Close(nil)
			}}, transport.StreamConfig{})
			began := time.Now() // before the server's time begins to run
			nc := dial()
			if b, err := io.ReadAll(nc); string(b) != "bye" || err != nil {
				t.Errorf("%q, %v", b, err)
			}
			if err := <-(<-s.peers).closed; err != nil {
				t.Errorf("reason %v", err)
			}
			if d := time.Since(began); d < 900*time.Millisecond || d > 10*time.Second {
				t.Errorf("closed after %v", d)
			}
		})
	}
}

func TestStreamsOverPipes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := newPipes()
		s := serve(t, ln, setup{}, transport.StreamConfig{})
		near, far := net.Pipe()
		ln.conns <- far
		p := <-s.peers
		p.conn.Heartbeat(10*time.Second, 30*time.Second, plain("\n"))
		began, buf := time.Now(), make([]byte, 10)
		for i := range 3 {
			n, err := near.Read(buf)
			if d := time.Since(began); string(buf[:n]) != "\n" || err != nil || d != time.Duration(i+1)*9*time.Second {
				t.Errorf("%q, %v after %v", buf[:n], err, d)
			}
		}
		if _, err := near.Read(buf); err != io.EOF || time.Since(began) != 30*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		if err := <-p.closed; message.Public(err).Code != message.CodeTimeout {
			t.Errorf("reason %v", err)
		}
	})
}

func TestStreamWriteTimeoutIsExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := newPipes()
		s := serve(t, ln, setup{}, transport.StreamConfig{})
		near, far := net.Pipe()
		defer near.Close()
		ln.conns <- far
		p := <-s.peers
		began := time.Now()
		p.conn.Send(plain("nobody reads this"))
		if err := <-p.closed; !errors.Is(err, transport.ErrSlow) || time.Since(began) != 10*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

func TestStreamOverBudgetIsCut(t *testing.T) {
	ln, dial := listen(t, "tcp")
	s := serve(t, ln, setup{config: transport.Config{OutboxBytes: 64 << 10}}, transport.StreamConfig{})
	dial()
	p := <-s.peers
	frame := plain(strings.Repeat("x", 10000))
	var err error
	for err == nil {
		err = p.conn.Send(frame)
	}
	if reason := <-p.closed; err != transport.ErrSlow || !errors.Is(reason, transport.ErrSlow) {
		t.Errorf("%v, reason %v", err, reason)
	}
}

func TestStreamPanicsCostTheirOwnClientOnly(t *testing.T) {
	for name, su := range map[string]setup{
		"open":    {open: func(*peer) { panic("a secret") }},
		"receive": {receive: func(*peer, []byte) error { panic("a secret") }},
	} {
		t.Run(name, func(t *testing.T) {
			ln, _ := listen(t, "tcp")
			s := serve(t, ln, su, transport.StreamConfig{})
			for range 3 {
				turnedAway(t, ln, "boom")
			}
			for name == "receive" && s.Stats().Closed["internal"] < 3 {
				waitABit()
			}
			for s.Stats().Open > 0 {
				waitABit()
			}
		})
	}
}

func TestStreamsAreLimited(t *testing.T) {
	ln, dial := listen(t, "tcp")
	s := serve(t, ln, setup{config: transport.Config{MaxConnections: 1}}, transport.StreamConfig{})
	dial()
	p := <-s.peers
	for range 3 {
		turnedAway(t, ln, "")
	}
	if st := s.Stats(); st.Open != 1 || st.Total != 1 || st.Refused != 3 || st.Limited.Connections != 3 {
		t.Errorf("%+v", st)
	}
	p.conn.Close(nil)
	<-p.closed
}

// Unknown clients, those without a handshake and slow ones hold up nobody.
func TestTLSHandshakeIsBounded(t *testing.T) {
	var log lockedBuffer
	ln, dial := listen(t, "tls")
	s := serve(t, ln, setup{config: transport.Config{Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))},
		receive: echoPlain}, transport.StreamConfig{HandshakeTimeout: time.Second})
	silent, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	chatty, _ := net.Dial("tcp", ln.Addr().String())
	defer chatty.Close()
	io.WriteString(chatty, "GET / HTTP/1.1\r\n\r\n")

	nc := dial()
	io.WriteString(nc, "hello")
	if _, err := io.ReadFull(nc, make([]byte, 5)); err != nil {
		t.Error(err)
	}
	for _, nc := range []net.Conn{silent, chatty} {
		nc.SetDeadline(time.Now().Add(20 * time.Second))
		if _, err := io.Copy(io.Discard, nc); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error("still open")
		}
	}
	for s.Stats().Refused < 2 {
		waitABit()
	}
	if st := s.Stats(); st.Refused != 2 || st.Total != 1 {
		t.Errorf("%+v", st)
	}
	if !strings.Contains(log.String(), "first record does not look like a TLS handshake") {
		t.Errorf("log: %s", log.String())
	}
}
