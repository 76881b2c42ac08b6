package main

import (
	"cmp"
	"context"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/engines/nats"
	"github.com/headrace/headrace/examples/internal/demo"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter"
	"github.com/headrace/headrace/transport"
)

// Line is what somebody says to all, or tells one.
type Line struct {
	From string    `json:"from"`
	Node string    `json:"node"` // where From is
	To   string    `json:"to,omitempty"`
	Away bool      `json:"away,omitempty"` // To is at no node
	Text string    `json:"text"`
	Time time.Time `json:"time"`
}

// Words are what the page sends.
type Words struct {
	Text string `json:"text"`
}

// Validate is called before the handlers are.
func (w Words) Validate() error {
	if strings.TrimSpace(w.Text) == "" || utf8.RuneCountInString(w.Text) > 250 {
		return message.Errorf(message.CodeInvalid, "a text has 1 to 250 characters")
	}
	return nil
}

// Beat is what each node tells all, twice a second.
type Beat struct {
	Node   string `json:"node"`
	Number int    `json:"number"`
}

// Where is where a session is.
type Where struct {
	Node string `json:"node"`
	PID  int    `json:"pid"`
}

// Online is a session of a user, as the registry of all nodes has it.
type Online struct {
	User string `json:"user"`
	Node string `json:"node"`
	PID  string `json:"pid"` // the node's process, which may be dead already
}

// serveNode is a node until ctx ends.
func serveNode(ctx context.Context, name, engine, addr string) error {
	backplane, err := nats.Core(nats.Config{URL: engine}) // the one line
	if err != nil {
		return err
	}
	defer backplane.Close()
	node := headrace.New(headrace.Config{
		Backplane: backplane,
		NodeID:    name + "." + strconv.Itoa(os.Getpid()), // started again, it is another one
		// What a node knows of who is where it shows its own clients alone.
		Rules: []broker.Rule{{Prefix: "/topic/online", Local: true}},
	})
	talk{name, node}.routes(node.Router)
	stomp := stompadapter.New(node.Inbound, stompadapter.Config{
		Transport: transport.Config{Handshake: transport.Handshake{Principal: user}},
	})
	mux := http.NewServeMux()
	mux.Handle("/ws", stomp.WebSocket())

	var beating sync.WaitGroup
	defer beating.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	beating.Go(func() { talk{name, node}.beat(ctx) })
	return node.Serve(ctx, demo.Server(addr, mux), stomp)
}

// untilAlone ends when the front does, however that is: then the input is at its end.
func untilAlone(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()
		_, _ = io.Copy(io.Discard, os.Stdin) // what ends it does not matter
	}()
	return ctx
}

// talk is what people do at a node.
type talk struct {
	name string
	node *headrace.Node
}

func (t talk) routes(r *handler.Router) {
	handler.Handle(r, "/say", t.say) // to /topic/say, at all nodes
	handler.Handle(r, "/tell/{user}", t.tell, handler.SendToSession("/queue/told"))
	handler.OnSubscribe(r, "/where", t.where)
}

func (t talk) say(_ context.Context, r handler.Request[Words]) (Line, error) {
	return t.line(r), nil
}

// tell sends to a user, wherever he is, and answers what he was told.
func (t talk) tell(ctx context.Context, r handler.Request[Words]) (Line, error) {
	escaped, err := handler.Var[string](r, "user")
	if err != nil {
		return Line{}, err
	}
	to, err := url.PathUnescape(escaped)
	if err != nil {
		return Line{}, message.Errorf(message.CodeInvalid, "%q is no name", escaped)
	}
	l := t.line(r)
	l.To = to
	_, here := t.node.Users.User(to)
	l.Away = !here
	return l, t.node.Template.SendToUser(ctx, to, "/queue/told", l)
}

func (t talk) line(r handler.Request[Words]) Line {
	return Line{From: r.User().Name(), Node: t.name, Text: r.Payload.Text, Time: time.Now()}
}

func (t talk) where(context.Context, struct{}) (Where, error) {
	return Where{Node: t.name, PID: os.Getpid()}, nil
}

// beat tells all nodes that this one lives, and its own clients who is where.
func (t talk) beat(ctx context.Context) {
	ticks := time.NewTicker(500 * time.Millisecond)
	defer ticks.Stop()
	for n := 0; ; n++ {
		_ = t.node.Template.Send(ctx, "/topic/beats", Beat{Node: t.name, Number: n}) // the next one tells
		_ = t.node.Template.Send(ctx, "/topic/online", t.online())
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
	}
}

func (t talk) online() []Online {
	all := []Online{}
	for s := range t.node.Users.Sessions() {
		name, pid, _ := strings.Cut(s.Node, ".")
		all = append(all, Online{User: s.User, Node: name, PID: pid})
	}
	slices.SortFunc(all, func(a, b Online) int { return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(a.User, b.User)) })
	return all
}

// user believes what the page says. An application that is no demo looks at a cookie or
// a token here.
func user(r *http.Request) (message.Principal, error) {
	name := r.URL.Query().Get("as")
	if name == "" || utf8.RuneCountInString(name) > 20 {
		return nil, message.Errorf(message.CodeInvalid, "a name has 1 to 20 characters")
	}
	return message.User(name), nil
}
