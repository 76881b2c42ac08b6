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
	done         *message.Completion
	number       uint64 // within the subscription
	header       message.Header
	spot         spot // zero if nothing is resumed by it
	finished     bool // with AckCumulative: handled, as one before it is not
	failed       bool
}

// expect enters d among the messages that wait. The lock is held.
func (c *Client) expect(d *delivery) *message.Completion {
	d.subscription.delivered++
	d.number = d.subscription.delivered
	d.done = message.NewCompletion(message.Handled, func(err error) { c.finish(d, err) })
	c.unacked[d.done] = d
	if d.subscription.config.Ack == AckCumulative {
		d.subscription.unfinished = append(d.subscription.unfinished, d)
	}
	return d.done
}

// finish is told how a message was completed. One that the server will send again,
// because its connection was lost, is handled all the same.
func (c *Client) finish(d *delivery, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.unacked[d.done] != nil {
		c.settle(d, err)
	} else if err == nil {
		d.subscription.place.done(d.spot)
	}
}

// settle acknowledges or refuses a message. With AckCumulative it waits until all
// before it are finished, for the server would take them as handled. The lock is
// held.
func (c *Client) settle(d *delivery, err error) {
	d.finished, d.failed = true, err != nil
	s := d.subscription
	if s.config.Ack != AckCumulative {
		c.answer(d)
		return
	}
	for len(s.unfinished) > 0 && s.unfinished[0].finished {
		first := s.unfinished[0]
		if rest := s.unfinished[1:]; !first.failed && len(rest) > 0 && rest[0].finished && !rest[0].failed {
			c.drop(first, (*delivery).acked) // the next one answers for both
		} else {
			c.answer(first)
		}
	}
}

// answer sends what a finished message asks for. The lock is held.
func (c *Client) answer(d *delivery) {
	command := frame.Ack
	if d.failed {
		command = frame.Nack
	}
	c.drop(d, outcome(command))
	if d.check(command) == nil {
		_ = c.pushLocked(&outgoing{frame: d.frame(command), link: d.link}) // or the client has ended
	}
}

// drop takes d off the messages that wait, and with AckCumulative those before
// it, and says of each what became of it. The lock is held.
func (c *Client) drop(d *delivery, became func(*delivery)) {
	s := d.subscription
	if s.config.Ack != AckCumulative {
		delete(c.unacked, d.done)
		became(d)
		return
	}
	for len(s.unfinished) > 0 && s.unfinished[0].number <= d.number {
		delete(c.unacked, s.unfinished[0].done)
		became(s.unfinished[0])
		s.unfinished = s.unfinished[1:]
	}
}

func outcome(command frame.Command) func(*delivery) {
	if command == frame.Nack {
		return (*delivery).nacked
	}
	return (*delivery).acked
}

func (d *delivery) acked()  { d.subscription.place.done(d.spot) }
func (d *delivery) nacked() { d.subscription.place.refused(d.spot) }

// valid reports whether a message is still to be handled: messages that wait
// for an acknowledgement are not once their connection is lost, and neither are
// those that come again although they were handled when it was.
func (c *Client) valid(done *message.Completion) bool {
	if done == nil {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	d := c.unacked[done]
	if d == nil {
		return false
	}
	if d.spot == (spot{}) || !d.subscription.place.has(d.spot) {
		return true
	}
	c.settle(d, nil)
	return false
}

// Ack acknowledges m, which came out of [Subscription.Messages], and with
// AckCumulative all messages before it. A handler's messages are better left to
// what it returns, or to their Done. It does not block. It returns
// ErrNotPending when m needs no acknowledgement, or none any more.
func (c *Client) Ack(m message.Raw) error { return c.acknowledge(m.Done, frame.Ack) }

// Nack refuses m: the server may send it to somebody else, or drop it. With
// AckCumulative it refuses all messages before it as well. Otherwise it is like
// Ack. STOMP 1.0 has no NACK: there it is an error.
func (c *Client) Nack(m message.Raw) error { return c.acknowledge(m.Done, frame.Nack) }

// acknowledge keeps the lock, so that two calls send in the order in which they
// took their messages.
func (c *Client) acknowledge(done *message.Completion, command frame.Command) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := c.unacked[done]
	if d == nil {
		return ErrNotPending
	}
	if err := d.check(command); err != nil {
		return err
	}
	c.drop(d, outcome(command))
	return c.pushLocked(&outgoing{frame: d.frame(command), link: d.link})
}

// take takes a message that came over l off those that wait, and with AckCumulative
// those before it. It returns it as the last of them.
func (c *Client) take(done *message.Completion, l *link) (taken []*delivery, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := c.unacked[done]
	if d == nil || d.link != l {
		return nil, ErrNotPending
	}
	c.drop(d, func(d *delivery) { taken = append(taken, d) })
	return taken, nil
}

// handled says that messages were acknowledged, not how.
func (c *Client) handled(all []*delivery) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range all {
		d.acked()
	}
}

// check returns why the message cannot be answered so.
func (d *delivery) check(command frame.Command) error {
	if command == frame.Nack && d.link.Version() == frame.V10 {
		return message.Errorf(message.CodeInvalid, "STOMP 1.0 has no NACK")
	}
	return nil
}

// frame returns the ACK or NACK frame, which names the message differently in
// each version (STOMP 1.2 and 1.1, "ACK").
func (d *delivery) frame(command frame.Command, more ...message.Field) frame.Frame {
	id := d.header.Get(frame.HeaderMessageID)
	var fields []message.Field
	if d.link.Version() == frame.V12 {
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
