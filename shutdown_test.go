package headrace_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/messagetest"
)

// hanging is an engine that stops to answer: subscriptions of groups take 3 s to end then.
type hanging struct {
	broker.Backplane
	hangs atomic.Bool
}

func (h *hanging) Publish(ctx context.Context, topic string, e broker.Envelope) error {
	if h.hangs.Load() {
		<-ctx.Done()
		return ctx.Err()
	}
	return h.Backplane.Publish(ctx, topic, e)
}

func (h *hanging) Subscribe(ctx context.Context, topic, group string, receive func(context.Context, broker.Envelope) error) (func(), error) {
	stop, err := h.Backplane.Subscribe(ctx, topic, group, receive)
	return func() {
		stop()
		if h.hangs.Load() && group != "" {
			time.Sleep(3 * time.Second)
		}
	}, err
}

// busyNode is one of the engine with five jobs that a client has not acknowledged.
func busyNode(t *testing.T, config headrace.Config) *headrace.Node {
	config.Logger = slog.New(slog.DiscardHandler)
	config.Rules = []broker.Rule{{Prefix: "/queue", Mode: broker.Queue}}
	n := headrace.New(config)
	c := messagetest.Connect(t, n)
	c.Subscribe("/queue/a", message.Field{Name: message.HeaderAckMode, Value: "client-individual"})
	for range 5 {
		c.Send("/queue/a", "x")
	}
	for range 5 {
		c.Next(t)
	}
	return n
}

// wantLate wants an error of a deadline that says what was left.
func wantLate(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "5 messages of queues not given back") {
		t.Errorf("the error is %v", err)
	}
}

// timed is a relay that notes how long it has to shut down.
type timed struct {
	beside
	left   time.Duration
	closed atomic.Int64
}

func (b *timed) Shutdown(ctx context.Context) error {
	end, _ := ctx.Deadline()
	b.left = time.Until(end)
	<-ctx.Done()
	return ctx.Err()
}

func (b *timed) Close() {
	b.closed.Add(1)
	time.Sleep(5 * time.Second)
	b.Memory.Close()
}

// A node whose engine, or whose relay, hangs is shut down in time all the same. Each has all
// the time that there is. Close waits for what is left.
func TestShutdownWhileTheEngineHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine, relay := &hanging{Backplane: messagetest.NewBackplane()}, new(timed)
		n := busyNode(t, headrace.Config{Backplane: engine, Relays: []headrace.Relay{{
			Prefixes: []string{"/relay"},
			New: func(outbound message.RawHandler, events message.Handler[broker.Event]) broker.Broker {
				relay.Memory = broker.NewMemory(outbound, broker.Config{Events: events})
				return relay
			},
		}}})
		engine.hangs.Store(true)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		err := n.Shutdown(ctx)
		if took := time.Since(began); took != time.Second {
			t.Errorf("it took %v", took)
		}
		wantLate(t, err)
		if relay.left != time.Second {
			t.Errorf("the relay had %v", relay.left)
		}
		synctest.Wait()
		if relay.closed.Load() == 0 {
			t.Error("the relay is not closed")
		}
		n.Close()
	})
}

// Nor does Serve take more than its time, and Close waits for what is left.
func TestServeWhileTheEngineHangs(t *testing.T) {
	engine := &hanging{Backplane: messagetest.NewBackplane()}
	n := busyNode(t, headrace.Config{Backplane: engine, DrainTimeout: time.Second})
	ctx, end := context.WithCancel(t.Context())
	listening, served := make(chan struct{}), make(chan error, 1)
	server := &http.Server{Addr: "127.0.0.1:0", BaseContext: func(net.Listener) context.Context {
		close(listening)
		return context.Background()
	}}
	go func() { served <- n.Serve(ctx, server) }()
	<-listening
	engine.hangs.Store(true)
	began := time.Now()
	end()
	err := receive(t, "the end of Serve", served)
	if took := time.Since(began); took < 900*time.Millisecond || took > 8*time.Second {
		t.Errorf("it took %v", took)
	}
	wantLate(t, err)
	n.Close()
}

// bare is an engine that does not deliver again what a node has taken.
type bare struct{ broker.Backplane }

func (b bare) Subscribe(ctx context.Context, topic, group string, receive func(context.Context, broker.Envelope) error) (func(), error) {
	return b.Backplane.Subscribe(ctx, topic, group, func(ctx context.Context, e broker.Envelope) error {
		e.Done = nil
		return receive(ctx, e)
	})
}

// Where a handler hangs until the end, there is still time to give jobs to other nodes.
func TestShutdownSparesTimeForTheEngine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := bare{messagetest.NewBackplane()}
		a := busyNode(t, headrace.Config{Backplane: engine})
		b := headrace.New(headrace.Config{Backplane: engine, Rules: []broker.Rule{{Prefix: "/queue", Mode: broker.Queue}}})
		defer b.Close()
		hang := make(chan struct{})
		handler.Consume(a.Router, "/hang", func(context.Context, string) error { <-hang; return nil })
		if err := a.Handle(t.Context(), message.Raw{Destination: "/app/hang", Payload: []byte("x")}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		began := time.Now()
		err := a.Shutdown(ctx)
		if took := time.Since(began); took != 9*time.Second {
			t.Errorf("it took %v", took)
		}
		if err == nil || !strings.Contains(err.Error(), "/app/hang") || strings.Contains(err.Error(), "given back") {
			t.Errorf("the error is %v", err)
		}
		c := messagetest.Connect(t, b)
		c.Subscribe("/queue/a")
		for range 5 {
			c.Next(t)
		}
		close(hang)
		a.Close()
	})
}
