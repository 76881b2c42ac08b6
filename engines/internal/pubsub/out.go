package pubsub

import (
	"context"
	"sync"
	"time"

	wmessage "github.com/ThreeDotsLabs/watermill/message"
)

// Out is where what a subscription receives goes.
type Out struct {
	ctx      context.Context        // of the subscription
	messages chan *wmessage.Message // with room for all that are not settled: they are kept from the beginning
	slots    chan struct{}          // one entry per message that is not settled
	waiting  sync.WaitGroup
}

// Context is the subscription's.
func (o *Out) Context() context.Context { return o.ctx }

// One hands a message on and waits until it is acknowledged; refused it is handed on
// again, before all that come later. It returns false when the subscription ended.
func (o *Out) One(m *wmessage.Message) bool {
	for {
		taken, ok := o.send(m)
		if !ok {
			return false
		}
		select {
		case <-m.Acked():
			taken()
			return true
		case <-m.Nacked():
			taken()
			m = m.Copy()
		case <-o.ctx.Done():
			taken()
			return false
		}
	}
}

// send hands a message on. Who has it sees by the end of its context, which is taken,
// that what he said of it is known.
func (o *Out) send(m *wmessage.Message) (taken context.CancelFunc, ok bool) {
	ctx, taken := context.WithCancel(o.ctx)
	m.SetContext(ctx)
	select {
	case o.messages <- m:
		return taken, true
	case <-o.ctx.Done():
		taken()
		return nil, false
	}
}

// Held is what an engine is told of a message. The context ends a while after the
// subscription did.
type Held struct {
	// Ack says that the message is done with. It is tried until it succeeds.
	Ack func(context.Context) error
	// Nack says that somebody else is to have it.
	Nack func(context.Context) error
	// Again has what is refused handed on again instead, as long as the subscription
	// lasts: Nack then says that this one is not done with it.
	Again bool
	// Keep says that it is still worked on.
	Keep func(context.Context) error
	// Every is after which time Keep is called, again and again.
	Every time.Duration
}

// Reserve waits for room for a message, and returns for how many there is. It is 0
// when the subscription ended. It is for the goroutine that calls Give.
func (o *Out) Reserve() int {
	select {
	case o.slots <- struct{}{}:
		<-o.slots
		return cap(o.slots) - len(o.slots)
	case <-o.ctx.Done():
		return 0
	}
}

// Give hands a message on while others are not settled, in their order. What the
// subscription does not want any more is refused. There is a goroutine for each message
// that is not settled.
func (o *Out) Give(m *wmessage.Message, h Held) {
	select {
	case o.slots <- struct{}{}:
	case <-o.ctx.Done():
		o.settle(h.Nack)
		return
	}
	taken, ok := o.send(m)
	if !ok {
		o.settle(h.Nack)
		return
	}
	o.waiting.Go(func() {
		defer func() { <-o.slots }()
		o.keep(m, taken, h)
	})
}

// keep waits until a message is acknowledged or refused, and tells the engine.
func (o *Out) keep(m *wmessage.Message, taken context.CancelFunc, h Held) {
	tick := time.NewTicker(h.Every)
	defer tick.Stop()
	for {
		tell := h.Nack
		select {
		case <-m.Acked():
			tell = h.Ack
		case <-m.Nacked():
			if h.Again {
				taken()
				m = m.Copy()
				var ok bool
				if taken, ok = o.send(m); ok {
					continue
				}
				taken = func() {}
			}
		case <-tick.C:
			_ = h.Keep(o.ctx) // in vain: the engine delivers it again
			continue
		case <-o.ctx.Done():
			select {
			case <-m.Acked():
				tell = h.Ack
			default:
			}
		}
		o.settle(tell)
		taken()
		return
	}
}

// Settled waits until the engine was told of all that was given out. It is for the
// goroutine that calls Give, once the subscription has ended.
func (o *Out) Settled() { o.waiting.Wait() }

// patience is how long an engine may take to learn what became of a message, once the
// subscription has ended.
const patience = time.Second

// Late returns a context for what comes after the subscription: it ends a little later.
func (o *Out) Late() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(o.ctx))
	stop := context.AfterFunc(o.ctx, func() { time.AfterFunc(patience, cancel) })
	return ctx, func() {
		stop()
		cancel()
	}
}

// settle tells the engine until it knows, or nobody waits any more.
func (o *Out) settle(tell func(context.Context) error) {
	ctx, cancel := o.Late()
	defer cancel()
	for pause := 50 * time.Millisecond; tell(ctx) != nil; pause = min(2*pause, time.Second) {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
}
