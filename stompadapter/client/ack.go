package client

import (
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/frame"
)

// delivery is a message that waits for its acknowledgement. A message is known
// by its Done.
type delivery struct {
	link         *link
	subscription *Subscription
	number       uint64 // within the subscription
	header       message.Header
}

// expect enters d among the messages that wait. Completing the message
// acknowledges or refuses it, unless that was done already. The lock is held.
func (c *Client) expect(d *delivery) *message.Completion {
	var done *message.Completion
	done = message.NewCompletion(message.Handled, func(err error) {
		command := frame.Ack
		if err != nil {
			command = frame.Nack
		}
		_ = c.acknowledge(done, command) // done before, or to be sent again: both are well
	})
	c.unacked[done] = d
	return done
}

// valid reports whether a message is still to be handled: messages that wait
// for an acknowledgement are not once their connection is lost.
func (c *Client) valid(done *message.Completion) bool {
	if done == nil {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.unacked[done] != nil
}

// Ack acknowledges m, which came out of [Subscription.Messages], and with
// AckCumulative all messages before it. It does not block. It returns
// ErrNotPending when m needs no acknowledgement, or none any more.
func (c *Client) Ack(m message.Raw) error { return c.acknowledge(m.Done, frame.Ack) }

// Nack refuses m: the server may send it to somebody else, or drop it. With
// AckCumulative it refuses all messages before it as well. Otherwise it is like
// Ack. STOMP 1.0 has no NACK: there it is an error.
func (c *Client) Nack(m message.Raw) error { return c.acknowledge(m.Done, frame.Nack) }

func (c *Client) acknowledge(done *message.Completion, command frame.Command) error {
	d, err := c.take(done, command, nil)
	if err != nil {
		return err
	}
	return c.push(&outgoing{frame: d.frame(command), link: d.link})
}

// take takes a message off those that wait, if it came over the connection l;
// nil stands for any. With AckCumulative those before it go as well.
func (c *Client) take(done *message.Completion, command frame.Command, l *link) (*delivery, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := c.unacked[done]
	if d == nil || l != nil && d.link != l {
		return nil, ErrNotPending
	}
	if command == frame.Nack && d.link.version == frame.V10 {
		return nil, message.Errorf(message.CodeInvalid, "STOMP 1.0 has no NACK")
	}
	delete(c.unacked, done)
	if d.subscription.config.Ack == AckCumulative {
		for other, o := range c.unacked {
			if o.subscription == d.subscription && o.number < d.number {
				delete(c.unacked, other)
			}
		}
	}
	return d, nil
}

// frame returns the ACK or NACK frame, which names the message differently in
// each version (STOMP 1.2 and 1.1, "ACK").
func (d *delivery) frame(command frame.Command, more ...message.Field) frame.Frame {
	id := d.header.Get(frame.HeaderMessageID)
	var fields []message.Field
	if d.link.version == frame.V12 {
		if ack := d.header.Get(frame.HeaderAck); ack != "" {
			id = ack
		}
		fields = append(fields, message.Field{Name: frame.HeaderID, Value: id})
	} else {
		fields = append(fields,
			message.Field{Name: frame.HeaderMessageID, Value: id},
			message.Field{Name: frame.HeaderSubscription, Value: d.subscription.config.ID})
	}
	return frame.Frame{Command: command, Header: message.NewHeader(append(fields, more...)...)}
}
