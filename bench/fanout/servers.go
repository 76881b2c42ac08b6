package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/centrifugal/centrifuge"
	nats "github.com/nats-io/nats-server/v2/server"

	"github.com/headrace/headrace/bench/internal/bare"
	"github.com/headrace/headrace/bench/internal/child"
	"github.com/headrace/headrace/bench/internal/site"
)

// server is a kind of server: the role of its process, and what its clients say.
type server struct {
	role, scheme string
	dialect      dialect
}

// dialect is what clients send, and what the answer to it contains. An empty
// login is not sent. In publish, %s stands for the body.
type dialect struct{ login, loggedIn, subscribe, subscribed, publish string }

var (
	stomp = dialect{
		login: "CONNECT\naccept-version:1.2\nhost:bench\n\n\x00", loggedIn: "CONNECTED\n",
		subscribe: "SUBSCRIBE\nid:0\ndestination:/topic/prices\nreceipt:r\n\n\x00", subscribed: "RECEIPT\n",
		publish: "SEND\ndestination:/topic/prices\n\n%s\x00",
	}
	nothing = dialect{subscribe: bare.Subscribe, subscribed: bare.Subscribe, publish: "%s"}
	lines   = dialect{subscribe: bare.Subscribe + "\n", subscribed: bare.Subscribe + "\n", publish: "%s\n"}

	servers = map[string]server{
		"headrace":        {site.Config{}.Role(), "ws", stomp},
		"headrace3":       {site.Config{Interceptors: 3}.Role(), "ws", stomp},
		"headrace-others": {site.Config{Others: 100_000}.Role(), "ws", stomp},
		"headrace-tls":    {site.Config{}.Role(), "wss", stomp},
		"headrace-tcp":    {site.Config{}.Role(), "tcp", stomp},
		"bare":            {"bare", "ws", nothing},
		"bare-single":     {"bare-single", "ws", nothing},
		"bare-tls":        {"bare-tls", "wss", nothing},
		"bare-tcp":        {"bare-tcp", "tcp", lines},
		"centrifuge": {"centrifuge", "ws", dialect{
			login: `{"id":1,"connect":{}}`, loggedIn: `"connect":`,
			subscribe: `{"id":2,"subscribe":{"channel":"prices"}}`, subscribed: `"subscribe":`,
			publish: `{"id":3,"publish":{"channel":"prices","data":"%s"}}`,
		}},
		"nats": {"nats", "ws", dialect{
			login: "CONNECT {\"verbose\":false}\r\nPING\r\n", loggedIn: "PONG\r\n",
			subscribe: "SUB prices 1\r\nPING\r\n", subscribed: "PONG\r\n",
			publish: fmt.Sprintf("PUB prices %d\r\n%%s\r\n", body),
		}},
	}
)

// serve is the child's side: it serves until the parent is gone.
func serve(role string) error {
	if ok, err := site.Serve(role); ok {
		return err
	}
	if role == "nats" {
		return serveNATS()
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	scheme := "ws"
	switch role {
	case "bare", "bare-single":
		go bare.ServeWebSocket(ln, role == "bare")
	case "bare-tls":
		certificate, err := site.Certificate()
		if err != nil {
			return err
		}
		scheme = "wss"
		go bare.ServeWebSocket(tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{certificate}}), true)
	case "bare-tcp":
		scheme = "tcp"
		go bare.ServeTCP(ln)
	case "centrifuge":
		handler, err := newCentrifuge()
		if err != nil {
			return err
		}
		go http.Serve(ln, handler)
	default:
		return fmt.Errorf("no server has the role %q", role)
	}
	child.Serve([]string{scheme + "://" + ln.Addr().String() + "/"}, nil)
	return nil
}

// newCentrifuge lets everybody subscribe and publish; no history, no presence.
func newCentrifuge() (http.Handler, error) {
	node, err := centrifuge.New(centrifuge.Config{LogLevel: centrifuge.LogLevelError, LogHandler: func(e centrifuge.LogEntry) { log.Print(e) }})
	if err != nil {
		return nil, err
	}
	node.OnConnecting(func(context.Context, centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		return centrifuge.ConnectReply{Credentials: &centrifuge.Credentials{}}, nil
	})
	node.OnConnect(func(c *centrifuge.Client) {
		c.OnSubscribe(func(_ centrifuge.SubscribeEvent, done centrifuge.SubscribeCallback) {
			done(centrifuge.SubscribeReply{}, nil)
		})
		c.OnPublish(func(_ centrifuge.PublishEvent, done centrifuge.PublishCallback) {
			done(centrifuge.PublishReply{}, nil)
		})
	})
	return centrifuge.NewWebsocketHandler(node, centrifuge.WebsocketConfig{}), node.Run()
}

func serveNATS() error {
	s, err := nats.NewServer(&nats.Options{
		Host: "127.0.0.1", Port: nats.RANDOM_PORT, NoSigs: true, NoLog: true,
		Websocket: nats.WebsocketOpts{Host: "127.0.0.1", Port: nats.RANDOM_PORT, NoTLS: true},
	})
	if err != nil {
		return err
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		return fmt.Errorf("the NATS server does not start")
	}
	child.Serve([]string{strings.TrimSuffix(s.WebsocketURL(), "/") + "/"}, nil)
	s.Shutdown()
	return nil
}
