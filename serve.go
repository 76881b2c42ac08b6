package headrace

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Adapter is what Serve needs to know of a network adapter.
type Adapter interface {
	// Shutdown takes no more from clients, waits until what it took is handled
	// and answered, and ends the sessions. It returns ctx's error when that
	// ends first.
	Shutdown(ctx context.Context) error
	// Close ends all sessions at once.
	Close()
}

const (
	// headerTime is how long a client may take to send the header of a request.
	headerTime = 5 * time.Second
	// probeTime is how long load balancers have to notice that a node is not ready.
	probeTime = 5 * time.Second
)

// Serve listens on server.Addr and serves until ctx ends or the server fails,
// over TLS when server.TLSConfig is set. Then it drains. Readyz says 503 from now on;
// for Config.DrainDelay everything else goes on. Then the adapters take no new
// connections, finish and answer what their clients sent, and let them go batch by
// batch, the server finishes its requests, and the node handles the rest. What takes
// more than Config.DrainTimeout in all is cut, also where the engine of a Backplane does
// not answer: what is waited for then goes on behind Serve and ends by itself, and
// [Node.Close] waits for it. What became of connections is logged and counted in Stats. It
// returns nil after a complete drain. The node cannot be used afterwards. What is open to strangers is logged first, see [Node.Doors].
//
// A server that has neither ReadHeaderTimeout nor ReadTimeout gets a
// ReadHeaderTimeout of 5 s: who sends a handshake octet by octet holds a
// connection that nobody counts.
//
// Whoever needs the address that was chosen for port 0 sets server.BaseContext,
// which is given the listener.
func (n *Node) Serve(ctx context.Context, server *http.Server, adapters ...Adapter) error {
	defer n.abandon(server, adapters)
	if server.ReadHeaderTimeout == 0 && server.ReadTimeout == 0 {
		server.ReadHeaderTimeout = headerTime
	}
	standard := ":http"
	if server.TLSConfig != nil {
		standard = ":https"
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", cmp.Or(server.Addr, standard))
	if err != nil {
		end, cancel := n.end(ctx)
		defer cancel()
		return errors.Join(err, n.drain(end, server, adapters))
	}
	return n.serve(ctx, listener, server, adapters)
}

// end is the time that Serve takes to end, which is after ctx.
func (n *Node) end(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), n.split.config.DrainTimeout)
}

// abandon ends what the drain left, but for brokers that the engine holds up.
func (n *Node) abandon(server *http.Server, adapters []Adapter) {
	_ = server.Close() // nothing can be done about its error
	for _, a := range adapters {
		a.Close()
	}
	n.Inbound.Close()
	if n.outgoing != nil {
		n.outgoing.Close()
	}
	n.logEnds()
}

// logEnds logs why the connections ended of all that Serve has seen.
func (n *Node) logEnds() {
	ends := make(map[string]uint64)
	for _, a := range n.Stats().Adapters {
		for why, count := range a.Transport.Closed {
			ends[why] += count
		}
	}
	attrs := make([]slog.Attr, 0, len(ends))
	for _, why := range slices.Sorted(maps.Keys(ends)) {
		attrs = append(attrs, slog.Uint64(why, ends[why]))
	}
	if len(attrs) > 0 {
		n.split.config.logger().LogAttrs(context.Background(), slog.LevelInfo, "shut down", slog.GroupAttrs("connections", attrs...))
	}
}

func (n *Node) serve(ctx context.Context, listener net.Listener, server *http.Server, adapters []Adapter) error {
	n.life.enter(phaseServing)
	defer listener.Close() // the server does so too, but not when it fails early
	n.logDoors(ctx, adapters)
	defer n.watch(ctx, adapters)()
	serving, stop := context.WithCancel(ctx)
	var failed error
	var accepting sync.WaitGroup
	accepting.Go(func() {
		defer stop()
		failed = accept(listener, server)
	})
	<-serving.Done()
	n.life.enter(phaseDraining)
	drain, cancel := n.end(ctx)
	defer cancel()
	if ctx.Err() != nil { // else nobody is served any more
		n.linger(drain)
	}
	err := n.drain(drain, server, adapters)
	accepting.Wait()
	return errors.Join(failed, err)
}

// accept returns when the server fails, or nil when it was shut down.
func accept(listener net.Listener, server *http.Server) (err error) {
	if server.TLSConfig != nil {
		err = server.ServeTLS(listener, "", "")
	} else {
		err = server.Serve(listener)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// linger goes on as before for Config.DrainDelay.
func (n *Node) linger(ctx context.Context) {
	delay := n.split.config.DrainDelay
	if delay == 0 && n.life.probed.Load() {
		delay = probeTime
	}
	if delay <= 0 {
		return
	}
	over := time.NewTimer(delay)
	defer over.Stop()
	select {
	case <-over.C:
	case <-ctx.Done():
	}
}

// drain ends intake first and the node last, so that what was accepted is
// handled and its answers go out. The server still answers while adapters let their
// clients go, for some of these come with every request anew.
func (n *Node) drain(ctx context.Context, server *http.Server, adapters []Adapter) error {
	handling, cancel := n.spare(ctx)
	defer cancel()
	ended := make(chan error, len(adapters))
	for _, a := range adapters {
		go func() { ended <- a.Shutdown(handling) }()
	}
	var errs error
	for range cap(ended) {
		errs = errors.Join(errs, <-ended)
	}
	return errors.Join(errs, server.Shutdown(handling), n.shutdown(ctx, handling))
}
