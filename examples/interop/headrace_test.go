package interop_test

import (
	"context"
	"crypto/tls"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/internal/proc"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter"
	"github.com/headrace/headrace/stompadapter/frame"
)

// serveAt makes the test's program a server: the addresses for WebSocket, TCP
// and TLS, with blanks between them.
const serveAt = "HEADRACE_INTEROP_SERVE"

func TestHeadrace(t *testing.T) {
	t.Parallel()
	addrs := proc.FreeAddrs(t, 3)
	p := proc.Start(t, proc.Config{Args: os.Args[:1], Env: append(os.Environ(), serveAt+"="+strings.Join(addrs, " ")), Addrs: addrs})
	_, trusting := certificate()
	for name, url := range map[string]string{"ws": "ws://" + addrs[0] + "/ws", "tcp": "tcp://" + addrs[1], "tls": "tls://" + addrs[2]} {
		t.Run(name, func(t *testing.T) {
			s := &server{url: url, tls: trusting, name: regexp.MustCompile(`^headrace$`), process: p}
			s.run(t)
		})
	}
}

// certificate returns what the server shows and what the client trusts.
func certificate() (shows, trusts *tls.Config) {
	s := httptest.NewTLSServer(nil) // which has one
	defer s.Close()
	return s.TLS, s.Client().Transport.(*http.Transport).TLSClientConfig
}

// serve is the program of our own server. It ends when it is killed.
func serve(web, plain, secure string) {
	node := headrace.New(headrace.Config{Rules: []broker.Rule{{Prefix: "/queue", Mode: broker.Queue}}})
	node.Inbound.Intercept(authenticate)
	stomp := stompadapter.New(node.Inbound, stompadapter.Config{
		Limits:    frame.Limits{Frame: 128 << 10},
		Heartbeat: stompadapter.HeartbeatConfig{Send: 3 * time.Second, Receive: 3 * time.Second},
	})
	shows, _ := certificate()
	go func() { log.Fatal(stomp.ServeTCP(mustListen(plain))) }()
	go func() { log.Fatal(stomp.ServeTCP(tls.NewListener(mustListen(secure), shows))) }()
	mux := http.NewServeMux()
	mux.Handle("/ws", stomp.WebSocket())
	log.Fatal(node.Serve(context.Background(), &http.Server{Addr: web, Handler: mux}, stomp))
}

func mustListen(addr string) net.Listener {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		log.Fatal(err)
	}
	return l
}

// authenticate lets in who knows the password.
func authenticate(next message.RawHandler) message.RawHandler {
	return message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
		if m.Kind == message.KindConnect && (m.Header.Get("login") != login || m.Header.Get("passcode") != passcode) {
			return message.Errorf(message.CodeUnauthenticated, "wrong login or passcode")
		}
		return next.Handle(ctx, m)
	})
}
