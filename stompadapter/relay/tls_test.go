package relay_test

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/relay"
)

// The relay's connections are encrypted, and go to nobody whose certificate does not say so.
func TestTLS(t *testing.T) {
	server := httptest.NewTLSServer(nil) // which has a certificate
	defer server.Close()
	trusting := server.Client().Transport.(*http.Transport).TLSClientConfig
	listener, err := tls.Listen("tcp", "127.0.0.1:0", server.TLS)
	if err != nil {
		t.Fatal(err)
	}
	hello := make(chan string, 10)
	served := make(chan struct{})
	go func() {
		defer close(served)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			greet(conn, hello)
		}
	}()
	for name, tt := range map[string]struct {
		config *tls.Config
		ok     bool
	}{
		"trusted":      {trusting, true},
		"unknown":      {&tls.Config{}, false},
		"another name": {&tls.Config{RootCAs: trusting.RootCAs, ServerName: "mill.example.net"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			decided := make(chan struct{}, 10)
			b := relay.New(message.HandlerFunc[[]byte](deliver), relay.Config{
				Address: listener.Addr().String(), TLS: tt.config, Logger: slog.New(slog.DiscardHandler),
				Events: message.HandlerFunc[broker.Event](func(context.Context, message.Message[broker.Event]) error {
					decided <- struct{}{}
					return nil
				}),
			})
			defer b.Close()
			<-decided
			if b.Stats().Available != tt.ok {
				t.Errorf("available is %t, want %t", !tt.ok, tt.ok)
			}
			if tt.ok {
				if text := <-hello; !strings.HasPrefix(text, "CONNECT\n") {
					t.Errorf("the broker heard %q", text)
				}
			}
			if len(hello) > 0 {
				t.Error("a login went to a broker that is not trusted")
			}
		})
	}
	listener.Close()
	<-served
}

// greet answers one CONNECT, and says what came.
func greet(conn net.Conn, hello chan<- string) {
	buf := make([]byte, 1024)
	n, err := conn.Read(buf)
	if err != nil {
		conn.Close()
		return
	}
	hello <- string(buf[:n])
	_, _ = io.WriteString(conn, "CONNECTED\nversion:1.2\n\n\x00")
	go func() {
		_, _ = io.Copy(io.Discard, conn) // until the relay closes it
		conn.Close()
	}()
}
