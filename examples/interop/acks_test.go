package interop_test

import (
	"context"
	"errors"
	"testing"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/client"
)

// three puts three messages into a queue and gets them with an acknowledgement
// mode.
func three(t *testing.T, s *server, ack client.AckMode) (c *client.Client, destination string, m [3]message.Raw) {
	t.Helper()
	c = s.dial(t, client.Config{})
	destination = unique("/queue/")
	next := pull(t, c, destination, ack)
	send(t, c, destination, "0", "1", "2")
	for i := range m {
		m[i] = next()
	}
	return c, destination, m
}

// left checks what another client gets of a queue, and that nothing follows. What a client
// leaves may come back a moment after its RECEIPT for DISCONNECT.
func left(t *testing.T, s *server, destination string, bodies ...string) {
	t.Helper()
	c := s.dial(t, client.Config{})
	got := listen(t, c, destination, client.SubscribeConfig{})
	for _, body := range bodies {
		want(t, got, body)
	}
	send(t, c, destination, "last")
	want(t, got, "last")
}

func ackIndividual(t *testing.T, s *server) {
	c, destination, m := three(t, s, client.AckIndividual)
	if err := errors.Join(c.Ack(m[2]), c.Ack(m[0])); err != nil {
		t.Fatal(err)
	}
	s.end(t, c)
	left(t, s, destination, "1")
}

func ackCumulative(t *testing.T, s *server) {
	c, destination, m := three(t, s, client.AckCumulative)
	if err := c.Ack(m[1]); err != nil {
		t.Fatal(err)
	}
	s.end(t, c)
	left(t, s, destination, "2")
}

// A message that was refused comes again.
func nack(t *testing.T, s *server) {
	c := s.dial(t, client.Config{})
	destination := unique("/queue/")
	next := pull(t, c, destination, client.AckIndividual)
	send(t, c, destination, "x")
	if err := c.Nack(next()); err != nil {
		t.Fatal(err)
	}
	m := next()
	if string(m.Payload) != "x" {
		t.Errorf("got %q", m.Payload)
	}
	if err := c.Ack(m); err != nil {
		t.Fatal(err)
	}
	s.end(t, c)
	left(t, s, destination)
}

// What a handler returns is the acknowledgement.
func handlerAcks(t *testing.T, s *server) {
	c := s.dial(t, client.Config{})
	destination := unique("/queue/")
	seen := make(chan string, 10)
	failed := false
	_, err := c.Subscribe(t.Context(), destination, client.SubscribeConfig{Ack: client.AckIndividual}, func(_ context.Context, m message.Raw) error {
		seen <- string(m.Payload)
		if !failed {
			failed = true
			return errors.New("not yet")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	send(t, c, destination, "x")
	for range 2 {
		if body := next(t, seen); body != "x" {
			t.Errorf("got %q", body)
		}
	}
	s.end(t, c)
	left(t, s, destination)
}

func begin(t *testing.T, c *client.Client) *client.Tx {
	t.Helper()
	tx, err := c.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return tx
}

// What is sent in a transaction comes with its end.
func commit(t *testing.T, s *server) {
	c := s.dial(t, client.Config{})
	destination := unique("/queue/")
	got := listen(t, c, destination, client.SubscribeConfig{})
	tx := begin(t, c)
	if err := errors.Join(tx.Send(t.Context(), destination, "1"), tx.Send(t.Context(), destination, "2")); err != nil {
		t.Fatal(err)
	}
	send(t, c, destination, "outside")
	want(t, got, "outside")
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	want(t, got, "1")
	want(t, got, "2")
}

func abort(t *testing.T, s *server) {
	c := s.dial(t, client.Config{})
	destination := unique("/queue/")
	got := listen(t, c, destination, client.SubscribeConfig{})
	tx := begin(t, c)
	if err := tx.Send(t.Context(), destination, "never"); err != nil {
		t.Fatal(err)
	}
	if err := tx.Abort(t.Context()); err != nil {
		t.Fatal(err)
	}
	send(t, c, destination, "outside")
	want(t, got, "outside")
}

func ackInTransaction(t *testing.T, s *server) {
	c, destination, m := three(t, s, client.AckIndividual)
	kept, dropped := begin(t, c), begin(t, c)
	if err := errors.Join(kept.Ack(t.Context(), m[0]), dropped.Ack(t.Context(), m[1]), c.Ack(m[2])); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(kept.Commit(t.Context()), dropped.Abort(t.Context())); err != nil {
		t.Fatal(err)
	}
	s.end(t, c)
	left(t, s, destination, "1")
}
