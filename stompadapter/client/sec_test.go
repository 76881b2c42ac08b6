package client_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"testing"

	"github.com/headrace/headrace/stompadapter/client"
)

// A client that was told to talk in secret says nothing to whom cannot.
func TestSec_S48_NoDowngrade(t *testing.T) {
	for _, scheme := range []string{"tls", "wss"} {
		for name, answer := range map[string]string{
			"plain":    connected,
			"upgrade":  "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n",
			"redirect": "HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1/\r\n\r\n",
			"silence":  "",
		} {
			t.Run(scheme+" "+name, func(t *testing.T) {
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				defer l.Close()
				var heard []byte
				served := in(func() error {
					conn, err := l.Accept()
					if err != nil {
						return err
					}
					defer conn.Close()
					first := make([]byte, 4096)
					n, _ := conn.Read(first)
					io.WriteString(conn, answer)
					conn.(*net.TCPConn).CloseWrite()
					rest, err := io.ReadAll(conn)
					heard = append(first[:n], rest...)
					return err
				})
				_, err = client.Dial(t.Context(), client.Config{
					URL: scheme + "://" + l.Addr().String(), Login: "anna", Passcode: "canary",
					HTTPHeader: map[string][]string{"Authorization": {"canary"}},
				})
				<-served
				if err == nil {
					t.Error("connected")
				}
				if len(heard) == 0 || heard[0] != 0x16 || bytes.Contains(heard, []byte("canary")) || bytes.Contains(heard, []byte("CONNECT")) {
					t.Errorf("the server heard %q", heard)
				}
			})
		}
	}
}

// A login that would be another header is refused before any octet is sent.
func TestSec_S19_CredentialsMakeNoHeaders(t *testing.T) {
	for _, value := range []string{"a\nadmin:true", "a\r\nadmin:true", "a\x00", "\n\nbody\x00SEND"} {
		for _, c := range []client.Config{{Login: value}, {Passcode: value}, {Host: value}} {
			touched := false
			c.URL = "tcp://127.0.0.1:1"
			c.Dial = func(ctx context.Context) (net.Conn, error) { touched = true; return nil, io.EOF }
			if _, err := client.Dial(t.Context(), c); err == nil || touched {
				t.Errorf("%q: %v, a connection was tried: %v", value, err, touched)
			}
		}
	}
}
