package channel_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/internal/pairs"
	"github.com/headrace/headrace/message"
)

const benchSessions = 1000

type noSink struct{}

func (noSink) Deliver(context.Context, message.Raw) error { return nil }
func (noSink) Close(error)                                {}

func sessions(ctx context.Context, n int) []*message.Session {
	all := make([]*message.Session, n)
	for i := range all {
		all[i] = message.NewSession(noSink{}, message.SessionInfo{Context: ctx})
	}
	return all
}

// spin is a handler's work of about 500 ns.
func spin() {
	x := uint64(1)
	for range 430 {
		x = x*6364136223846793005 + 1442695040888963407
	}
	sink = x
}

var sink uint64

// handPool is what one writes by hand for one fixed handler: a bounded mailbox a
// session, a scheduled flag, a ready channel, workers that drain. It knows no
// keys (who sends has the mailbox), no growth, no policy, no end.
type handPool struct {
	boxes []handBox
	ready chan *handBox
	wg    sync.WaitGroup
}

type handBox struct {
	mu        sync.Mutex
	in, out   []handItem
	scheduled bool
}

type handItem struct {
	ctx context.Context
	m   message.Message[int]
}

func newHandPool(n, workers int, handle func(context.Context, message.Message[int]) error) *handPool {
	p := &handPool{boxes: make([]handBox, n), ready: make(chan *handBox, n)}
	for range workers {
		p.wg.Go(func() {
			for b := range p.ready {
				b.mu.Lock()
				b.in, b.out = b.out[:0], b.in
				b.mu.Unlock()
				for i := range b.out {
					handle(b.out[i].ctx, b.out[i].m)
				}
				b.mu.Lock()
				if again := len(b.in) > 0; again {
					b.mu.Unlock()
					p.ready <- b
					continue
				}
				b.scheduled = false
				b.mu.Unlock()
			}
		})
	}
	return p
}

func (p *handPool) send(ctx context.Context, i int, m message.Message[int]) bool {
	b := &p.boxes[i]
	b.mu.Lock()
	if len(b.in) >= 256 {
		b.mu.Unlock()
		return false
	}
	b.in = append(b.in, handItem{ctx, m})
	wake := !b.scheduled
	b.scheduled = true
	b.mu.Unlock()
	if wake {
		p.ready <- b
	}
	return true
}

func (p *handPool) close() { close(p.ready); p.wg.Wait() }

// BenchmarkExecutor compares an ordered channel with the hand-made pool.
func BenchmarkExecutor(b *testing.B) {
	for _, work := range []struct {
		name string
		f    func()
	}{{"empty", func() {}}, {"500ns", spin}} {
		b.Run(work.name, func(b *testing.B) {
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			sess := sessions(ctx, benchSessions)
			var done sync.WaitGroup
			places := make(chan struct{}, 4096) // under way at most, for all alike
			handle := func(context.Context, message.Message[int]) error {
				work.f()
				<-places
				done.Done()
				return nil
			}
			ordered := channel.NewExecutorChannel(channel.Config[int]{})
			defer ordered.Close()
			channel.SubscribeFunc(ordered, handle)
			unordered := channel.NewExecutorChannel(channel.Config[int]{Unordered: true})
			defer unordered.Close()
			channel.SubscribeFunc(unordered, handle)
			const n = 100_000
			run := func(c *channel.ExecutorChannel[int]) func() {
				return func() {
					done.Add(n)
					for i := range n {
						places <- struct{}{}
						c.Handle(ctx, message.Message[int]{Session: sess[i%benchSessions], Destination: "/app/x", Payload: i})
					}
					done.Wait()
				}
			}
			pool := newHandPool(benchSessions, 4, handle)
			defer pool.close()
			byHand := func() {
				done.Add(n)
				for i := range n {
					places <- struct{}{}
					pool.send(ctx, i%benchSessions, message.Message[int]{Session: sess[i%benchSessions], Destination: "/app/x", Payload: i})
				}
				done.Wait()
			}
			inline := func() {
				for range n {
					work.f()
				}
			}
			for _, c := range []struct {
				name string
				a, b func()
			}{
				{"ordered/hand-made", run(ordered), byHand},
				{"ordered/unordered", run(ordered), run(unordered)},
				{"ordered/inline", run(ordered), inline},
			} {
				fmt.Println(work.name, pairs.Compare(c.name, 10, n, c.a, c.b))
			}
			for range b.N {
			}
		})
	}
}
