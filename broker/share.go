package broker

import (
	"context"
	"maps"
	"sync"

	"github.com/headrace/headrace/message"
)

// shares are the topics of the engine that a node is subscribed to, each once and for
// as long as somebody here needs it. No call of the engine is made with the lock held;
// those that end a subscription are made by a helper, for they may block.
type shares struct {
	link    *link
	receive func(ctx context.Context, topic string, e Envelope) error
	before  func(topic string) // a subscription is about to end
	over    func(topic string) // it has ended, and none begins meanwhile
	helper  helper

	mu        sync.Mutex
	closed    bool
	byTopic   map[string]*share
	histories map[*Rule]int // how many of them are for histories, which History.Topics bounds
}

// group is that of the nodes which compete for the messages of a queue.
const group = "headrace"

// share is a subscription of the node.
type share struct {
	holders int           // who need it
	begun   chan struct{} // nil, or closed when the engine has answered
	err     error         // what it answered
	gaveUp  bool          // or who asked it did not wait for that
	stop    func()
	ending  chan struct{} // closed when nothing more is to be taken
	ended   chan struct{} // nil while it does not end; closed when it has
	stale   bool          // the helper will look whether somebody needs it
	bounded *Rule         // whose histories it counts among; nil if it does not count
}

// hold makes the caller one of those who need a topic, and returns when the node is
// subscribed to it, or after 10 s with an error. Where it returns nil, drop is to be
// called once.
func (ss *shares) hold(ctx context.Context, topic string, r *Rule) error {
	ctx, cancel := context.WithTimeout(ctx, linkPatience)
	defer cancel()
	for {
		s, first, ended, err := ss.enter(topic, r)
		switch {
		case err != nil:
			return err
		case ended != nil: // two at a time could give one message twice, or in another order
			if err := await(ctx, ended); err != nil {
				return err
			}
			continue
		case first:
			return ss.begin(ctx, s, topic, r.group())
		}
		if err := await(ctx, s.begun); err != nil {
			ss.leave(topic, s)
			return err
		}
		if !s.gaveUp || ctx.Err() != nil {
			return s.err
		}
	}
}

func await(ctx context.Context, c <-chan struct{}) error {
	select {
	case <-c:
		return nil
	case <-ctx.Done():
		return away(ctx.Err())
	}
}

// enter counts the caller, unless the subscription is just ending. The first has to
// begin it.
func (ss *shares) enter(topic string, r *Rule) (s *share, first bool, ended <-chan struct{}, err error) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if ss.closed {
		return nil, false, nil, errClosed
	}
	if ss.byTopic[topic] == nil && ss.helper.late() { // clients choose topics
		return nil, false, nil, errSaturated
	}
	if err := ss.bound(topic, r); err != nil {
		return nil, false, nil, err
	}
	s = ss.of(topic)
	if s.ended != nil {
		return nil, false, s.ended, nil
	}
	s.holders++
	if first = s.begun == nil; first {
		if r.keeps() {
			s.bounded = r
			ss.histories[r]++
		}
		s.begun, s.ending = make(chan struct{}), make(chan struct{})
	}
	return s, first, nil, nil
}

// bound refuses a history if there are as many as its rule allows. The lock is held.
func (ss *shares) bound(topic string, r *Rule) error {
	limit := r.History.Topics
	if !r.keeps() || limit < 0 || ss.histories[r] < limit {
		return nil
	}
	if s := ss.byTopic[topic]; s != nil && s.begun != nil { // it is one of them
		return nil
	}
	return message.Errorf(message.CodeFull, "this node has %d topics with a history there already", limit)
}

// group returns that of the nodes which compete for what is sent to a topic, if they do.
func (r *Rule) group() string {
	if r.Mode == Queue {
		return group
	}
	return ""
}

// forget forgets a subscription. The lock is held.
func (ss *shares) forget(topic string, s *share) {
	delete(ss.byTopic, topic)
	if s.bounded != nil {
		ss.histories[s.bounded]--
		s.bounded = nil
	}
}

// of returns the share of a topic. The lock is held.
func (ss *shares) of(topic string) *share {
	s := ss.byTopic[topic]
	if s == nil {
		s = new(share)
		ss.byTopic[topic] = s
	}
	return s
}

// begin asks the engine.
func (ss *shares) begin(ctx context.Context, s *share, topic, group string) error {
	stop, err := ss.link.subscribe(ctx, topic, group, func(ctx context.Context, e Envelope) error { return ss.receive(ctx, topic, e) })
	ss.mu.Lock()
	defer ss.mu.Unlock()
	s.stop, s.err, s.gaveUp = stop, err, err != nil && ctx.Err() != nil
	close(s.begun)
	if err != nil {
		ss.forget(topic, s) // the next one asks again
		if s.stale {
			ss.mark(topic)
		}
	}
	return err
}

// drop is the end of what hold began.
func (ss *shares) drop(topic string) {
	ss.mu.Lock()
	s := ss.byTopic[topic]
	ss.mu.Unlock()
	if s != nil {
		ss.leave(topic, s)
	}
}

func (ss *shares) leave(topic string, s *share) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if s.holders--; s.holders == 0 && ss.byTopic[topic] == s {
		ss.mark(topic)
	}
}

// retain makes the caller one of those who need a topic that the node is subscribed to,
// and returns the subscription, which the caller is to leave, or nil. It does not wait: the
// subscription may just begin, and fail, and be another one when the caller leaves.
func (ss *shares) retain(topic string) *share {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	s := ss.byTopic[topic]
	if s == nil || s.ended != nil || ss.closed {
		return nil
	}
	s.holders++
	return s
}

// current returns the subscription to a topic of which something is received.
func (ss *shares) current(topic string) *share {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return ss.of(topic)
}

// look lets the helper see whether a topic is needed, be the node subscribed to it or
// not.
func (ss *shares) look(topic string) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if !ss.closed && ss.of(topic).holders == 0 {
		ss.mark(topic)
	}
}

// mark is look with the lock held.
func (ss *shares) mark(topic string) {
	if s := ss.of(topic); !s.stale && !ss.closed {
		s.stale = true
		ss.helper.do(func() { ss.end(topic, s) })
	}
}

// end ends a subscription that nobody needs.
func (ss *shares) end(topic string, s *share) {
	ss.mu.Lock()
	s.stale = false
	needed := s.holders > 0 || ss.closed || ss.byTopic[topic] != s
	if !needed {
		s.ended = make(chan struct{})
	}
	ss.mu.Unlock()
	if needed {
		return
	}
	ss.finish(topic, s)
	ss.mu.Lock()
	defer ss.mu.Unlock()
	ss.forget(topic, s)
	close(s.ended)
}

func (ss *shares) finish(topic string, s *share) {
	if s.stop != nil {
		close(s.ending)
		ss.before(topic)
		s.stop()
	}
	ss.over(topic)
}

// finishAtOnce is how many subscriptions end side by side: an engine that is slow has
// seconds for each.
const finishAtOnce = 256

// close ends all subscriptions, and lets none begin.
func (ss *shares) close() {
	ss.mu.Lock()
	ss.closed = true
	ss.mu.Unlock()
	ss.helper.close()
	ss.mu.Lock()
	all := maps.Clone(ss.byTopic)
	ss.mu.Unlock()
	var finishing sync.WaitGroup
	defer finishing.Wait()
	places := make(chan struct{}, finishAtOnce)
	for topic, s := range all {
		places <- struct{}{}
		finishing.Go(func() {
			if s.begun != nil {
				<-s.begun
			}
			ss.finish(topic, s)
			ss.mu.Lock()
			ss.forget(topic, s)
			ss.mu.Unlock()
			<-places
		})
	}
}

func (ss *shares) len() (n int) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	for _, s := range ss.byTopic {
		if s.begun != nil {
			n++
		}
	}
	return n
}

// helper does one thing after another, on a goroutine that is there while there is
// something to do.
type helper struct {
	mu      sync.Mutex
	todo    []func()
	running bool
	closed  bool
	work    sync.WaitGroup
}

func (h *helper) do(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return
	}
	h.todo = append(h.todo, f)
	if !h.running {
		h.running = true
		h.work.Go(h.run)
	}
}

// maxTodo is how much may be left to do when more of it is begun.
const maxTodo = 1024

// late reports whether too much is left to do.
func (h *helper) late() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.todo) >= maxTodo
}

func (h *helper) run() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(h.todo) > 0 && !h.closed {
		f := h.todo[0]
		h.todo = h.todo[1:]
		h.mu.Unlock()
		f()
		h.mu.Lock()
	}
	h.running = false
}

// close returns when nothing is done any more. What was to be done is forgotten.
func (h *helper) close() {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.work.Wait()
}
