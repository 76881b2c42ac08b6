package stompadapter_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter"
	"github.com/headrace/headrace/stompadapter/frame"
	"github.com/headrace/headrace/transport"
)

// tcpSite is an adapter that is served over sockets, some of them with TLS.
type tcpSite struct {
	*stompadapter.Adapter
	t    *testing.T
	log  *syncBuffer
	dial map[string]func() (net.Conn, error) // by transport
}

func serveTCP(t *testing.T, in *inbound, c stompadapter.Config) *tcpSite {
	t.Helper()
	certified := httptest.NewTLSServer(nil) // lends its certificate
	certified.Close()
	trust := certified.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	trust.ServerName = "example.com"

	s := &tcpSite{t: t, log: new(syncBuffer)}
	c.Logger = slog.New(slog.NewTextHandler(s.log, nil))
	s.Adapter = stompadapter.New(in, c)
	served := make(chan error, 2)
	listen := func() net.Listener {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return ln
	}
	plain, secret := listen(), listen()
	go func() { served <- s.ServeTCP(plain) }()
	go func() { served <- s.ServeTCP(tls.NewListener(secret, certified.TLS)) }()
	s.dial = map[string]func() (net.Conn, error){
		"tcp": func() (net.Conn, error) { return net.Dial("tcp", plain.Addr().String()) },
		"tls": func() (net.Conn, error) { return tls.Dial("tcp", secret.Addr().String(), trust) },
	}
	t.Cleanup(func() {
		s.Adapter.Close()
		for range 2 {
			if err := <-served; !errors.Is(err, transport.ErrShutdown) {
				t.Errorf("ServeTCP returned %v", err)
			}
		}
	})
	return s
}

// stream is a client without WebSocket.
type stream struct {
	net.Conn
	t       *testing.T
	decoder *frame.Decoder
	rest    []byte
}

func (s *tcpSite) open(kind string) *stream {
	s.t.Helper()
	nc, err := s.dial[kind]()
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(10 * time.Second))
	c := &stream{Conn: nc, t: s.t, decoder: frame.NewDecoder(frame.Limits{})}
	c.decoder.SetVersion(frame.V12)
	return c
}

// next returns the next frame, or no command and how the connection ended.
func (c *stream) next() (frame.Frame, error) {
	for {
		f, rest, ok, err := c.decoder.Decode(c.rest)
		if c.rest = rest; ok || err != nil {
			return f, err
		}
		buffer := make([]byte, 4096)
		n, err := c.Read(buffer)
		if n == 0 && err != nil {
			return f, err
		}
		c.rest = buffer[:n]
	}
}

func (c *stream) want(command frame.Command) frame.Frame {
	c.t.Helper()
	f, err := c.next()
	if err != nil || f.Command != command {
		c.t.Fatalf("got %s %v, %v, want %s", f.Command, f.Header, err, command)
	}
	return f
}

func (c *stream) wantEOF() {
	c.t.Helper()
	if f, err := c.next(); err != io.EOF {
		c.t.Fatalf("got %s, %v, want the end of the stream", f.Command, err)
	}
}

func TestStreams(t *testing.T) {
	for _, kind := range []string{"tcp", "tls"} {
		t.Run(kind, func(t *testing.T) {
			in := new(inbound)
			s := serveTCP(t, in, stompadapter.Config{})
			c := s.open(kind)
			for _, octet := range []byte(connect12 + send("/a", "r")) { // in any pieces
				c.Write([]byte{octet})
			}
			c.want(frame.Connected)
			c.want(frame.Receipt)
			session := in.only(t, message.KindConnect).Session
			if session.Transport() != kind || session.RemoteAddr() == "" {
				t.Errorf("the session came by %q from %q", session.Transport(), session.RemoteAddr())
			}
			m := delivery()
			m.Payload = []byte{0xff, 0}
			if err := session.Deliver(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			if f := c.want(frame.Message); string(f.Body) != "\xff\x00" {
				t.Errorf("body %q", f.Body)
			}
			fmt.Fprint(c, "DISCONNECT\nreceipt:bye\n\n\x00")
			c.want(frame.Receipt)
			c.wantEOF()
			s.Adapter.Close()
			if got := in.kinds(); got != "connect data disconnect" {
				t.Errorf("inbound saw %q", got)
			}
		})
	}
}

// TestErrorReachesStreams breaks the protocol while more is on its way, which
// would make a socket that is closed at once forget the ERROR.
func TestErrorReachesStreams(t *testing.T) {
	for _, kind := range []string{"tcp", "tls"} {
		t.Run(kind, func(t *testing.T) {
			s := serveTCP(t, new(inbound), stompadapter.Config{})
			c := s.open(kind)
			fmt.Fprint(c, connect12, "NONSENSE\n\n\x00", strings.Repeat("more", 4096))
			c.want(frame.Connected)
			if f := c.want(frame.Error); !strings.Contains(f.Header.Get("message"), "unknown command") {
				t.Errorf("ERROR %v", f.Header)
			}
			c.wantEOF()
			if n := s.Stats().Refused; n != 1 || strings.Count(s.log.String(), "request refused") != 1 {
				t.Errorf("%d refused: %s", n, s.log)
			}
		})
	}
}

// TestStreamsOfGarbage speaks HTTP, plain text to TLS and TLS to plain text:
// each of them ends, and nobody else is troubled.
func TestStreamsOfGarbage(t *testing.T) {
	s := serveTCP(t, new(inbound), stompadapter.Config{LoginTimeout: time.Second, TCP: transport.StreamConfig{HandshakeTimeout: time.Second}})
	s.dial["bare"] = func() (net.Conn, error) {
		c, err := s.dial["tls"]()
		if err != nil {
			return nil, err
		}
		return net.Dial("tcp", c.RemoteAddr().String())
	}
	for _, tt := range []struct{ name, kind, text string }{
		{"HTTP", "tcp", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"},
		{"TLS", "tcp", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"},
		{"half a frame", "tcp", "CONNECT\naccept-version:1.2\n"},
		{"silence", "tcp", ""},
		{"silence in TLS", "tls", ""},
		{"plain text to TLS", "bare", connect12},
		{"half a handshake", "bare", "\x16\x03\x01"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := s.open(tt.kind)
			fmt.Fprint(c, tt.text)
			if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("the connection is still open")
			}
		})
	}
	c := s.open("tcp")
	fmt.Fprint(c, connect12)
	c.want(frame.Connected)
	eventually(t, "nothing is left of the others", func() bool { return s.Stats().Transport.Open <= 1 })
}

// TestEndpointsShareLimits fills the one place there is by TCP.
func TestEndpointsShareLimits(t *testing.T) {
	in := new(inbound)
	s := serveTCP(t, in, stompadapter.Config{Transport: transport.Config{MaxConnections: 1}})
	web := httptest.NewServer(s.WebSocket())
	defer web.Close()
	c := s.open("tcp")
	fmt.Fprint(c, connect12)
	c.want(frame.Connected)
	r, err := http.Get(web.URL)
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if r.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("WebSocket answers %s", r.Status)
	}
	if st := s.Stats(); st.Sessions != 1 || st.Transport.Open != 1 {
		t.Errorf("statistics %+v", st)
	}
}

// TestStreamsDrain shuts down while a client is connected by TCP.
func TestStreamsDrain(t *testing.T) {
	in, taken := slow(1)
	s := serveTCP(t, in, stompadapter.Config{})
	c := s.open("tcp")
	fmt.Fprint(c, connect12, send("/a", "r"))
	c.want(frame.Connected)
	m := <-taken
	done := make(chan error)
	go func() { done <- s.Shutdown(t.Context()) }()
	eventually(t, "no more clients are taken", func() bool {
		nc, err := s.dial["tcp"]()
		if err == nil {
			nc.Close()
		}
		return err != nil
	})
	m.Done.Release(nil)
	c.want(frame.Receipt)
	c.wantEOF()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestHeartbeatsOverTCP sends beats and expects them where there are no pings.
func TestHeartbeatsOverTCP(t *testing.T) {
	s := serveTCP(t, new(inbound), stompadapter.Config{Heartbeat: stompadapter.HeartbeatConfig{Send: 20 * time.Millisecond, Receive: 500 * time.Millisecond}})
	c := s.open("tcp")
	began := time.Now() // before the server's time begins to run
	fmt.Fprint(c, "CONNECT\naccept-version:1.2\nheart-beat:1,1\n\n\x00")
	c.want(frame.Connected)
	rest, _ := io.ReadAll(c)
	if beats := strings.Count(string(rest), "\n"); beats < 2 || strings.Trim(string(rest), "\n") != "" {
		t.Errorf("a silent client got %q", rest)
	}
	if lasted := time.Since(began); lasted < 1400*time.Millisecond {
		t.Errorf("closed after %v, want 1.5s", lasted)
	}
}
