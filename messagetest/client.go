package messagetest

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/codec"
)

// Client is a session without a network: it speaks messages with what stands
// behind an adapter. Whatever it sends it waits for, until it is handled, so a
// test needs no sleeps; in a [synctest.Test] bubble it lives in virtual time.
//
// Its methods may be called from any goroutine, but those that fail a test only
// from that test's, as [testing.TB.Fatalf] demands.
type Client struct {
	t       testing.TB
	inbound message.RawHandler
	session *message.Session
	sink    *inbox

	mu            sync.Mutex
	subscriptions int
	gone          bool
}

// Connect begins a session on inbound, usually a node, and waits until it is
// connected. It fails the test if the session is refused; see [TryConnect].
// The session ends with the test, unless Disconnect comes first.
func Connect(t testing.TB, inbound message.RawHandler, options ...ClientOption) *Client {
	t.Helper()
	c, err := TryConnect(t, inbound, options...)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	return c
}

// TryConnect is Connect for sessions that may be refused. The error is what a
// client would be told: a *[message.Error].
func TryConnect(t testing.TB, inbound message.RawHandler, options ...ClientOption) (*Client, error) {
	t.Helper()
	var o clientOptions
	for _, option := range options {
		option.apply(&o)
	}
	c := &Client{t: t, inbound: inbound, sink: newInbox()}
	c.session = message.NewSession(c.sink, o.info)
	if err := c.Try(message.Raw{Kind: message.KindConnect, Header: message.NewHeader(o.fields...)}); err != nil {
		c.leave()
		return nil, err
	}
	t.Cleanup(c.leave)
	select {
	case <-c.sink.connected:
		return c, nil
	case <-c.session.Done():
		return nil, c.told(c.session.Reason())
	case <-time.After(patience):
		return nil, message.Errorf(message.CodeTimeout, "messagetest: nobody answered connect within %v", patience)
	}
}

// Session returns the session that handlers see.
func (c *Client) Session() *message.Session { return c.session }

// Send sends payload and waits until it is handled, which the test fails if it
// is not; see TrySend. Strings and byte slices go as they are; any other value
// goes as JSON, with its content type.
func (c *Client) Send(destination string, payload any, header ...message.Field) {
	c.t.Helper()
	if err := c.TrySend(destination, payload, header...); err != nil {
		c.t.Fatalf("send to %s: %v", destination, err)
	}
}

// TrySend is Send for messages that may be refused or fail. The error is what
// a client would be told: a *[message.Error].
func (c *Client) TrySend(destination string, payload any, header ...message.Field) error {
	c.t.Helper()
	m := message.Raw{Destination: destination, Header: message.NewHeader(header...)}
	switch p := payload.(type) {
	case []byte:
		m.Payload = p
	case string:
		m.Payload = []byte(p)
	default:
		body, contentType, err := codec.Encode(nil, m.Header.Get(message.HeaderContentType), payload)
		if err != nil {
			c.t.Fatalf("send to %s: %v", destination, err)
		}
		m.Payload = body
		if m.Header.Get(message.HeaderContentType) == "" {
			m.Header = m.Header.With(message.HeaderContentType, contentType)
		}
	}
	return c.Try(m)
}

// Subscribe subscribes and waits until the subscription is stored. It returns
// the subscription's id and fails the test if it is refused; see TrySubscribe.
func (c *Client) Subscribe(destination string, header ...message.Field) (id string) {
	c.t.Helper()
	id, err := c.TrySubscribe(destination, header...)
	if err != nil {
		c.t.Fatalf("subscribe to %s: %v", destination, err)
	}
	return id
}

// TrySubscribe is Subscribe for subscriptions that may be refused. The error
// is what a client would be told: a *[message.Error].
func (c *Client) TrySubscribe(destination string, header ...message.Field) (id string, err error) {
	c.mu.Lock()
	c.subscriptions++
	id = "sub-" + strconv.Itoa(c.subscriptions)
	c.mu.Unlock()
	err = c.Try(message.Raw{
		Kind:         message.KindSubscribe,
		Destination:  destination,
		Subscription: id,
		Header:       message.NewHeader(header...),
	})
	return id, err
}

// Unsubscribe ends a subscription and waits until that is handled: what is sent
// from then on does not come for it.
func (c *Client) Unsubscribe(id string) {
	c.t.Helper()
	if err := c.Try(message.Raw{Kind: message.KindUnsubscribe, Subscription: id}); err != nil {
		c.t.Fatalf("unsubscribe %s: %v", id, err)
	}
}

// Ack acknowledges a message that [Client.Next] returned, of a subscription with
// the header "ack", and waits until that is handled. It fails the test if it is
// refused; see Try.
func (c *Client) Ack(m message.Raw) {
	c.t.Helper()
	c.settle(message.KindAck, m)
}

// Nack refuses a message as Ack acknowledges one.
func (c *Client) Nack(m message.Raw) {
	c.t.Helper()
	c.settle(message.KindNack, m)
}

func (c *Client) settle(k message.Kind, m message.Raw) {
	c.t.Helper()
	id := message.Field{Name: message.HeaderAck, Value: m.Header.Get(message.HeaderAck)}
	if err := c.Try(message.Raw{Kind: k, Header: message.NewHeader(id)}); err != nil {
		c.t.Fatalf("%s %s: %v", k, m.Destination, err)
	}
}

// Next returns what the client is sent next: a message, or an error of the
// kind [message.KindError]. It fails t when nothing comes for ten seconds or
// the session ends before.
func (c *Client) Next(t testing.TB) message.Raw {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		if m, ok := c.sink.pop(); ok {
			return m
		}
		select {
		case <-c.sink.arrived:
		case <-c.session.Done():
			if m, ok := c.sink.pop(); ok {
				return m
			}
			t.Fatalf("the session ended: %v", c.session.Reason())
		case <-deadline.C:
			t.Fatalf("nothing came for %v", patience)
		}
	}
}

// Refute fails t if something came that Next has not returned. Whatever this
// client and others have sent is handled by then; inside a [synctest.Test]
// bubble it also waits until all other goroutines of the bubble are blocked, so
// that what is done in the background is seen as well.
func (c *Client) Refute(t testing.TB) {
	t.Helper()
	settle()
	if m, ok := c.sink.pop(); ok {
		t.Fatalf("unexpected %s for %q: %.200q", m.Kind, m.Destination, m.Payload)
	}
}

// settle waits for the other goroutines of a synctest bubble. Nothing tells
// whether there is one, but Wait panics at once where there is not.
func settle() {
	defer func() {
		if v := recover(); v != nil && v != "goroutine is not in a bubble" {
			panic(v)
		}
	}()
	synctest.Wait()
}

// Disconnect ends the session as a client that goes, and waits until that is
// handled: nobody reaches the client any more. Further calls do nothing.
func (c *Client) Disconnect() {
	c.t.Helper()
	select {
	case <-c.end():
	case <-time.After(patience):
		c.t.Errorf("disconnect was not handled within %v", patience)
	}
}

// leave is Disconnect for the end of a test, which waits for nobody.
func (c *Client) leave() { c.end() }

// end closes the session and sends its last message, once. What it returns is
// closed when that is handled.
func (c *Client) end() <-chan struct{} {
	handled := make(chan struct{})
	c.mu.Lock()
	gone := c.gone
	c.gone = true
	c.mu.Unlock()
	if gone {
		close(handled)
		return handled
	}
	c.session.Close(nil)
	m := message.Raw{Kind: message.KindDisconnect, Session: c.session}
	// A node that is closed already refuses it, which is no failure of the test.
	m.Done = message.NewCompletion(message.Handled, func(error) { close(handled) })
	m.Done.Release(c.inbound.Handle(context.WithoutCancel(c.session.Context()), m))
	return handled
}

// Try sends a message of any kind and waits until it is handled. The error is what
// a client would be told: a *[message.Error].
func (c *Client) Try(m message.Raw) error {
	c.t.Helper()
	outcome := make(chan error, 1)
	m.Session = c.session
	m.Done = message.NewCompletion(message.Handled, func(err error) { outcome <- err })
	m.Done.Release(c.inbound.Handle(c.session.Context(), m))
	select {
	case err := <-outcome:
		return c.told(err)
	case <-time.After(patience):
		return message.Errorf(message.CodeTimeout, "messagetest: %s was not handled within %v", m.Kind, patience)
	}
}

// told returns what a client would be told of err. What that hides goes to the
// test's log.
func (c *Client) told(err error) error {
	c.t.Helper()
	if err == nil {
		return nil
	}
	told := message.Public(err)
	if err.Error() != told.Error() {
		c.t.Logf("the client is told %q of: %v", told, err)
	}
	return told
}

// Payload reads the payload of a message as handlers do. It fails t if it is
// not one of type T.
func Payload[T any](t testing.TB, m message.Raw) T {
	t.Helper()
	v, err := codec.Decode[T](nil, m.Header.Get(message.HeaderContentType), m.Payload)
	if err != nil {
		t.Fatalf("payload %.200q of %s: %v", m.Payload, m.Destination, err)
	}
	return v
}
