package pubsub

import (
	"context"
	"sync"
)

// Turns are the subscriptions to groups. One begins when those of the same group here
// that are at their end have ended: what they give back comes before what they have not
// seen. The zero Turns is ready.
type Turns struct {
	mu  sync.Mutex
	all map[string]map[*turn]struct{}
}

// turn is one subscription.
type turn struct {
	ctx   context.Context
	ended chan struct{}
}

// Key is that of a group of a topic, of none without a group.
func Key(topic, group string) string {
	if group == "" {
		return ""
	}
	return topic + " " + group
}

// begin waits for those that end, and returns what is called at the end.
func (t *Turns) begin(ctx, subscription context.Context, key string) (end func(), err error) {
	for next := t.ending(key); next != nil; next = t.ending(key) {
		select {
		case <-next.ended:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	own := &turn{ctx: subscription, ended: make(chan struct{})}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all == nil {
		t.all = make(map[string]map[*turn]struct{})
	}
	if t.all[key] == nil {
		t.all[key] = make(map[*turn]struct{})
	}
	t.all[key][own] = struct{}{}
	return func() { t.end(key, own) }, nil
}

func (t *Turns) ending(key string) *turn {
	t.mu.Lock()
	defer t.mu.Unlock()
	for o := range t.all[key] {
		if o.ctx.Err() != nil {
			return o
		}
	}
	return nil
}

func (t *Turns) end(key string, own *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.all[key], own)
	if len(t.all[key]) == 0 {
		delete(t.all, key)
	}
	close(own.ended)
}
