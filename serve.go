package headrace

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/http"
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
	// drainTime is how long Serve waits for what was accepted.
	drainTime = 25 * time.Second
	// headerTime is how long a client may take to send the header of a request.
	headerTime = 5 * time.Second
)

// Serve listens on server.Addr and serves until ctx ends or the server fails,
// over TLS when server.TLSConfig is set. Then it drains: no new connections, the
// adapters finish and answer what their clients sent, the node handles the rest;
// what takes more than 25 s is cut. It returns nil after a complete drain. The
// node cannot be used afterwards. What is open to strangers is logged first, see
// [Node.Doors].
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
		return err
	}
	return n.serve(ctx, listener, server, adapters)
}

// abandon ends what the drain left.
func (n *Node) abandon(server *http.Server, adapters []Adapter) {
	_ = server.Close() // nothing can be done about its error
	for _, a := range adapters {
		a.Close()
	}
	n.Close()
}

func (n *Node) serve(ctx context.Context, listener net.Listener, server *http.Server, adapters []Adapter) error {
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
	// The drain must outlast ctx, which has ended.
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
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

// drain ends intake first and the node last, so that what was accepted is
// handled and its answers go out.
func (n *Node) drain(ctx context.Context, server *http.Server, adapters []Adapter) error {
	ended := make(chan error, len(adapters)+1)
	go func() { ended <- server.Shutdown(ctx) }()
	for _, a := range adapters {
		go func() { ended <- a.Shutdown(ctx) }()
	}
	var errs error
	for range cap(ended) {
		errs = errors.Join(errs, <-ended)
	}
	return errors.Join(errs, n.Shutdown(ctx))
}
