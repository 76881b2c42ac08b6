package headrace

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/stompadapter"
)

// pipe is a listener of one connection that needs no network, so that it can be
// used within a synctest bubble.
type pipe struct {
	conns chan net.Conn
	done  context.Context
	stop  context.CancelFunc
}

func (p *pipe) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done.Done():
		return nil, net.ErrClosed
	}
}

func (p *pipe) Close() error   { p.stop(); return nil }
func (p *pipe) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func (p *pipe) dial(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	p.conns <- theirs
	return ours, nil
}

// A handler that never ends by itself holds the drain up for its 25 s; then its
// context ends, and Serve tells of it.
func TestDrainGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		node := New(Config{})
		var cut error
		handler.Consume(node.Router, "/stuck", func(ctx context.Context, _ struct{}) error {
			<-ctx.Done()
			cut = ctx.Err()
			return nil
		})
		stomp := stompadapter.New(node.Inbound, stompadapter.Config{
			Logger:    slog.New(slog.DiscardHandler),
			Heartbeat: stompadapter.HeartbeatConfig{Receive: -1},
		})
		p := &pipe{conns: make(chan net.Conn)}
		p.done, p.stop = context.WithCancel(context.Background())
		ctx, end := context.WithCancel(context.Background())
		served := make(chan error, 1)
		go func() { served <- node.serve(ctx, p, &http.Server{Handler: stomp.WebSocket()}, []Adapter{stomp}) }()

		ws, _, err := (&websocket.Dialer{NetDialContext: p.dial}).Dial("ws://pipe/", nil)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for err := error(nil); err == nil; {
				_, _, err = ws.ReadMessage()
			}
			ws.Close()
		}()
		ws.WriteMessage(websocket.TextMessage, []byte("CONNECT\naccept-version:1.2\nhost:h\n\n\x00SEND\ndestination:/app/stuck\n\n\x00"))
		synctest.Wait()

		began := time.Now()
		end()
		err = <-served
		if took := time.Since(began); took != 25*time.Second {
			t.Errorf("the drain took %v, want 25 s", took)
		}
		if err == nil || !strings.Contains(err.Error(), "1 connections still open") || !strings.Contains(err.Error(), "1 messages not handled yet, workers are busy with /app/stuck") {
			t.Errorf("error %v", err)
		}
		node.abandon(&http.Server{}, []Adapter{stomp})
		if cut == nil {
			t.Error("the handler still runs, or its context did not end")
		}
		if st := node.Stats(); st.Broker.Sessions != 0 || st.Users.Sessions != 0 {
			t.Errorf("the end of the session was not told: %+v", st)
		}
	})
}
