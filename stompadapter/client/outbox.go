package client

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/headrace/headrace/stompadapter/frame"
)

// outgoing is a frame on its way to the server.
type outgoing struct {
	frame     frame.Frame
	link      *link       // the only connection on which it makes sense, or nil
	receipt   string      // the receipt it asks for, or ""
	settle    func(error) // told once how it ended, if it asks for a receipt; does not block
	abandoned atomic.Bool // nobody waits for the receipt any more
	counted   bool        // it holds one of the outbox's slots
	last      bool        // nothing may be written after it
}

// fail ends a frame that nobody answers.
func (o *outgoing) fail(err error) {
	if o.settle != nil {
		o.settle(err)
	}
}

// outbox holds, in their order, the frames that wait to be written. It outlives
// connections. Users' frames need a slot and so are bounded. Acknowledgements
// need none, for whoever completes a message must not block, and there are no
// more of them than messages that the server sent and waits for; nor does
// UNSUBSCRIBE, of which there is one for each subscription that was made.
type outbox struct {
	slots chan struct{} // filled by frames that count
	wake  chan struct{} // something is there, or the outbox is shut

	mu    sync.Mutex
	queue []*outgoing
	shut  error // nothing is taken in any more
}

func newOutbox(size int) *outbox {
	return &outbox{slots: make(chan struct{}, size), wake: make(chan struct{}, 1)}
}

// acquire waits for a slot while connected is open, and without waiting when it
// is nil or closed, for then nobody empties the outbox.
func (b *outbox) acquire(ctx context.Context, connected <-chan struct{}) error {
	select {
	case b.slots <- struct{}{}:
		return nil
	default:
	}
	if connected == nil {
		return ErrBufferFull
	}
	select {
	case b.slots <- struct{}{}:
		return nil
	case <-connected:
		return ErrBufferFull
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// take takes o back if it still waits.
func (b *outbox) take(o *outgoing) bool {
	b.mu.Lock()
	i := slices.Index(b.queue, o)
	if i >= 0 {
		b.queue = slices.Delete(b.queue, i, i+1)
	}
	b.mu.Unlock()
	if i >= 0 {
		b.release(o.counted)
	}
	return i >= 0
}

// release gives back the slot of a frame that is not in the queue, if it has
// one.
func (b *outbox) release(counted bool) {
	if counted {
		<-b.slots
	}
}

// push puts o at the end.
func (b *outbox) push(o *outgoing) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.shut != nil {
		b.release(o.counted)
		return b.shut
	}
	b.queue = append(b.queue, o)
	if o.last {
		b.shut = ErrClosed
	}
	select {
	case b.wake <- struct{}{}:
	default:
	}
	return nil
}

// pop takes the next frame that may be written to l, or nil.
func (b *outbox) pop(l *link) *outgoing {
	for {
		b.mu.Lock()
		if len(b.queue) == 0 {
			b.mu.Unlock()
			return nil
		}
		o := b.queue[0]
		b.queue[0] = nil
		b.queue = b.queue[1:]
		b.mu.Unlock()
		b.release(o.counted)
		if o.link == nil || o.link == l {
			return o
		}
		o.fail(ErrAway)
	}
}

// untie drops the frames that made sense on l only.
func (b *outbox) untie(l *link, err error) {
	b.drop(err, func(o *outgoing) bool { return o.link == l })
}

// close refuses all further frames and drops those that wait. It returns how
// many users' frames were among them.
func (b *outbox) close(err error) int {
	b.mu.Lock()
	b.shut = err
	b.mu.Unlock()
	return b.drop(err, func(*outgoing) bool { return true })
}

func (b *outbox) drop(err error, which func(*outgoing) bool) (counted int) {
	b.mu.Lock()
	var kept, dropped []*outgoing
	for _, o := range b.queue {
		if which(o) {
			dropped = append(dropped, o)
		} else {
			kept = append(kept, o)
		}
	}
	b.queue = kept
	b.mu.Unlock()
	for _, o := range dropped {
		if o.counted {
			counted++
		}
		b.release(o.counted)
		o.fail(err)
	}
	return counted
}
