package client

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/frame"
)

// Client is a STOMP client. Its methods may be called from any goroutine. Make
// one with [Dial].
type Client struct {
	config  Config
	dialer  *dialer
	outbox  *outbox
	stop    context.CancelFunc // ends the attempts to reconnect
	closing chan struct{}      // closed when handlers are given nothing more
	done    chan struct{}      // closed when all is over but the handlers
	pumps   sync.WaitGroup
	ids     atomic.Uint64
	once    sync.Once
	result  error // of Close

	mu            sync.Mutex
	closed        bool  // Close was called
	link          *link // nil while there is no connection
	connected     message.Header
	cause         error           // what the last connection was lost by
	err           error           // why all is over
	unsent        int             // frames that were dropped then
	subscriptions []*Subscription // in the order in which they were made
	byID          map[string]*Subscription
	handlers      map[*Subscription]context.CancelFunc
	unacked       map[*message.Completion]*delivery
}

// Dial connects to the server and logs in. It returns once the server has
// answered CONNECTED, or ctx or c.ConnectTimeout is over; ctx does not bind the
// client afterwards. A server that refuses gives a *[ServerError]. Whoever
// calls Dial calls Close.
func Dial(ctx context.Context, c Config) (*Client, error) {
	c = c.withDefaults()
	if err := c.check(); err != nil {
		return nil, err
	}
	d, err := newDialer(c)
	if err != nil {
		return nil, err
	}
	client := &Client{
		config:   c,
		dialer:   d,
		outbox:   newOutbox(c.Buffer),
		closing:  make(chan struct{}),
		done:     make(chan struct{}),
		byID:     make(map[string]*Subscription),
		handlers: make(map[*Subscription]context.CancelFunc),
		unacked:  make(map[*message.Completion]*delivery),
	}
	l, err := client.connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("client: connect to %s: %w", d.url.Host, err)
	}
	client.link, client.connected = l, l.Connected()
	ctx, client.stop = context.WithCancel(context.WithoutCancel(ctx))
	go client.run(ctx, l)
	return client, nil
}

// Connected returns the headers of the latest CONNECTED frame: the version that
// was agreed on, which STOMP 1.0 leaves out, and where servers say so, their
// name ("server") and the id of the session ("session").
func (c *Client) Connected() message.Header {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.connected
}

// Done is closed when the client has ended: after Close, or when its
// connection was lost and Config.Reconnect is off.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err returns why the client has ended, an ErrClosed, and nil before. It is there
// when Done is closed.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Close ends the session in good order: it waits for the handlers that run,
// writes what waits to be written, sends DISCONNECT, waits for the receipt, and
// closes the connection. Messages that no handler has seen yet are dropped;
// those that need an acknowledgement the server will send again.
//
// When ctx ends first, the contexts of the handlers end, the connection is cut,
// and ctx's error is returned. A client that has no connection returns ErrAway
// if frames were waiting for one. Close joins all goroutines of the client, so
// it must not be called by a handler. Calling it again returns the same result.
func (c *Client) Close(ctx context.Context) error {
	c.once.Do(func() { c.result = c.close(ctx) })
	return c.result
}

func (c *Client) close(ctx context.Context) error {
	c.mu.Lock()
	c.closed = true // no Subscribe starts a handler any more
	c.mu.Unlock()
	close(c.closing)
	stop := context.AfterFunc(ctx, func() {
		c.cancelHandlers()
		c.cut() // for handlers that wait for a receipt
	})
	c.pumps.Wait()
	var err error
	if stop() {
		err = c.disconnect(ctx)
	} else {
		err = context.Cause(ctx)
	}
	c.cut()
	<-c.done
	if err == nil && c.unsent > 0 {
		err = because(ErrAway, c.cause)
	}
	return err
}

// cut ends the connection, and there is no further one: all that waits fails.
func (c *Client) cut() {
	c.stop() // first, so that a connection that comes up now is either seen here or given up
	if l, _ := c.current(); l != nil {
		l.Close()
	}
}

// disconnect sends DISCONNECT and waits for its receipt (STOMP 1.2,
// "DISCONNECT").
func (c *Client) disconnect(ctx context.Context) error {
	l, _ := c.current()
	if l == nil {
		return nil
	}
	o, result := c.withReceipt(frame.Frame{Command: frame.Disconnect}, l)
	o.last = true
	if err := c.push(o); err != nil {
		return err
	}
	return wait(ctx, result)
}

func (c *Client) cancelHandlers() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, cancel := range c.handlers {
		cancel()
	}
}

// run serves one connection after the other. It is the reader of each.
func (c *Client) run(ctx context.Context, l *link) {
	defer close(c.done)
	delay, again := c.config.Reconnect.MinDelay, []*outgoing(nil)
	for {
		began := time.Now()
		err := c.serve(l, again)
		c.lost(l, err)
		switch {
		case ctx.Err() != nil:
			c.end(ErrClosed)
			return
		case c.config.Reconnect.Off:
			c.end(because(ErrClosed, err))
			return
		case time.Since(began) > c.config.Reconnect.MaxDelay:
			// A server that accepts the login and then ends the connection
			// is not a server that is well.
			delay = c.config.Reconnect.MinDelay
		}
		wait, told := retryAfter(err)
		if !told {
			wait = jitter(delay)
		}
		if l, delay = c.reconnect(ctx, min(wait, c.config.Reconnect.MaxDelay), delay); l == nil {
			c.end(ErrClosed)
			return
		}
		again = c.resume(ctx, l)
	}
}

// lastWords is how long a connection is read that cannot be written any more:
// an ERROR frame may tell why.
const lastWords = time.Second

// serve reads l and has a goroutine write it until the connection ends.
func (c *Client) serve(l *link, again []*outgoing) error {
	failed := make(chan error, 1)
	go func() {
		err := l.write(c.outbox, again)
		close(l.stopped)
		if err != nil {
			select {
			case <-l.done: // the reader knows why
				err = nil
			case <-time.After(lastWords):
				l.Close()
			}
		}
		failed <- err
	}()
	err := c.read(l)
	close(l.done)
	l.Close()
	if w := <-failed; w != nil {
		err = w
	}
	return err
}

func (c *Client) read(l *link) error {
	for {
		f, err := l.Next()
		if err != nil {
			return err
		}
		switch f.Command {
		case frame.Message:
			c.deliver(l, f)
		case frame.Receipt:
			l.receipt(f.Header.Get(frame.HeaderReceiptID), nil)
		case frame.Error:
			e := serverError(f)
			l.refused(e)
			return e
		default:
			return fmt.Errorf("the server sent %s", f.Command)
		}
	}
}

// lost clears away what was tied to l.
func (c *Client) lost(l *link, err error) {
	c.mu.Lock()
	closed := c.closed
	c.link, c.cause = nil, err
	clear(c.unacked) // the server will send these messages again
	for _, s := range c.subscriptions {
		s.unfinished = nil
	}
	c.mu.Unlock()
	if !closed {
		c.config.Logger.Warn("stomp: connection lost", "server", c.dialer.url.Host, "error", err)
	}
	err = because(ErrAway, err)
	l.finish(err)
	c.outbox.untie(l, err)
}

// reconnect waits and returns a new connection and the delay before the next one, or
// nil when ctx ends.
func (c *Client) reconnect(ctx context.Context, wait, delay time.Duration) (*link, time.Duration) {
	for ; ; wait = jitter(delay) {
		select {
		case <-ctx.Done():
			return nil, 0
		case <-time.After(wait):
		}
		delay = min(2*delay, c.config.Reconnect.MaxDelay)
		l, err := c.connect(ctx)
		if err == nil {
			c.config.Logger.Info("stomp: connected again", "server", c.dialer.url.Host)
			return l, delay
		}
		if ctx.Err() == nil {
			c.config.Logger.Warn("stomp: cannot connect", "server", c.dialer.url.Host, "error", err)
		}
	}
}

// jitter takes a random part of up to one half off d.
func jitter(d time.Duration) time.Duration {
	var b [8]byte
	rand.Read(b[:]) // never fails
	return d - time.Duration(binary.NativeEndian.Uint64(b[:])%uint64(d/2+1))
}

// resume puts l into use and returns the frames that make the subscriptions on
// it. They are written before anything else.
func (c *Client) resume(ctx context.Context, l *link) (again []*outgoing) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.link, c.connected = l, l.Connected()
	if ctx.Err() != nil {
		l.Close()
	}
	if c.closed { // what the server would send is dropped
		return nil
	}
	for _, s := range c.subscriptions {
		again = append(again, s.frame(l))
	}
	return again
}

// end fails all that waits, for good.
func (c *Client) end(err error) {
	c.mu.Lock()
	c.err = err
	subscriptions := c.subscriptions
	c.subscriptions = nil
	clear(c.byID)
	c.mu.Unlock()
	c.unsent = c.outbox.close(err) // Close reads it after done is closed
	for _, s := range subscriptions {
		s.end(err)
	}
}

// id returns a new id with a prefix that says what it is of.
func (c *Client) id(prefix string) string {
	return prefix + strconv.FormatUint(c.ids.Add(1), 10)
}
