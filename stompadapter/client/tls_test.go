package client_test

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/headrace/headrace/stompadapter/client"
)

// TestSockets talks over real sockets, plain and TLS, to a server that answers
// CONNECT and hangs up.
func TestSockets(t *testing.T) {
	https := httptest.NewTLSServer(nil) // for its certificate
	defer https.Close()
	trusting := https.Client().Transport.(*http.Transport).TLSClientConfig
	for name, tc := range map[string]struct {
		scheme string
		tls    *tls.Config
		good   bool
	}{
		"tcp":             {"tcp", nil, true},
		"tls":             {"tls", trusting, true},
		"tls not trusted": {"tls", nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			if tc.scheme == "tls" {
				l = tls.NewListener(l, https.TLS)
			}
			served := in(func() error {
				conn, err := l.Accept()
				if err != nil {
					return err
				}
				defer conn.Close()
				if _, err := conn.Read(make([]byte, 4096)); err != nil {
					return err
				}
				_, err = io.WriteString(conn, connected)
				return err
			})
			c, err := client.Dial(t.Context(), client.Config{
				URL: tc.scheme + "://" + l.Addr().String(), TLS: tc.tls, Reconnect: client.ReconnectConfig{Off: true},
			})
			if (err == nil) != tc.good {
				t.Errorf("Dial: %v", err)
			}
			if err == nil {
				<-c.Done()
				if err := c.Close(t.Context()); err != nil {
					t.Error(err)
				}
			}
			<-served
		})
	}
}
