package message

import (
	"context"
	"slices"
	"sync"
)

// Hold keeps what is delivered to one subscription of a session, until an
// opening message was delivered: whoever answers a subscription with a snapshot
// and then with the changes since loses none. Its methods may be called from
// any goroutine and do not block.
type Hold struct {
	session      *Session
	subscription string
	limit        int // of bytes

	mu      sync.Mutex
	skip    func(Raw) bool
	opening bool
	over    bool
	err     error
	kept    []Raw
	bytes   int // that were kept, with the opening message
}

type holdKey struct{}

var (
	errHeld     = Errorf(CodeConflict, "the subscription is held already")
	errHoldFull = Errorf(CodeFull, "too much came for the subscription before it was opened")
)

// Hold begins to keep the [KindData] messages that are delivered to a
// subscription. It ends with the delivery of the message that is sent with the
// context of [Hold.Opening], with [Hold.Release] or with [Hold.Cancel]. An error
// means that the subscription is held already.
func (s *Session) Hold(subscription string) (*Hold, error) {
	// Half of the budget: the sink's own form of a message may be longer, and
	// something may wait for the client already.
	h := &Hold{session: s, subscription: subscription, limit: s.info.Budget / 2}
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
// on its goroutine; what is delivered meanwhile is kept and does not wait for it.
//
// The delivery fails with [CodeFull], the session is sent nothing of it and the
// hold stays, when what was kept takes, with the opening message, more than half
// of [SessionInfo.Budget]. An opening message behind which nothing was kept may
// be larger.
func (h *Hold) Opening(ctx context.Context, skip func(Raw) bool) context.Context {
	h.mu.Lock()
	h.skip = skip
	h.mu.Unlock()
	return context.WithValue(ctx, holdKey{}, h)
}

// Release ends the hold and delivers what was kept, for a subscription that goes
// on as it was. It returns the first error of a delivery, or [CodeFull] when
// something was lost. Once the opening message is on its way it does nothing.
func (h *Hold) Release(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over || h.opening {
		return nil
	}
	defer h.end()
	if h.err != nil {
		return h.err
	}
	return h.pass(ctx, h.kept)
}

// Cancel ends the hold and forgets what was kept, for a subscription that is
// gone. After the hold is over it does nothing.
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
	case !h.opening && ctx.Value(holdKey{}) == h:
		return h.open(ctx, m)
	}
	h.kept = append(h.kept, m)
	return h.count(m)
}

// count counts a message, and gives up when too much was kept. The lock is held.
func (h *Hold) count(m Raw) error {
	if h.bytes += size(m); h.bytes > h.limit && len(h.kept) > 0 {
		h.err, h.kept = errHoldFull, nil
	}
	return h.err
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
	h.opening = true
	if err := h.count(first); err != nil {
		return err
	}
	out := []Raw{first}
	for len(h.kept) > 0 {
		out = append(out, h.sift()...)
	}
	switch {
	case h.err != nil:
		return h.err
	case h.over: // canceled meanwhile
		out = out[:1]
	}
	defer h.end()
	return h.pass(ctx, out)
}

// sift takes what was kept and leaves out what is to be skipped. Meanwhile it
// gives the lock away: skip is the program's, and takes its time.
func (h *Hold) sift() []Raw {
	kept := h.kept
	h.kept = nil
	if h.skip == nil {
		return kept
	}
	h.mu.Unlock()
	defer h.mu.Lock()
	return slices.DeleteFunc(kept, h.skip)
}

// pass delivers messages in their order.
func (h *Hold) pass(ctx context.Context, all []Raw) error {
	for _, m := range all {
		if err := h.session.sink.Deliver(ctx, m); err != nil {
			return err
		}
	}
	return nil
}
