package client_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/client"
	"github.com/headrace/headrace/stompadapter/frame"
)

// A handler that waits for a receipt that never comes does not outlast the
// context of Close.
func TestCloseFailsReceiptsWhenItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, connected)
		c, p := dial(t, s, client.Config{})
		failed := make(chan error, 1)
		sub := subscribe(t, c, p, "/a", client.SubscribeConfig{}, func(context.Context, message.Raw) error {
			failed <- c.SendReceipt(context.Background(), "/b", "x")
			return nil
		})
		p.send(messageFrame(sub, "1", ""))
		p.want(frame.Send)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		began := time.Now()
		if err := c.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close: %v", err)
		}
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("Close took %v", took)
		}
		if err := <-failed; !errors.Is(err, client.ErrAway) {
			t.Errorf("the receipt: %v", err)
		}
	})
}

var errBroken = errors.New("broken pipe")

// halfDead is a connection that can be read and, once it is broken, not written.
type halfDead struct {
	net.Conn
	broken *atomic.Bool
}

func (h halfDead) Write(p []byte) (int, error) {
	if h.broken.Load() {
		return 0, errBroken
	}
	return h.Conn.Write(p)
}

// A connection that can still be read, and is not silent, is lost all the same.
func TestFailedWriteEndsTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, "CONNECTED\nversion:1.2\nheart-beat:100,0\n\n\x00")
		var broken atomic.Bool
		c, err := client.Dial(t.Context(), client.Config{
			URL: "tcp://mill",
			Dial: func(ctx context.Context) (net.Conn, error) {
				conn, err := s.dial(ctx)
				return halfDead{conn, &broken}, err
			},
			Heartbeat: client.HeartbeatConfig{Receive: 100 * time.Millisecond},
			Reconnect: client.ReconnectConfig{Off: true},
			Logger:    slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		defer hangUp(c)
		p := <-s.peers
		beating := in(func() error {
			for {
				if _, err := io.WriteString(p.conn, "\n"); err != nil {
					return err
				}
				time.Sleep(100 * time.Millisecond)
			}
		})
		broken.Store(true)
		began := time.Now()
		if err := c.SendReceipt(t.Context(), "/a", "x"); !errors.Is(err, client.ErrAway) || !errors.Is(err, errBroken) {
			t.Errorf("the receipt: %v", err)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("the connection lived on for %v", took)
		}
		<-c.Done()
		<-beating
	})
}

// Whose context has ended does not wait, but the server is told.
func TestUnsubscribeTellsTheServerWhateverItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, connected)
		c, p := dial(t, s, client.Config{Buffer: 1})
		defer hangUp(c)
		sub := subscribe(t, c, p, "/a", client.SubscribeConfig{}, nil)
		p.pause <- struct{}{} // and a full buffer does not keep it from that
		for range 2 {
			synctest.Wait()
			if err := c.Send(t.Context(), "/b", ""); err != nil {
				t.Fatal(err)
			}
		}
		if err := sub.Unsubscribe(gone()); !errors.Is(err, context.Canceled) {
			t.Errorf("Unsubscribe: %v", err)
		}
		<-p.pause
		p.want(frame.Send)
		p.want(frame.Send)
		if f := p.want(frame.Unsubscribe); f.Header.Get("id") != sub.ID() {
			t.Errorf("UNSUBSCRIBE %v", f.Header)
		}
	})
}

// SUBSCRIBE needs room as SEND does, and who gives up while it waits leaves
// nothing behind.
func TestSubscribeWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, connected)
		c, p := dial(t, s, client.Config{Buffer: 1})
		defer hangUp(c)
		p.pause <- struct{}{}
		if err := c.Send(t.Context(), "/a", "is being written"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := c.Send(t.Context(), "/a", "will be"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		made := func(d time.Duration) error {
			ctx, cancel := context.WithTimeout(t.Context(), d)
			defer cancel()
			_, err := c.Subscribe(ctx, "/b", client.SubscribeConfig{}, nil)
			return err
		}
		var results []<-chan error // one has the slot, the others wait for it
		for range 3 {
			results = append(results, in(func() error { return made(time.Minute) }))
		}
		for _, result := range results {
			if err := <-result; !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Subscribe without room: %v", err)
			}
		}
		<-p.pause
		p.want(frame.Send)
		p.want(frame.Send)
		synctest.Wait()
		p.quiet()
		subscribe(t, c, p, "/b", client.SubscribeConfig{}, nil)
	})
}

// With AckCumulative one ACK is one for all before, so it goes no further than
// all are done.
func TestCumulativeAckWaitsForWhatCameBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, connected)
		c, p := dial(t, s, client.Config{})
		defer hangUp(c)
		var held []*message.Completion
		sub := subscribe(t, c, p, "/a", client.SubscribeConfig{Ack: client.AckCumulative}, func(_ context.Context, m message.Raw) error {
			m.Done.Hold()
			held = append(held, m.Done)
			return nil
		})
		for _, id := range []string{"1", "2", "3", "4", "5"} {
			p.send(messageFrame(sub, id, ""))
		}
		synctest.Wait()
		finish := func(message int, err error, want ...string) {
			t.Helper()
			held[message-1].Release(err)
			synctest.Wait()
			for _, w := range want {
				command, id := frame.Command(w[:len(w)-2]), "ack-"+w[len(w)-1:]
				if f := p.want(command); f.Header.Get("id") != id {
					t.Errorf("%s %v, want %s", command, f.Header, id)
				}
			}
			p.quiet()
		}
		finish(3, nil)
		finish(2, nil)
		finish(1, nil, "ACK 3")
		finish(5, errBroken)
		finish(4, nil, "ACK 4", "NACK 5")
	})
}
