package broker

import (
	"context"
	"fmt"
	"sync"
)

// parting is the end of a broker. An engine may hold it up, so it has a goroutine of its
// own, which whoever ends the broker waits for as long as he likes.
type parting struct {
	once sync.Once
	over chan struct{}
}

// begin begins it, unless it has begun, and returns what is closed when it is complete.
func (p *parting) begin(end func()) (over <-chan struct{}) {
	p.once.Do(func() {
		p.over = make(chan struct{})
		go func() {
			defer close(p.over)
			end()
		}()
	})
	return p.over
}

// inTime waits as long as ctx lasts, and reports whether it is over by then.
func inTime(ctx context.Context, over <-chan struct{}) bool {
	select {
	case <-over:
		return true
	case <-ctx.Done():
		return isClosed(over)
	}
}

// Shutdown does what Close does, but the engine of a Backplane has no longer than ctx lasts.
// When that is over first, it returns ctx's error with what was left to the engine, which
// delivers messages again if it has acknowledgements. What goes on behind that ends by
// itself, and Close waits for it. It also returns an error if the engine did not take
// something back.
func (b *Memory) Shutdown(ctx context.Context) error {
	over := b.part()
	if b.mesh == nil {
		<-over
		return nil
	}
	if !inTime(ctx, over) {
		return b.mesh.hurry(ctx.Err())
	}
	return b.mesh.refused()
}

// hurry ends what the engine is waited for, and returns an error with what is left to it.
func (m *mesh) hurry(cause error) error {
	m.mu.Lock()
	left := m.unreturned
	m.mu.Unlock()
	for _, q := range m.broker.store.list() {
		left += q.held()
	}
	topics := m.shares.len()
	m.impatient()
	return fmt.Errorf("broker: the engine did not answer in time: %d messages of queues not given back, %d topics not left: %w", left, topics, cause)
}

// refused returns an error with how much the engine did not take back, if it was something.
func (m *mesh) refused() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.unreturned == 0 {
		return nil
	}
	return fmt.Errorf("broker: %d messages of queues not given back to the engine: %w", m.unreturned, m.refusal)
}

// keptBack notes that the engine did not take a message back when the broker was closed.
func (m *mesh) keptBack(err error) {
	if !m.broker.closed.Load() {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.unreturned++
	m.refusal = err
}

// held returns how many messages a queue holds that other nodes could have.
func (q *queue) held() int {
	if q.single || q.rule.Local {
		return 0
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.n
}

// Shutdown does what Stop does, but the engine of a Backplane has no longer than ctx lasts.
// When that is over first, it returns ctx's error: the other nodes may not know that the
// sessions are gone until they notice. What goes on behind that ends by itself, and Stop
// waits for it.
func (u *Users) Shutdown(ctx context.Context) error {
	over := u.part()
	if u.cluster == nil {
		<-over
		return nil
	}
	if !inTime(ctx, over) {
		u.cluster.impatient()
		return fmt.Errorf("broker: the engine did not answer in time: the other nodes may not know that the users are gone: %w", ctx.Err())
	}
	return nil
}
