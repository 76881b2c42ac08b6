package message

import (
	"context"
	"sync"
)

// maxHold bounds, in bytes, what a [Hold] keeps: as much as a transport lets
// wait for a session.
const maxHold = 512 << 10

// Hold keeps what is delivered to one subscription of a session, until an
// opening message was delivered: whoever answers a subscription with a snapshot
// and then with the changes since loses none. Its methods may be called from
// any goroutine and do not block.
type Hold struct {
	session      *Session
	subscription string
	skip         func(Raw) bool

	mu    sync.Mutex
	over  bool
	err   error
	kept  []Raw
	bytes int
}

type holdKey struct{}

var (
	errHeld     = Errorf(CodeConflict, "the subscription is held already")
	errHoldFull = Errorf(CodeFull, "too much came for the subscription before it was opened")
)

// Hold begins to keep the [KindData] messages that are delivered to a
// subscription. It ends with the delivery of the message that is sent with the
// context of [Hold.Opening], or with [Hold.Cancel]. An error means that the
// subscription is held already.
func (s *Session) Hold(subscription string) (*Hold, error) {
	h := &Hold{session: s, subscription: subscription}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.holds[subscription] != nil {
		return nil, errHeld
	}
	if s.holds == nil {
		s.holds = make(map[string]*Hold)
	}
	s.holds[subscription] = h
	s.holding.Store(int32(len(s.holds)))
	return h, nil
}

// held returns the hold of a subscription, or nil.
func (s *Session) held(subscription string) *Hold {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.holds[subscription]
}

// Opening returns a context for the opening message: when the session is
// delivered a message of the subscription with it, that one goes first, what
// was kept goes after it, and the hold is over. Kept messages for which skip
// returns true are left out; nil keeps all. skip is called during the delivery,
// on its goroutine, and must not block.
//
// The delivery fails, and the hold stays, when more than 512 KiB came meanwhile.
func (h *Hold) Opening(ctx context.Context, skip func(Raw) bool) context.Context {
	h.mu.Lock()
	h.skip = skip
	h.mu.Unlock()
	return context.WithValue(ctx, holdKey{}, h)
}

// Cancel ends the hold and forgets what was kept. After the hold is over it
// does nothing.
func (h *Hold) Cancel() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.end()
}

// end lets deliveries pass from now on. The lock is held.
func (h *Hold) end() {
	if h.over {
		return
	}
	h.over, h.kept = true, nil
	s := h.session
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.holds, h.subscription)
	s.holding.Store(int32(len(s.holds)))
}

// deliver keeps m, or lets it pass.
func (h *Hold) deliver(ctx context.Context, m Raw) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.over:
		return h.session.sink.Deliver(ctx, m)
	case h.err != nil:
		return h.err
	case ctx.Value(holdKey{}) == h:
		return h.open(ctx, m)
	}
	if h.bytes += size(m); h.bytes > maxHold {
		h.err, h.kept = errHoldFull, nil
		return h.err
	}
	h.kept = append(h.kept, m)
	return nil
}

// size is about how much memory a message takes.
func size(m Raw) int {
	const message, field = 128, 32
	n := message + len(m.Destination) + len(m.Subscription) + len(m.Payload)
	for name, value := range m.Header.All() {
		n += field + len(name) + len(value)
	}
	return n
}

// open delivers the opening message and what was kept. The lock is held, so
// that what is delivered meanwhile comes after it.
func (h *Hold) open(ctx context.Context, first Raw) error {
	defer h.end()
	if err := h.session.sink.Deliver(ctx, first); err != nil {
		return err
	}
	for _, m := range h.kept {
		if h.skip != nil && h.skip(m) {
			continue
		}
		if err := h.session.sink.Deliver(ctx, m); err != nil {
			return err
		}
	}
	return nil
}
