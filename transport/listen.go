package transport

import (
	"net/http"
	"sync"
	"time"
)

// listeners are the requests whose responses carry a connection, one after the
// other.
type listeners struct {
	arrived  chan struct{} // holds a token when something waits
	patience time.Duration
	writing  sync.Mutex // held by the one that writes

	mu     sync.Mutex
	latest *http.Request // the one that may write
	absent *time.Timer   // ends the connection unless another one comes
}

func (l *listeners) wake() {
	select {
	case l.arrived <- struct{}{}:
	default:
	}
}

// Listen carries the connection by one long response: it writes what waits and
// what comes until the client, or the connection, is gone. A request that comes
// later takes the connection over, and Listen returns for the one before. Who
// uses it leaves CarryConfig.Wake nil.
//
// When the request is over and no other listens within CarryConfig.Patience,
// the connection ends with [ErrLost].
//
// encode returns what has to be written for frames, which are all that waits;
// it is called for each write, on the caller's goroutine, one call at a time
// whatever the number of requests, and first with what there is, which may be
// nothing. Last says that nothing follows. An error of it ends the connection
// and is returned.
func (k *Carried) Listen(w http.ResponseWriter, r *http.Request, encode func(frames [][]byte, last bool) ([]byte, error)) error {
	l := &k.listeners
	l.attach(r)
	defer k.leave(r)
	l.writing.Lock()
	defer l.writing.Unlock()
	for l.attached(r) {
		frames, last, _ := k.Next()
		p, err := encode(frames, last)
		if err != nil {
			k.Gone(err)
			return err
		}
		if len(p) > 0 {
			k.Write(w, p) // an error ends the connection, as Next will tell
		}
		if last {
			k.Gone(nil)
			return nil
		}
		select {
		case <-l.arrived:
		case <-r.Context().Done():
			return nil
		}
	}
	return nil
}

// attach makes r the request that writes.
func (l *listeners) attach(r *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.absent != nil {
		l.absent.Stop()
	}
	l.latest = r
	l.wake() // the one before has to notice
}

func (l *listeners) attached(r *http.Request) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.latest == r
}

// leave ends the connection unless another request took over or will in time.
func (k *Carried) leave(r *http.Request) {
	l := &k.listeners
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.latest == r {
		l.absent = time.AfterFunc(l.patience, func() { k.drop(ErrLost, orderly) })
	}
}
