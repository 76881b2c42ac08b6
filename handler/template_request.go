package handler

import (
	"context"
	"crypto/rand"
	"sync"

	"github.com/headrace/headrace/message"
)

// requests are the questions that wait for their answers, by correlation id.
type requests struct {
	mu      sync.Mutex
	waiting map[string]chan message.Raw
}

// Request sends a payload like [Template.Send] and waits for the answer, as long
// as ctx lasts. The message says in its header where the answer is expected
// (reply-to: that of the template, if the header given has none) and a
// correlation-id of its own, which the answer must carry. The answer comes in
// through [Template.Answer], which a node has wired as an endpoint already, so
// clients can answer:
//
//	answer, err := node.Template.Request(ctx, "/user/kim/queue/questions", question)
//
// It returns the error of the handler that it sends to, and ctx's when that ends
// before an answer was taken. The first answer counts. [codec.Decode] reads its payload.
func (t *Template) Request(ctx context.Context, destination string, payload any, header ...message.Field) (message.Raw, error) {
	m, err := t.message(destination, payload, header)
	if err != nil {
		return message.Raw{}, err
	}
	if m.Header.Get(message.HeaderReplyTo) == "" {
		if t.config.ReplyTo == "" {
			return message.Raw{}, message.Errorf(message.CodeInvalid, "request does not say where to reply to")
		}
		m.Header = m.Header.With(message.HeaderReplyTo, t.config.ReplyTo)
	}
	id, answer := t.requests.open()
	defer t.requests.take(id)
	m.Header = m.Header.With(message.HeaderCorrelationID, id)
	if err := t.Publish(ctx, m); err != nil {
		return message.Raw{}, err
	}
	select {
	case m := <-answer:
		return m, nil
	case <-ctx.Done():
	}
	if t.requests.take(id) == nil { // who answered was told that the answer counts
		return <-answer, nil
	}
	return message.Raw{}, ctx.Err()
}

// Answer hands a message to the [Template.Request] whose correlation-id it
// carries. Without one that waits, because the answer comes too late, twice or
// to another template, it returns an error with CodeNotFound. It never blocks.
func (t *Template) Answer(_ context.Context, m message.Raw) error {
	answer := t.requests.take(m.Header.Get(message.HeaderCorrelationID))
	if answer == nil {
		return message.Errorf(message.CodeNotFound, "nobody waits for this answer")
	}
	answer <- m // it has room for the one who took it
	return nil
}

// open returns an id that nobody can guess, and where the answer to it comes.
func (r *requests) open() (id string, answer <-chan message.Raw) {
	c := make(chan message.Raw, 1)
	id = rand.Text()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waiting == nil {
		r.waiting = make(map[string]chan message.Raw)
	}
	r.waiting[id] = c
	return id, c
}

// take returns and forgets what waits for an id, or nil.
func (r *requests) take(id string) chan<- message.Raw {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.waiting[id]
	delete(r.waiting, id)
	return c
}
