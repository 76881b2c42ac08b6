package client

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"
	"sync"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/frame"
)

// AckMode says which messages of a subscription need an acknowledgement (STOMP
// 1.2, "SUBSCRIBE ack Header").
type AckMode string

// The modes.
const (
	AckAuto       AckMode = "auto"              // none does: what is sent is taken as consumed
	AckCumulative AckMode = "client"            // one for a message is one for all before it
	AckIndividual AckMode = "client-individual" // each for itself; from STOMP 1.1 on
)

// SubscribeConfig says how a subscription is made.
type SubscribeConfig struct {
	// Ack is the mode of acknowledgement. Zero means AckAuto.
	Ack AckMode
	// ID identifies the subscription to the server, which may tie durable
	// queues to it. Zero means one that the client makes up.
	ID string
	// Header holds further headers for the SUBSCRIBE frame, such as selector.
	// Zero means none.
	Header message.Header
	// Pending is how many messages may wait for the handler. While they do,
	// nothing more is read from the connection. Zero means 64.
	Pending int
	// Resume asks for what came while there was no connection, of servers of this
	// module and destinations with a history: each message comes once and in
	// order, as if the connection had not been lost. With an AckMode other than
	// AckAuto what was not acknowledged comes again; a message that was refused
	// and has not come again for a minute counts as given up. Zero means that what
	// came meanwhile is lost.
	Resume bool
	// Missed is called when a subscription with Resume goes on and the server
	// cannot say that nothing is missing: it keeps too little, was started anew,
	// or keeps nothing at all. The call comes between the messages before and
	// those after, as a call of the handler, or within the loop over Messages.
	// Servers that know nothing of it do not answer, and then it is not called.
	// Zero (nil) means that nobody is told.
	Missed func()
}

// Subscription is one subscription of a [Client]. It outlives connections. Its
// methods may be called from any goroutine.
type Subscription struct {
	client      *Client
	destination string
	config      SubscribeConfig
	queue       chan message.Raw
	made        chan struct{} // closed when the server has confirmed it once
	confirm     sync.Once
	ended       chan struct{}
	over        sync.Once
	err         error  // why it ended; nil after Unsubscribe; set before ended is closed
	delivered   uint64 // the reader's: number of the last message

	// The client's lock guards these.
	making     *outgoing   // the latest SUBSCRIBE
	unfinished []*delivery // of AckCumulative, in order: from the first that is not acknowledged
	place      place       // where it resumes
}

// Subscribe asks for the messages of destination and waits until the server has
// confirmed; for room in the buffer it waits like Send. A server that refuses gives a
// *[ServerError]; that ends the connection, as STOMP has it, and the client connects
// again without this subscription. When ctx ends first, the subscription is taken back.
//
// The messages go to handle, one at a time and in order, on a goroutine of the
// subscription, with the values of ctx; its end is that of Close. What is in ctx for
// one request or span only would be in that of every message, for as long as the
// subscription lasts: all spans would hang from the one in which it was made. Whoever
// traces subscribes outside of a span, and mounts what reads the trace context of each
// message around handle. With an
// AckMode other than AckAuto they have a Done (see [message.Completion]): nil
// acknowledges the message and an error refuses it, once handle has returned
// or whoever took the message over is done. A channel's Handle method, or that
// of handler.Decode, is therefore a good handler. With AckCumulative a message
// is acknowledged once all before it are done too. Errors are logged. A nil
// handle leaves the messages to Messages.
func (c *Client) Subscribe(ctx context.Context, destination string, config SubscribeConfig, handle func(context.Context, message.Raw) error) (*Subscription, error) {
	if config.Pending < 0 {
		return nil, errors.New("client: Pending is negative")
	}
	config.Ack = cmp.Or(config.Ack, AckAuto)
	config.ID = cmp.Or(config.ID, c.id("s"))
	s := &Subscription{
		client:      c,
		destination: destination,
		config:      config,
		queue:       make(chan message.Raw, cmp.Or(config.Pending, 64)),
		made:        make(chan struct{}),
		ended:       make(chan struct{}),
	}
	if err := c.add(ctx, s, handle); err != nil {
		return nil, err
	}
	select {
	case <-s.made:
		return s, nil
	case <-s.ended:
		return nil, s.err
	case <-ctx.Done():
		s.giveUp()
		return nil, context.Cause(ctx)
	}
}

// add makes s known and starts its handler.
func (c *Client) add(ctx context.Context, s *Subscription, handle func(context.Context, message.Raw) error) error {
	slot := false // for SUBSCRIBE
	if l, _ := c.current(); l != nil {
		err := c.outbox.acquire(ctx, l.stopped)
		if err != nil && !errors.Is(err, ErrBufferFull) { // which says that l is lost
			return err
		}
		slot = err == nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.enter(s, slot); err != nil {
		return err
	}
	if handle != nil {
		ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		c.handlers[s] = cancel
		c.pumps.Go(func() { s.pump(ctx, handle) })
	}
	return nil
}

// enter sends SUBSCRIBE where there is a connection; otherwise the next one
// begins with it. The slot goes the way of the frame. The lock is held.
func (c *Client) enter(s *Subscription, slot bool) error {
	err := c.err
	switch {
	case err != nil:
	case c.closed:
		err = ErrClosed
	case c.byID[s.config.ID] != nil:
		err = message.Errorf(message.CodeConflict, "there is a subscription of this id already")
	case c.link != nil:
		o := s.frame(c.link)
		o.counted, slot = slot, false
		err = c.outbox.push(o)
	}
	c.outbox.release(slot)
	if err == nil {
		c.subscriptions = append(c.subscriptions, s)
		c.byID[s.config.ID] = s
	}
	return err
}

// frame returns the SUBSCRIBE frame for l. The client's lock is held.
func (s *Subscription) frame(l *link) *outgoing {
	h := s.config.Header.
		With(frame.HeaderID, s.config.ID).
		With(frame.HeaderDestination, s.destination).
		With(frame.HeaderAck, string(s.config.Ack)).
		Without(frame.HeaderReceipt)
	if s.config.Resume {
		h = s.place.ask(h)
	}
	s.making = &outgoing{
		frame:   frame.Frame{Command: frame.Subscribe, Header: h},
		link:    l,
		receipt: s.client.id("r"),
		settle:  s.settle,
	}
	return s.making
}

// settle learns what became of SUBSCRIBE. Where the connection was lost, the
// next one subscribes again.
func (s *Subscription) settle(err error) {
	switch {
	case err == nil:
		s.confirm.Do(func() { close(s.made) })
	case !errors.Is(err, ErrAway):
		s.client.remove(s)
		s.end(err)
	}
}

// remove forgets s and its messages, and returns the connection on which it may
// be known.
func (c *Client) remove(s *Subscription) *link {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byID[s.config.ID] == s {
		delete(c.byID, s.config.ID)
		i := slices.Index(c.subscriptions, s)
		c.subscriptions = append(c.subscriptions[:i:i], c.subscriptions[i+1:]...)
	}
	s.unfinished = nil
	for done, d := range c.unacked {
		if d.subscription == s {
			delete(c.unacked, done)
		}
	}
	return c.link
}

func (s *Subscription) end(err error) {
	s.over.Do(func() {
		s.err = err
		close(s.ended)
	})
}

// ID returns the id by which the server knows the subscription. It is the
// Subscription of its messages.
func (s *Subscription) ID() string { return s.config.ID }

// Done is closed when the subscription has ended: by Unsubscribe, with its
// client, or because the server refused to make it again.
func (s *Subscription) Done() <-chan struct{} { return s.ended }

// Err returns nil until Done is closed, and then why the subscription ended:
// nil after Unsubscribe.
func (s *Subscription) Err() error {
	select {
	case <-s.ended:
		return s.err
	default:
		return nil
	}
}

// Unsubscribe ends the subscription and waits until the server has confirmed.
// The handler, if it runs, goes on; it gets no further message. Messages that
// wait for an acknowledgement are the server's again. When ctx ends first it
// returns ctx's error; the server is told all the same. Without a connection
// there is nothing to wait for. Calling it again does nothing. Some servers ask for
// further headers to end a durable subscription; with some that no frame can
// have the subscription goes on.
func (s *Subscription) Unsubscribe(ctx context.Context, header ...message.Field) error {
	select {
	case <-s.ended:
		return nil
	default:
	}
	f := s.unsubscribeFrame(header...)
	l, _ := s.client.current()
	if err := writable(f, l); err != nil {
		return err
	}
	l = s.client.remove(s)
	s.end(nil)
	if l == nil {
		return nil
	}
	o, result := s.client.withReceipt(f, l)
	err := s.client.push(o)
	if err == nil {
		err = s.client.settled(ctx, o, result)
	}
	if errors.Is(err, ErrAway) { // no connection knows it any more
		return nil
	}
	return err
}

// giveUp is Unsubscribe that does not wait.
func (s *Subscription) giveUp() {
	l := s.client.remove(s)
	s.end(nil)
	if l == nil || s.client.outbox.take(s.making) { // which does not change any more
		return
	}
	s.client.forget(s.making)
	_ = s.client.push(&outgoing{frame: s.unsubscribeFrame(), link: l}) // or the connection has ended, which is as well
}

func (s *Subscription) unsubscribeFrame(header ...message.Field) frame.Frame {
	h := message.NewHeader(slices.Clone(header)...).Without(frame.HeaderReceipt).With(frame.HeaderID, s.config.ID)
	return frame.Frame{Command: frame.Unsubscribe, Header: h}
}

// Messages returns the messages of a subscription that has no handler, in
// order. The loop waits for each; it ends in silence after Unsubscribe, and
// otherwise with the error of ctx, of the subscription, or ErrClosed. Messages
// of a mode other than AckAuto are to be given to [Client.Ack] or [Client.Nack].
// It may be called again to go on; of several loops each message goes to one.
func (s *Subscription) Messages(ctx context.Context) iter.Seq2[message.Raw, error] {
	return func(yield func(message.Raw, error) bool) {
		for {
			m, ok, err := s.next(ctx)
			if err != nil {
				yield(message.Raw{}, err)
				return
			}
			if !ok || !yield(m, nil) {
				return
			}
		}
	}
}
