package transport_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/transport"
)

// ear is a request that listens to a connection.
type ear struct {
	*httptest.ResponseRecorder
	hangUp context.CancelFunc
	err    chan error // what Listen returned
}

// hear begins a request that joins what it is given.
func hear(t *testing.T, k *transport.Carried, encode func(frames [][]byte, last bool) ([]byte, error)) *ear {
	ctx, cancel := context.WithCancel(t.Context())
	e := &ear{ResponseRecorder: httptest.NewRecorder(), hangUp: cancel, err: make(chan error, 1)}
	r := httptest.NewRequestWithContext(ctx, "GET", "/", nil)
	go func() { e.err <- k.Listen(e, r, encode) }()
	synctest.Wait()
	return e
}

func join(frames [][]byte, last bool) (p []byte, err error) {
	for _, f := range frames {
		p = append(p, f...)
	}
	if last {
		p = append(p, '.')
	}
	return p, nil
}

// listened runs a test in a bubble with a connection of half a minute's
// patience.
func listened(t *testing.T, test func(t *testing.T, k *transport.Carried, p *peer)) {
	synctest.Test(t, func(t *testing.T) {
		s := transport.NewServer(transport.Config{})
		defer s.Close()
		var p *peer
		k, ok := s.Carry(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil), transport.CarryConfig{Patience: 30 * time.Second},
			func(c *transport.Conn) transport.Protocol {
				p = &peer{conn: c, closed: make(chan error, 1)}
				return p
			})
		if !ok {
			t.Fatal("refused")
		}
		test(t, k, p)
	})
}

func (e *ear) want(t *testing.T, body string) {
	t.Helper()
	synctest.Wait()
	if got := e.Body.String(); got != body {
		t.Errorf("the response is %q, want %q", got, body)
	}
}

// The request that came last writes, and the one before returns.
func TestListenIsTakenOver(t *testing.T) {
	listened(t, func(t *testing.T, k *transport.Carried, _ *peer) {
		k.Send(plain("a"))
		first := hear(t, k, join)
		k.Send(plain("b"))
		synctest.Wait()
		second := hear(t, k, join)
		if err := <-first.err; err != nil {
			t.Error(err)
		}
		k.Send(plain("c"))
		second.want(t, "c")
		first.want(t, "ab")
		second.hangUp()
		<-second.err
	})
}

// Who comes back in time goes on; who does not is lost.
func TestListenHasPatience(t *testing.T) {
	listened(t, func(t *testing.T, k *transport.Carried, p *peer) {
		for range 3 {
			e := hear(t, k, join)
			e.hangUp()
			<-e.err
			time.Sleep(30*time.Second - 1)
		}
		k.Send(plain("meanwhile"))
		e := hear(t, k, join)
		e.want(t, "meanwhile")
		time.Sleep(time.Hour)
		e.hangUp()
		<-e.err
		gone := time.Now()
		if err := <-p.closed; !errors.Is(err, transport.ErrLost) || time.Since(gone) != 30*time.Second {
			t.Errorf("%v after %v", err, time.Since(gone))
		}
	})
}

func TestListenEndsWithTheConnection(t *testing.T) {
	listened(t, func(t *testing.T, k *transport.Carried, p *peer) {
		e := hear(t, k, join)
		k.Send(plain("a"))
		k.Conn.Close(nil)
		if err := <-e.err; err != nil {
			t.Error(err)
		}
		e.want(t, "a.")
		if err := <-p.closed; err != nil {
			t.Error(err)
		}
	})
}

func TestListenEndsWithAnErrorOfEncode(t *testing.T) {
	bad := message.Errorf(message.CodeInternal, "bad")
	listened(t, func(t *testing.T, k *transport.Carried, p *peer) {
		var once sync.Once
		e := hear(t, k, func([][]byte, bool) (_ []byte, err error) {
			once.Do(func() { err = bad })
			return nil, err
		})
		if err := <-e.err; !errors.Is(err, bad) {
			t.Error(err)
		}
		if err := <-p.closed; !errors.Is(err, bad) {
			t.Errorf("reason %v", err)
		}
	})
}
