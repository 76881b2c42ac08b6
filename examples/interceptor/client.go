package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/headrace/headrace/message"
)

// client is a session without a network: it prints what it does and what it is sent.
// An adapter does the same for a connection.
type client struct {
	name    string
	inbound message.RawHandler
	session *message.Session
	out     io.Writer

	subscriptions int
}

// connect begins the session of a user of a tenant, as a handshake that knows both.
func connect(inbound message.RawHandler, name, tenant string, out io.Writer) *client {
	c := &client{name: name, inbound: inbound, out: out}
	c.session = message.NewSession(c, message.SessionInfo{
		Principal:  message.User(name),
		Attributes: map[string]any{"tenant": tenant},
	})
	c.do(message.Raw{Kind: message.KindConnect})
	return c
}

func (c *client) subscribe(destination string) {
	c.subscriptions++
	c.do(message.Raw{Kind: message.KindSubscribe, Destination: destination, Subscription: fmt.Sprint(c.subscriptions)})
}

func (c *client) send(destination, payload string, header message.Header) {
	c.do(message.Raw{Destination: destination, Payload: []byte(payload), Header: header})
}

// do sends a message and waits until it is known what became of it.
func (c *client) do(m message.Raw) {
	outcome := make(chan error, 1)
	m.Session = c.session
	m.Done = message.NewCompletion(message.Handled, func(err error) { outcome <- err })
	m.Done.Release(c.inbound.Handle(c.session.Context(), m))
	told := "ok"
	if err := <-outcome; err != nil {
		told = message.Public(err).Message // what a client may know
	}
	line := strings.TrimSpace(fmt.Sprintf("%s %s %s", m.Kind, m.Destination, m.Payload))
	fmt.Fprintf(c.out, "%s: %s: %s\n", c.name, line, told)
}

// Deliver implements [message.Sink].
func (c *client) Deliver(_ context.Context, m message.Raw) error {
	if m.Kind == message.KindData {
		fmt.Fprintf(c.out, "    %s is sent %s on %s\n", c.name, m.Payload, m.Destination)
	}
	return nil
}

// Close implements [message.Sink].
func (c *client) Close(error) {}
