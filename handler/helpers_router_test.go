package handler_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
)

// broker records what it is sent, as the broker behind a router would get it.
type broker struct {
	mu   sync.Mutex
	sent []message.Raw
	err  error
}

func (b *broker) Handle(_ context.Context, m message.Raw) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sent = append(b.sent, m)
	return b.err
}

// lines returns what was sent since the last call, as "destination payload".
func (b *broker) lines() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []string
	for _, m := range b.sent {
		all = append(all, m.Destination+" "+string(m.Payload))
	}
	b.sent = nil
	return strings.Join(all, "\n")
}

func newRouter(c handler.Config) (*handler.Router, *broker) {
	b := new(broker)
	return handler.NewRouter(b, c), b
}

func send(r *handler.Router, dest, payload string) error {
	return r.Handle(context.Background(), message.Raw{Destination: dest, Payload: []byte(payload)})
}

// sendAs sends text from a session, as a client does.
func sendAs(s *message.Session, r *handler.Router, dest, payload string) error {
	return r.Handle(s.Context(), message.Raw{Destination: dest, Session: s, Payload: []byte(payload)})
}

func session(user string) *message.Session {
	if user == "" {
		return message.NewSession(nil, message.SessionInfo{})
	}
	return message.NewSession(nil, message.SessionInfo{Principal: message.User(user)})
}

// echo returns an endpoint that answers with its name and the payload.
func echo(name string) func(context.Context, string) (string, error) {
	return func(_ context.Context, in string) (string, error) { return name + ":" + in, nil }
}

func expect(t *testing.T, what string, got, want any) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n got %v\nwant %v", what, got, want)
	}
}

// code returns the code that a client would be told, or "" for no error.
func code(err error) message.Code {
	if err == nil {
		return ""
	}
	return message.Public(err).Code
}

func mustHandle(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("Handle: %v", err)
	}
}

// panicOf returns the text that f panics with.
func panicOf(t *testing.T, f func()) (text string) {
	t.Helper()
	defer func() { text = fmt.Sprint(recover()) }()
	f()
	t.Error("no panic")
	return ""
}

var errBoom = errors.New("boom: secret of the database")
