package client

import (
	"context"
	"slices"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/codec"
	"github.com/headrace/headrace/stompadapter/frame"
)

// sendOwn are headers of SEND that the client sets itself.
var sendOwn = []string{frame.HeaderDestination, frame.HeaderReceipt, frame.HeaderTransaction, frame.HeaderContentLength}

// Send sends payload to destination with further headers. A []byte goes out as
// it is; anything else is encoded by the codec for the content-type header, or
// for its Go type where there is none.
//
// It returns once the frame has its place in the order of frames to be written,
// and waits for room as long as ctx lasts; without a connection it does not
// wait but returns ErrBufferFull. The frame is written whole, whatever becomes
// of ctx. If the connection is lost in the meantime it may be lost with it, and
// a frame that the version of the next one cannot express is dropped and logged:
// who must know uses SendReceipt. The payload must not be changed afterwards.
func (c *Client) Send(ctx context.Context, destination string, payload any, header ...message.Field) error {
	f, err := c.sendFrame(destination, payload, header)
	if err != nil {
		return err
	}
	return c.queue(ctx, &outgoing{frame: f})
}

// SendReceipt is Send that waits until the server has handled the frame. It
// returns a *[ServerError] when the server refused it, and ErrAway when the
// connection was lost before the answer came, so that nobody knows. When ctx
// ends it returns ctx's error, and the frame may still be handled.
func (c *Client) SendReceipt(ctx context.Context, destination string, payload any, header ...message.Field) error {
	f, err := c.sendFrame(destination, payload, header)
	if err != nil {
		return err
	}
	return c.await(ctx, f, nil)
}

func (c *Client) sendFrame(destination string, payload any, header []message.Field) (frame.Frame, error) {
	h := message.NewHeader(slices.Clone(header)...).Without(sendOwn...)
	body, contentType, err := codec.Encode(c.config.Codecs, h.Get(frame.HeaderContentType), payload)
	if err != nil {
		return frame.Frame{}, err
	}
	fields := []message.Field{{Name: frame.HeaderDestination, Value: destination}}
	if len(body) > 0 {
		h = h.Without(frame.HeaderContentType)
		fields = append(fields, message.Field{Name: frame.HeaderContentType, Value: contentType})
	}
	for name, value := range h.All() {
		fields = append(fields, message.Field{Name: name, Value: value})
	}
	return frame.Frame{Command: frame.Send, Header: message.NewHeader(fields...), Body: body}, nil
}

// queue gives o its place in the outbox.
func (c *Client) queue(ctx context.Context, o *outgoing) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	l, err := c.current()
	if err != nil {
		return err
	}
	if err := writable(o.frame, l); err != nil {
		return err
	}
	var connected <-chan struct{}
	if l != nil {
		connected = l.stopped
	}
	if err := c.outbox.acquire(ctx, connected); err != nil {
		if ended := c.Err(); ended != nil {
			return ended
		}
		return err
	}
	o.counted = true // from here on the slot goes the way of the frame
	return c.push(o)
}

// current returns the connection, which is nil while there is none, or why the
// client has ended.
func (c *Client) current() (*link, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.link, c.err
}

// writable returns what keeps f from being written to l, or to the next
// connection where that is nil. The head alone shows it.
func writable(f frame.Frame, l *link) error {
	version := frame.V12
	if l != nil {
		version = l.Version()
	}
	_, err := frame.Append(nil, version, frame.Frame{Command: f.Command, Header: f.Header})
	return err
}

// push puts o into the outbox unless the connection that it is meant for is
// lost.
func (c *Client) push(o *outgoing) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pushLocked(o)
}

func (c *Client) pushLocked(o *outgoing) error {
	if o.link != nil && o.link != c.link && c.err == nil {
		c.outbox.release(o.counted)
		return because(ErrAway, c.cause)
	}
	return c.outbox.push(o)
}

// await sends f, on l only unless that is nil, and waits for its receipt.
func (c *Client) await(ctx context.Context, f frame.Frame, l *link) error {
	o, result := c.withReceipt(f, l)
	if err := c.queue(ctx, o); err != nil {
		return err
	}
	return c.settled(ctx, o, result)
}

// settled waits for the receipt of o, and for none after ctx.
func (c *Client) settled(ctx context.Context, o *outgoing, result <-chan error) error {
	err := wait(ctx, result)
	if ctx.Err() != nil {
		c.forget(o)
	}
	return err
}

// withReceipt returns f as a frame that asks for a receipt, and where its
// result comes out.
func (c *Client) withReceipt(f frame.Frame, l *link) (*outgoing, <-chan error) {
	result := make(chan error, 1)
	return &outgoing{frame: f, link: l, receipt: c.id("r"), settle: func(err error) { result <- err }}, result
}

// forget takes o off the frames that wait for receipts: a server that sends none
// does not fill the memory.
func (c *Client) forget(o *outgoing) {
	o.abandoned.Store(true)
	if l, _ := c.current(); l != nil {
		l.forget(o)
	}
}

func wait(ctx context.Context, result <-chan error) error {
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
