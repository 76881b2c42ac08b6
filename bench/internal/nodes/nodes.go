// Package nodes serves nodes that are one broker, each as a child, and the engine
// between them: NATS with JetStream.
package nodes

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/bench/internal/child"
	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/engines/nats"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter"
	"github.com/headrace/headrace/transport"
)

// Config is what a child serves: a node, or the engine where Folder is set.
type Config struct {
	// Name is the node's id. Zero (empty) means a random one.
	Name string `json:",omitempty"`
	// Engine is where the engine of the node is. Zero (empty) means where NATS listens
	// by default.
	Engine string `json:",omitempty"`
	// Folder is where the engine keeps what it stores. Zero (empty) means that this is
	// a node.
	Folder string `json:",omitempty"`
}

// AckWait is after which time the engine gives what a node had to another one.
const AckWait = 3 * time.Second

// InFlight is how many messages of a queue a node and each of its consumers may have.
const InFlight = 1024

const roleName = "nodes "

// Role returns the role of a child that serves this.
func (c Config) Role() string {
	text, err := json.Marshal(c)
	if err != nil {
		panic(err) // of a field that JSON does not know
	}
	return roleName + string(text)
}

// Serve serves what a child's role says, until the parent ends it. It returns false if
// the role is not of this package. A node answers "sessions" with user@node of each
// session that is known, and "where" is what /app/where answers to who subscribes: the
// node's name.
func Serve(role string) (bool, error) {
	text, ok := strings.CutPrefix(role, roleName)
	if !ok {
		return false, nil
	}
	var c Config
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return true, err
	}
	if c.Folder != "" {
		return true, c.serveEngine()
	}
	return true, c.serveNode()
}

func (c Config) serveEngine() error {
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true, JetStream: true, StoreDir: c.Folder,
	})
	if err != nil {
		return err
	}
	s.Start()
	defer s.WaitForShutdown()
	defer s.Shutdown()
	if !s.ReadyForConnections(30 * time.Second) {
		return errors.New("the engine does not start")
	}
	child.Serve([]string{s.ClientURL()}, nil)
	return nil
}

func (c Config) serveNode() error {
	quiet := slog.New(slog.DiscardHandler)
	backplane, err := nats.JetStream(nats.Config{URL: c.Engine, AckWait: AckWait, InFlight: InFlight, Logger: quiet})
	if err != nil {
		return err
	}
	defer backplane.Close()
	node := headrace.New(headrace.Config{
		Backplane: backplane,
		NodeID:    c.Name,
		Rules:     []broker.Rule{{Prefix: "/queue", Mode: broker.Queue, Acks: broker.Acks{Prefetch: InFlight, Deadline: time.Minute}}},
		Logger:    quiet,
	})
	defer node.Close()
	handler.OnSubscribe(node.Router, "/where", func(context.Context, struct{}) (string, error) { return c.Name, nil })
	stomp := stompadapter.New(node.Inbound, stompadapter.Config{
		Transport: transport.Config{Handshake: transport.Handshake{Principal: func(r *http.Request) (message.Principal, error) {
			return message.User(r.URL.Query().Get("user")), nil
		}}},
		Logger: quiet,
	})
	defer stomp.Close()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	serving := http.Server{Handler: stomp.WebSocket(), ReadHeaderTimeout: 10 * time.Second}
	go serving.Serve(ln) // until the process ends
	defer serving.Close()
	child.Serve([]string{"ws://" + ln.Addr().String()}, func(string) string { return sessions(node) })
	return nil
}

// sessions is what a node knows of who is where.
func sessions(node *headrace.Node) string {
	var all []string
	for s := range node.Users.Sessions() {
		all = append(all, s.User+"@"+s.Node)
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}
