// Package site serves a headrace node to the measurements, in their own process
// or as a child.
package site

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/bench/internal/child"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter"
	"github.com/headrace/headrace/transport"
)

// Config says how a site differs from a node with the defaults.
type Config struct {
	// Address is where WebSocket clients connect. Zero means a free port.
	Address string `json:",omitempty"`
	// Interceptors is how many interceptors are mounted on Outbound. Zero means
	// none.
	Interceptors int `json:",omitempty"`
	// Others is how many subscriptions to other destinations there are, each to one
	// of its own, by sessions without a network. Zero means none.
	Others int `json:",omitempty"`
	// SendBuffer is the size of the sockets' send buffers in bytes. Zero means
	// the system's, which is megabytes on the loopback interface.
	SendBuffer int `json:",omitempty"`
	// Workers is that of [headrace.Config]. Zero means its default.
	Workers int `json:",omitempty"`
	// MaxConnections is that of [transport.Config]. Zero means its default.
	MaxConnections int `json:",omitempty"`
	// WriteTimeout is that of [transport.Config]. Zero means its default.
	WriteTimeout time.Duration `json:",omitempty"`
	// Heartbeat is what the server offers both ways. Zero means 10 s.
	Heartbeat time.Duration `json:",omitempty"`
	// LoginTimeout is how long a client has for each step from the first byte
	// to being connected. Zero means 5 s.
	LoginTimeout time.Duration `json:",omitempty"`
	// Compression lets WebSocket clients compress what they send. Zero means
	// that it is off.
	Compression bool `json:",omitempty"`
}

// Role returns the role of a child that serves this site.
func (c Config) Role() string {
	text, err := json.Marshal(c)
	if err != nil {
		panic(err) // of a field that JSON does not know
	}
	return roleName + string(text)
}

const roleName = "headrace "

// Serve serves the site of a child's role, until the parent ends it. It returns
// false if the role is not of this package.
func Serve(role string) (bool, error) {
	text, ok := strings.CutPrefix(role, roleName)
	if !ok {
		return false, nil
	}
	var c Config
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return true, err
	}
	s, err := Start(c)
	if err != nil {
		return true, err
	}
	child.Serve(s.URLs, s.answer)
	return true, nil
}

// Site is a node that serves STOMP over WebSocket and TCP, with and without TLS.
type Site struct {
	// Node is the node, with the defaults.
	Node *headrace.Node
	// Stomp is its adapter.
	Stomp *stompadapter.Adapter
	// URLs has one URL per scheme: ws, wss, tcp and tls. Where ws is, SockJS is
	// at /sockjs.
	URLs []string

	servers []*http.Server
	serving sync.WaitGroup
}

// Start starts a site, which the caller closes.
func Start(c Config) (*Site, error) {
	c.LoginTimeout = cmp.Or(c.LoginTimeout, 5*time.Second)
	quiet := slog.New(slog.DiscardHandler)
	s := &Site{Node: headrace.New(headrace.Config{Workers: c.Workers, Logger: quiet})}
	for range c.Interceptors {
		s.Node.Outbound.Intercept(countBytes(new(atomic.Int64)))
	}
	if err := s.crowd(c.Others); err != nil {
		return nil, err
	}
	s.Stomp = stompadapter.New(s.Node.Inbound, stompadapter.Config{
		Transport:    transport.Config{MaxConnections: c.MaxConnections, WriteTimeout: c.WriteTimeout},
		WebSocket:    transport.WebSocketConfig{Compression: c.Compression},
		TCP:          transport.StreamConfig{HandshakeTimeout: c.LoginTimeout},
		LoginTimeout: c.LoginTimeout,
		Heartbeat:    stompadapter.HeartbeatConfig{Send: c.Heartbeat, Receive: c.Heartbeat},
		Logger:       quiet,
	})
	certificate, err := Certificate()
	if err != nil {
		return nil, err
	}
	encrypted := &tls.Config{Certificates: []tls.Certificate{certificate}}
	mux := http.NewServeMux()
	mux.Handle("/ws", s.Stomp.WebSocket())
	mux.Handle("/sockjs/", s.Stomp.SockJS())
	for _, scheme := range []string{"ws", "wss", "tcp", "tls"} {
		address := "127.0.0.1:0"
		if scheme == "ws" && c.Address != "" {
			address = c.Address
		}
		ln, err := net.Listen("tcp", address)
		if err != nil {
			s.Close()
			return nil, err
		}
		path := ""
		ln = sendBuffer{ln, c.SendBuffer}
		if scheme == "wss" || scheme == "tls" {
			ln = tls.NewListener(ln, encrypted)
		}
		if strings.HasPrefix(scheme, "ws") {
			path = "/ws"
			server := &http.Server{Handler: mux, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError), ReadHeaderTimeout: c.LoginTimeout, IdleTimeout: c.LoginTimeout}
			s.servers = append(s.servers, server)
			s.serving.Go(func() { server.Serve(ln) })
		} else {
			s.serving.Go(func() { s.Stomp.ServeTCP(ln) })
		}
		s.URLs = append(s.URLs, scheme+"://"+ln.Addr().String()+path)
	}
	return s, nil
}

// URL returns where the site serves a scheme.
func (s *Site) URL(scheme string) string {
	for _, u := range s.URLs {
		if strings.HasPrefix(u, scheme+"://") {
			return u
		}
	}
	return ""
}

// Close ends the site and joins what it started.
func (s *Site) Close() {
	s.Stomp.Close()
	for _, server := range s.servers {
		server.Close()
	}
	s.serving.Wait()
	s.Node.Close()
}

// crowd makes subscriptions that nothing is published to.
func (s *Site) crowd(n int) error {
	const each = 100 // that a session has
	var session *message.Session
	for i := range n {
		m := message.Raw{Kind: message.KindSubscribe, Subscription: strconv.Itoa(i), Destination: "/topic/others/" + strconv.Itoa(i)}
		if i%each == 0 {
			session = message.NewSession(nowhere{}, message.SessionInfo{})
			if err := s.Node.Broker.Handle(context.Background(), message.Raw{Kind: message.KindConnect, Session: session}); err != nil {
				return err
			}
		}
		m.Session = session
		if err := s.Node.Broker.Handle(context.Background(), m); err != nil {
			return err
		}
	}
	return nil
}

// nowhere is the sink of a session without a network.
type nowhere struct{}

func (nowhere) Deliver(context.Context, message.Raw) error { return nil }
func (nowhere) Close(error)                                {}

// countBytes is an interceptor that does a little work.
func countBytes(total *atomic.Int64) message.RawInterceptor {
	return func(next message.RawHandler) message.RawHandler {
		return message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
			total.Add(int64(len(m.Payload)))
			return next.Handle(ctx, m)
		})
	}
}

// sendBuffer is a listener that sets the size of the send buffer.
type sendBuffer struct {
	net.Listener
	bytes int
}

func (l sendBuffer) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil && l.bytes > 0 {
		err = c.(*net.TCPConn).SetWriteBuffer(l.bytes)
	}
	return c, err
}
