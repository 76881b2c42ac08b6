package pubsub

import (
	"context"
	"errors"
	"sync"
)

var errClosed = errors.New("engines: the connection is closed")

// Health is whether an engine is there.
type Health struct {
	mu       sync.Mutex
	closed   bool
	up       chan struct{}   // closed while the engine is there
	down     context.Context // ended while it is not
	fall     context.CancelFunc
	watchers map[*func(bool)]struct{}
}

// NewHealth returns that of an engine that is not there.
func NewHealth() *Health {
	h := &Health{up: make(chan struct{}), watchers: make(map[*func(bool)]struct{})}
	h.down, h.fall = context.WithCancel(context.Background())
	h.fall()
	return h
}

// Set says whether the engine is there.
func (h *Health) Set(available bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || h.available() == available {
		return
	}
	if available {
		h.down, h.fall = context.WithCancel(context.Background())
		close(h.up)
	} else {
		h.fall()
		h.up = make(chan struct{})
	}
	for changed := range h.watchers {
		(*changed)(available)
	}
}

func (h *Health) available() bool {
	select {
	case <-h.up:
		return true
	default:
		return false
	}
}

// Watch calls changed now and when something changes, until stop is called.
func (h *Health) Watch(changed func(available bool)) (stop func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.watchers[&changed] = struct{}{}
	changed(h.available())
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.watchers, &changed)
	}
}

// Wait waits until the engine is there. down ends when it is not any more.
func (h *Health) Wait(ctx context.Context) (down context.Context, err error) {
	for {
		h.mu.Lock()
		closed, up, down := h.closed, h.up, h.down
		h.mu.Unlock()
		if closed {
			return nil, errClosed
		}
		select {
		case <-up:
			return down, nil
		default:
		}
		select {
		case <-up:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// During returns ctx, which also ends when the engine goes, or went.
func During(ctx, down context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(down, func() { cancel(ErrAway) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// ErrAway is why a context of [During] has ended.
var ErrAway = errors.New("engines: the connection is lost")

// Close lets nobody wait any more.
func (h *Health) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return
	}
	h.closed = true
	if !h.available() {
		close(h.up)
	}
}
