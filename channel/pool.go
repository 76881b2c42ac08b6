package channel

import (
	"context"

	"github.com/headrace/headrace/message"
)

// pool handles messages in any order: each is ready as soon as it is accepted.
type pool[T any] struct {
	crew[item[T]]
	e *Executor[T]
}

func newPool[T any](e *Executor[T]) *pool[T] {
	p := &pool[T]{e: e}
	p.size, p.limit, p.moment = e.config.Workers, e.config.MaxWorkers, &e.moment
	p.hire = func() func(item[T], uint32) bool {
		one := new(buffer[T])
		return func(it item[T], since uint32) bool {
			*one.push() = it
			t := e.handle(one, since)
			one.reset()
			e.leave(&t)
			return false
		}
	}
	return p
}

func (p *pool[T]) offer(ctx context.Context, m *message.Message[T], h message.Handler[T]) (wait chan struct{}, dropped *message.Completion, err error) {
	if _, err := p.e.room.enter(1); err != nil {
		if err == ErrClosed || p.e.config.Overflow == Reject {
			return nil, nil, err
		}
		if p.e.config.Overflow == Block {
			return p.e.room.wait(), nil, nil
		}
		oldest, ok := p.dropOldest()
		switch {
		case ok:
			p.e.counters.dropped.Add(1)
			dropped = oldest.m.Done
		case p.e.room.used() < p.e.room.limit:
			return p.offer(ctx, m, h) // the workers were faster
		default:
			return nil, nil, ErrFull // all of them are being handled
		}
	}
	m.Done.Hold()
	p.push(item[T]{ctx, *m, h})
	return nil, dropped, nil
}

// running calls visit with each message that is being handled.
func (p *pool[T]) running(visit func(*message.Message[T])) {
	for _, it := range p.taken() {
		visit(&it.m)
	}
}
