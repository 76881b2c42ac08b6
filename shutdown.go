package headrace

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/headrace/headrace/broker"
)

// Shutdown refuses new messages and waits until what was accepted is handled, and sent
// on by Relays; then it ends the node's goroutines. All of that takes as long as ctx
// lasts. With a Backplane or Relays the last tenth of the time, 2 s at most, is theirs,
// whatever is not handled by then: what is in queues goes to other nodes. It returns ctx's
// error, with what was left, if something was; what goes on then Close waits for. The
// handlers that a relay itself runs it waits for.
func (n *Node) Shutdown(ctx context.Context) error {
	handling, cancel := n.spare(ctx)
	defer cancel()
	return n.shutdown(ctx, handling)
}

// shutdown waits for handlers as long as handling lasts, and for all else as long as ctx.
func (n *Node) shutdown(ctx, handling context.Context) error {
	n.life.enter(phaseDraining)
	defer n.life.enter(phaseClosed)
	err := errors.Join(n.Inbound.Shutdown(handling), n.endBrokers(ctx))
	if n.outgoing != nil {
		err = errors.Join(err, n.outgoing.Shutdown(ctx))
	}
	return err
}

const (
	sparedPart = 10              // one of so many
	sparedTime = 2 * time.Second // at most
)

// spare leaves some of ctx's time to the brokers, if there are others to tell that the
// node goes.
func (n *Node) spare(ctx context.Context) (context.Context, context.CancelFunc) {
	end, limited := ctx.Deadline()
	if !limited || n.split.config.Backplane == nil && len(n.Relays) == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, end.Add(-min(time.Until(end)/sparedPart, sparedTime)))
}

// endBrokers ends all brokers side by side: each has the time that there is.
func (n *Node) endBrokers(ctx context.Context) error {
	errs := make([]error, 2+len(n.Relays))
	var ending sync.WaitGroup
	ending.Go(func() { errs[0] = n.Broker.Shutdown(ctx) })
	ending.Go(func() { errs[1] = n.Users.Shutdown(ctx) })
	for i, r := range n.Relays {
		ending.Go(func() { errs[2+i] = n.endRelay(ctx, r) })
	}
	ending.Wait()
	return errors.Join(errs...)
}

// endRelay asks a relay to finish, if it can, and closes it. Who did not finish in time may
// take longer to close as well: Node.Close waits for that.
func (n *Node) endRelay(ctx context.Context, r broker.Broker) error {
	if s, ok := r.(interface{ Shutdown(context.Context) error }); ok {
		if err := s.Shutdown(ctx); err != nil {
			go r.Close()
			return err
		}
	}
	r.Close()
	return nil
}

// Close abandons what waits and ends the node's goroutines. Adapters are closed
// before it.
func (n *Node) Close() {
	n.life.enter(phaseClosed)
	n.Inbound.Close()
	n.Broker.Close()
	n.Users.Stop()
	for _, r := range n.Relays {
		r.Close()
	}
	if n.outgoing != nil {
		n.outgoing.Close()
	}
}
