package messagetest

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/headrace/headrace/message"
)

// Frozen returns an interceptor that finds who changes a payload after it was
// sent. It fails t when the bytes of a message that passed are no longer what
// they were: when the message has been handled, and again when the test ends.
// Mount it on every channel of the pipeline under test. It keeps a copy of all
// that passes.
func Frozen(t testing.TB) message.RawInterceptor {
	f := &frozen{t: t}
	t.Cleanup(f.check)
	return func(next message.RawHandler) message.RawHandler {
		return message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
			s := f.take(m)
			err := next.Handle(ctx, m)
			f.compare(s)
			return err
		})
	}
}

type frozen struct {
	t testing.TB

	mu    sync.Mutex
	taken []*specimen
}

// specimen is a payload and what it was.
type specimen struct {
	destination string
	payload     []byte
	was         []byte
	told        bool
}

func (f *frozen) take(m message.Raw) *specimen {
	s := &specimen{destination: m.Destination, payload: m.Payload, was: bytes.Clone(m.Payload)}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.taken = append(f.taken, s)
	return s
}

func (f *frozen) compare(s *specimen) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s.told || bytes.Equal(s.payload, s.was) {
		return
	}
	s.told = true
	f.t.Errorf("the payload of a message to %q was changed after it was sent: %.100q became %.100q", s.destination, s.was, s.payload)
}

// check looks at all that was taken; messages may still be on their way.
func (f *frozen) check() {
	f.mu.Lock()
	taken := slices.Clone(f.taken)
	f.mu.Unlock()
	for _, s := range taken {
		f.compare(s)
	}
}
