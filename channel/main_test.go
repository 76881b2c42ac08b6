package channel_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/message"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errBroken = errors.New("broken")

// to returns a message for a key: without a session the destination is the key.
func to(key string, payload int) message.Message[int] {
	return message.Message[int]{Destination: key, Payload: payload}
}

// returning is a handler that does nothing but return err.
func returning(err error) message.HandlerFunc[int] {
	return func(context.Context, message.Message[int]) error { return err }
}

// noting returns an interceptor that notes when a message comes and goes.
func noting(l *log, name string) message.Interceptor[int] {
	return func(next message.Handler[int]) message.Handler[int] {
		return message.HandlerFunc[int](func(ctx context.Context, m message.Message[int]) error {
			l.add("+" + name)
			defer l.add("-" + name)
			return next.Handle(ctx, m)
		})
	}
}

// handling returns a handler that notes its name.
func handling(l *log, name string) message.Handler[int] {
	return message.HandlerFunc[int](func(context.Context, message.Message[int]) error {
		l.add(name)
		return nil
	})
}

// log is a list that many goroutines write.
type log struct {
	mu   sync.Mutex
	list []string
}

func (l *log) add(s string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, s)
}

// take returns what was noted since the last call.
func (l *log) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := l.list
	l.list = nil
	return list
}

// outcomes counts how each of n messages was completed.
type outcomes struct {
	mu   sync.Mutex
	errs map[int][]error
}

// done returns a completion for message i, held for the time of a send.
func (o *outcomes) done(i int, level message.Level) *message.Completion {
	return message.NewCompletion(level, func(err error) {
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.errs == nil {
			o.errs = make(map[int][]error)
		}
		o.errs[i] = append(o.errs[i], err)
	})
}

func (o *outcomes) of(i int) []error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.errs[i]
}

// send does what an adapter does: it asks for Handled and releases its own hold
// with what Handle returned.
func (o *outcomes) send(ctx context.Context, h message.Handler[int], m message.Message[int]) error {
	m.Done = o.done(m.Payload, message.Handled)
	err := h.Handle(ctx, m)
	m.Done.Release(err)
	return err
}

// gate is a handler that lets messages in and keeps them until it opens.
type gate struct {
	entered chan int
	open    chan struct{}
}

func newGate() *gate { return &gate{entered: make(chan int, 4096), open: make(chan struct{})} }

func (g *gate) Handle(_ context.Context, m message.Message[int]) error {
	g.entered <- m.Payload
	<-g.open
	return nil
}

// handled returns what came through the gate so far.
func (g *gate) handled() []int {
	var list []int
	for {
		select {
		case i := <-g.entered:
			list = append(list, i)
		default:
			return list
		}
	}
}

func closed(t *testing.T, c *channel.ExecutorChannel[int]) {
	t.Helper()
	if err := c.Handle(t.Context(), to("k", -1)); !errors.Is(err, channel.ErrClosed) {
		t.Errorf("Handle after the end: %v, want ErrClosed", err)
	}
}
