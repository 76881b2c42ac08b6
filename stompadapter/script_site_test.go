package stompadapter_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter"
)

// scriptTransport is a way to reach a server. Both go over pipes, so that they
// can be used within a bubble.
type scriptTransport struct {
	name string
	open func(t *testing.T, a *stompadapter.Adapter) (dial func(subprotocols ...string) (wire, error))
}

var scriptTransports = []scriptTransport{{"websocket", openWebSocket}, {"tcp", openTCP}}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func openWebSocket(t *testing.T, a *stompadapter.Adapter) func(...string) (wire, error) {
	l := newPipes()
	server := &http.Server{Handler: a.WebSocket()}
	served := make(chan struct{})
	go func() { defer close(served); server.Serve(l) }()
	t.Cleanup(func() {
		a.Close()
		server.Close()
		<-served
	})
	return func(subprotocols ...string) (wire, error) {
		d := websocket.Dialer{NetDialContext: l.dial, Subprotocols: subprotocols}
		ws, _, err := d.Dial("ws://pipe/", nil)
		if err != nil {
			return nil, err
		}
		return webSocketWire{ws}, nil
	}
}

func openTCP(t *testing.T, a *stompadapter.Adapter) func(...string) (wire, error) {
	l := newPipes()
	served := make(chan struct{})
	go func() { defer close(served); a.ServeTCP(l) }()
	t.Cleanup(func() {
		a.Close()
		<-served
	})
	return func(...string) (wire, error) {
		conn, err := l.dial(t.Context(), "", "")
		return streamWire{conn}, err
	}
}

// scriptSite is what a script's conversation is held with.
type scriptSite struct {
	stompadapter.Config
	acks         broker.Acks
	transactions broker.TransactionsConfig
	told         bool // see scriptApplication
}

// rules make queues of what is below /queue, and keep what is sent to /kept.
func (s scriptSite) rules() []broker.Rule {
	return []broker.Rule{
		{Acks: s.acks},
		{Prefix: "/queue", Mode: broker.Queue, Acks: s.acks},
		{Prefix: "/kept", Acks: s.acks, History: broker.History{Messages: 2}},
	}
}

// serve puts an adapter before the embedded broker, as an application does.
func (s scriptSite) serve(t *testing.T) *stompadapter.Adapter {
	s.Logger = slog.New(slog.DiscardHandler)
	inbound := channel.NewExecutorChannel(channel.Config[[]byte]{Name: "inbound", Logger: s.Logger})
	outbound := new(channel.DirectChannel[[]byte])
	outbound.Subscribe(message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
		return m.Session.Deliver(ctx, m)
	}))
	memory := broker.NewMemory(outbound, broker.Config{Rules: s.rules(), Logger: s.Logger})
	t.Cleanup(func() {
		inbound.Close()
		memory.Close()
	})
	application := message.HandlerFunc[[]byte](scriptApplication{memory, s.told}.handle)
	if s.told {
		inbound.Subscribe(application)
	} else {
		inbound.Subscribe(application, broker.NewTransactions(s.transactions).Intercept)
	}
	return stompadapter.New(inbound, s.Config)
}

// scriptApplication is what stands before the broker. With told it takes the
// broker's place for acknowledgements and transactions, and tells /topic/told what
// it is given.
type scriptApplication struct {
	broker *broker.Memory
	told   bool
}

func (a scriptApplication) handle(ctx context.Context, m message.Raw) error {
	switch {
	case m.Kind == message.KindConnect && m.Header.Get("login") == "mallory":
		return message.Errorf(message.CodeUnauthenticated, "not you")
	case m.Kind == message.KindConnect && m.Header.Get("login") == "sloth":
		return nil // never answered
	case m.Destination == "/app/refuse":
		return message.Errorf(message.CodeDenied, "not that")
	case m.Destination == "/app/fail":
		return errors.New("row 17 is gone")
	case a.told && m.Kind >= message.KindAck && m.Kind <= message.KindAbort:
		h := stompadapter.Headers(m)
		id, messageID := h.Ack()
		m = message.Raw{Destination: "/topic/told", Payload: fmt.Appendf(nil, "%s id:%s message-id:%s subscription:%s transaction:%s",
			m.Kind, id, messageID, m.Subscription, h.Transaction())}
	}
	return a.broker.Handle(ctx, m)
}

// parseSite reads the configuration of a script: words, and names with values.
func parseSite(fields []string) (s scriptSite, err error) {
	numbers := map[string]*int{
		"frame": &s.Limits.Frame, "login-frame": &s.Limits.LoginFrame, "headers": &s.Limits.Headers,
		"header-line": &s.Limits.HeaderLine, "head": &s.Limits.Head, "subscriptions": &s.MaxSubscriptions,
		"prefetch": &s.acks.Prefetch, "deliveries": &s.acks.MaxDeliveries,
		"open": &s.transactions.MaxOpen, "held": &s.transactions.MaxMessages, "held-bytes": &s.transactions.MaxBytes,
	}
	times := map[string]*time.Duration{
		"send": &s.Heartbeat.Send, "receive": &s.Heartbeat.Receive, "login": &s.LoginTimeout,
		"deadline": &s.acks.Deadline,
	}
	for _, field := range fields {
		name, value, _ := strings.Cut(field, "=")
		switch {
		case numbers[name] != nil:
			*numbers[name], err = strconv.Atoi(value)
		case times[name] != nil:
			*times[name], err = time.ParseDuration(value)
		case name == "server":
			s.Server = strings.ReplaceAll(value, "_", " ")
		case name == "dead":
			s.acks.DeadLetter = value
		case name == "told":
			s.told = true
		case name == "lenient":
			s.Lenient = true
		default:
			err = fmt.Errorf("unknown configuration %q", field)
		}
		if err != nil {
			return s, err
		}
	}
	return s, nil
}
