package interop_test

import (
	"context"
	"log"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"testing"
	"time"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter"
	"github.com/headrace/headrace/stompadapter/frame"
)

// What makes the test's program a server: the address for WebSocket.
const serveHTTP = "HEADRACE_INTEROP_HTTP"

func TestHeadrace(t *testing.T) {
	addrs := freeAddrs(t, 1)
	p := &process{t: t, addrs: addrs, command: func() *exec.Cmd {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), serveHTTP+"="+addrs[0])
		return cmd
	}}
	p.launch()
	for name, url := range map[string]string{"ws": "ws://" + addrs[0] + "/ws"} {
		t.Run(name, func(t *testing.T) {
			s := &server{url: url, name: regexp.MustCompile(`^headrace$`), process: p}
			s.run(t)
		})
	}
}

// serve is the program of our own server. It ends when it is killed.
func serve() {
	node := headrace.New(headrace.Config{})
	node.Inbound.Intercept(authenticate)
	stomp := stompadapter.New(node.Inbound, stompadapter.Config{
		Limits:    frame.Limits{Frame: 128 << 10},
		Heartbeat: stompadapter.HeartbeatConfig{Send: time.Second, Receive: time.Second},
	})
	mux := http.NewServeMux()
	mux.Handle("/ws", stomp.WebSocket())
	log.Fatal(node.Serve(context.Background(), &http.Server{Addr: os.Getenv(serveHTTP), Handler: mux}, stomp))
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
