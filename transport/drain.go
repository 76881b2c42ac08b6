package transport

import (
	"cmp"
	"context"
	"fmt"
	"time"
)

// DrainConfig says how [Server.Shutdown] lets connections go: not all at once, or
// all would come to the other servers at once.
type DrainConfig struct {
	// Batch is how many connections are let go at a time; more, where what is left
	// could not be done within half of the time that Shutdown has. Zero means 200;
	// a negative number means all.
	Batch int
	// Interval is how long after one batch the next one follows. Zero means 250 ms.
	Interval time.Duration
	// Return is how many clients are asked to come back per second: each is told
	// how long to wait, which is 30 s at most, with more per second where those do
	// not do. Zero means 400.
	Return int
}

// maxReturn is how long clients are asked to wait at most.
const maxReturn = 30 * time.Second

func (c DrainConfig) withDefaults() DrainConfig {
	c.Batch = cmp.Or(c.Batch, 200)
	if c.Interval <= 0 {
		c.Interval = 250 * time.Millisecond
	}
	if c.Return <= 0 {
		c.Return = 400
	}
	return c
}

// batch returns how many of n connections are let go at a time within the given
// time, where there is a limit to it.
func (c DrainConfig) batch(n int, within time.Duration, limited bool) int {
	if c.Batch < 0 {
		return n
	}
	if limited {
		rounds := max(1, int(within/2/c.Interval))
		return max(c.Batch, (n+rounds-1)/rounds)
	}
	return c.Batch
}

// gap returns how long after one of n clients the next one is asked to come back.
func (c DrainConfig) gap(n int) time.Duration {
	return min(time.Second/time.Duration(c.Return), maxReturn/time.Duration(max(n, 1)))
}

// Shutdown ends the server in an orderly way: new connections are answered 503, and
// those that there are go batch by batch, as Config.Drain says; until its turn a
// connection goes on as before. Protocols that are a [Drainer] are told to drain, the
// connections of others are closed, with a [ShutdownError] that says when to come
// back. It waits until all connections have ended and then does what Close does. When
// ctx is over first, it returns an error that wraps the context's cause, and the
// connections that are left go on until Close.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	var conns []*Conn
	if !s.draining {
		s.draining = true
		s.closeListeners()
		conns = s.all()
		if s.admitted == 0 {
			close(s.empty)
		}
	}
	s.mu.Unlock()
	s.letGo(ctx, conns)
	select {
	case <-s.empty:
		s.Close()
		return nil
	case <-ctx.Done():
		s.mu.Lock()
		left := s.admitted
		s.mu.Unlock()
		return fmt.Errorf("transport: %d connections still open: %w", left, context.Cause(ctx))
	}
}

// letGo drains connections batch by batch, until ctx is over.
func (s *Server) letGo(ctx context.Context, conns []*Conn) {
	end, limited := ctx.Deadline()
	config, n, began := s.config.Drain, len(conns), time.Now()
	size, gap := config.batch(n, end.Sub(began), limited), config.gap(n)
	for i, c := range conns {
		if i > 0 && i%size == 0 && !s.await(ctx, config.Interval) {
			return
		}
		c.drain(max(0, time.Duration(i)*gap-time.Since(began)))
	}
}

// await waits for the next batch, and reports whether there is to be one.
func (s *Server) await(ctx context.Context, d time.Duration) bool {
	next := time.NewTimer(d)
	defer next.Stop()
	select {
	case <-next.C:
		return true
	case <-s.empty:
	case <-ctx.Done():
	}
	return false
}

// drain lets a client go and asks it to come back after some time.
func (c *Conn) drain(retry time.Duration) {
	reason := &ShutdownError{RetryAfter: retry}
	if d, ok := c.protocol.(Drainer); ok {
		d.Drain(reason)
		return
	}
	c.Close(reason)
}
