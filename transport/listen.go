package transport

import (
	"cmp"
	"net/http"
	"time"

	"github.com/headrace/headrace/message"
)

// listeners are the requests whose responses carry a connection, one after the
// other.
type listeners struct {
	arrived  chan struct{} // holds a token when something waits
	writing  chan struct{} // full while a request writes
	patience time.Duration
	begun    bool // something was written, by whoever was writing

	// Guarded by out.mu.
	latest *http.Request // the one that may write
	absent *time.Timer   // while no request listens: ends the connection
}

// notice tells the request that listens of what waits. Where none does, nobody
// has to be told of an end.
func (k *Carried) notice() {
	l := &k.listeners
	select {
	case l.arrived <- struct{}{}:
	default:
	}
	k.out.mu.Lock()
	abandoned := k.out.closing && l.absent != nil
	k.out.mu.Unlock()
	if abandoned {
		k.drop(nil, orderly)
	}
}

// Listen carries the connection by one long response: it writes what waits and
// what comes until the client, or the connection, is gone. A request that comes
// later takes the connection over, and Listen returns for the one before, which
// does not write any more. Who uses it leaves CarryConfig.Wake nil.
//
// When the request is over, or a write fails, and no other listens within
// CarryConfig.Patience, the connection ends with [ErrLost], or with [ErrSlow] if
// the client has taken nothing for Config.WriteTimeout.
//
// encode returns what has to be written for frames, which are all that waits;
// it is called for each write, on the caller's goroutine, one call at a time
// whatever the number of requests, and first with what there is, which may be
// nothing. What it was given is taken, whether or not the client gets it: who
// wants to resume keeps it. Last says that nothing follows. An error of encode
// ends the connection and is returned.
//
// A connection that ends for a reason before anything of it was written makes
// the response an error, with the status of the reason.
func (k *Carried) Listen(w http.ResponseWriter, r *http.Request, encode func(frames [][]byte, last bool) ([]byte, error)) (err error) {
	l := &k.listeners
	k.attach(r)
	var failed error // of a write
	defer func() { k.leave(r, failed) }()
	select {
	case l.writing <- struct{}{}:
		defer func() { <-l.writing }()
	case <-r.Context().Done():
		return nil
	}
	for failed == nil && r.Context().Err() == nil && k.attached(r) {
		frames, last, reason := k.Next()
		if last && reason != nil && !l.begun {
			public := message.Public(reason)
			http.Error(w, public.Message, status(public.Code))
			k.Gone(nil)
			return nil
		}
		p, err := encode(frames, last)
		if err != nil {
			k.Gone(err)
			return err
		}
		if len(p) > 0 {
			l.begun = true
			failed = k.pass(w, r, p)
		}
		if last {
			k.Gone(failed)
			return nil
		}
		select {
		case <-l.arrived:
		case <-r.Context().Done():
		}
	}
	return nil
}

// attach makes r the request that writes, and ends the write of the one before:
// its client may take nothing any more.
func (k *Carried) attach(r *http.Request) {
	l := &k.listeners
	k.out.mu.Lock()
	if l.absent != nil {
		l.absent.Stop()
		l.absent = nil
	}
	l.latest = r
	k.endWrite()
	k.out.mu.Unlock()
	k.notice()
}

func (k *Carried) attached(r *http.Request) bool {
	k.out.mu.Lock()
	defer k.out.mu.Unlock()
	return k.listeners.latest == r
}

// leave ends the connection unless another request took over or will in time.
func (k *Carried) leave(r *http.Request, failed error) {
	l := &k.listeners
	k.out.mu.Lock()
	defer k.out.mu.Unlock()
	if l.latest != r || k.out.state == outboxClosed {
		return
	}
	l.latest = nil
	patience := l.patience
	if k.out.closing {
		patience = 0
	}
	l.absent = time.AfterFunc(patience, func() { k.drop(cmp.Or(failed, ErrLost), orderly) })
}
