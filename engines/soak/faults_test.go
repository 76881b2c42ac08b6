package soak_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/engines/nats"
	"github.com/headrace/headrace/internal/chaos"
	"github.com/headrace/headrace/internal/ledger"
	"github.com/headrace/headrace/message"
)

// each runs a test on every engine, each with a proxy before it.
func each(t *testing.T, test func(t *testing.T, e engine, proxy *chaos.Proxy)) {
	for name, e := range engines {
		t.Run(name, func(t *testing.T) {
			if !strings.HasPrefix(t.Name(), "TestR25/") { // which counts goroutines
				t.Parallel()
			}
			_, addr := e.start(t)
			test(t, e, chaos.New(t, addr))
		})
	}
}

// patience is how long somebody waits for an engine that does not answer, and slack
// how much later he may be told.
const (
	patience = 200 * time.Millisecond
	slack    = 5 * time.Second
)

// unavailable calls the engine in vain: it is told so in time, by an error with a code.
func unavailable(t *testing.T, what string, call func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	began := time.Now()
	err := call(ctx)
	if e, ok := errors.AsType[*message.Error](err); !ok || e.Code != message.CodeUnavailable {
		t.Errorf("%s: %v, want an error with CodeUnavailable", what, err)
	}
	if took := time.Since(began); took > patience+slack {
		t.Errorf("%s took %v", what, took)
	}
}

func publish(b closer, to, text string) func(context.Context) error {
	return func(ctx context.Context) error {
		return b.Publish(ctx, to, broker.Envelope{ID: text, Origin: "test", Destination: to, Payload: []byte(text)})
	}
}

// listen counts what comes.
func listen(b closer, to string, came *atomic.Int64) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := b.Subscribe(ctx, to, "", func(context.Context, broker.Envelope) error {
			came.Add(1)
			return nil
		})
		return err
	}
}

// watch notes what an engine says of itself.
func watch(t *testing.T, b closer) *atomic.Bool {
	var is atomic.Bool
	t.Cleanup(b.Watch(is.Store))
	return &is
}

// must calls the engine, which is there.
func must(t *testing.T, call func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := call(ctx); err != nil {
		t.Fatal(err)
	}
}

// recovers waits until the engine is there again, and speaks through it.
func recovers(t *testing.T, b closer, available *atomic.Bool) {
	t.Helper()
	eventually(t, "Watch says that the engine is there", 20*time.Second, available.Load)
	var came atomic.Int64
	must(t, listen(b, "/topic/again", &came))
	must(t, publish(b, "/topic/again", "again"))
	eventually(t, "the message came", 20*time.Second, func() bool { return came.Load() > 0 })
}

func TestEngineIsDownAtTheStart(t *testing.T) {
	each(t, func(t *testing.T, e engine, proxy *chaos.Proxy) {
		proxy.Refuse()
		b := e.node(t, proxy.Addr())
		available := watch(t, b)
		if available.Load() {
			t.Error("Watch says that the engine is there")
		}
		unavailable(t, "Publish", publish(b, "/topic/a", "1"))
		unavailable(t, "Subscribe", listen(b, "/topic/a", new(atomic.Int64)))
		proxy.Heal()
		recovers(t, b, available)
	})
}

// A server that is none says things that make no sense, and then nothing.
func TestEngineAnswersGarbage(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	t.Cleanup(serving.Wait)
	t.Cleanup(func() { l.Close() })
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer conn.Close()
				conn.Write([]byte("\x00\xff\xfe-ERR $-5\r\n\x7f\xff\xff\xffINFO {{{\r\n"))
				conn.Read(make([]byte, 1))
			})
		}
	})
	each(t, func(t *testing.T, e engine, proxy *chaos.Proxy) {
		proxy.Redirect(l.Addr().String())
		b := e.node(t, proxy.Addr())
		available := watch(t, b)
		unavailable(t, "Publish", publish(b, "/topic/a", "1"))
		unavailable(t, "Subscribe", listen(b, "/topic/a", new(atomic.Int64)))
		if available.Load() {
			t.Error("Watch says that the engine is there")
		}
	})
}

// TestR25 has an engine answer late: whoever waits is told at his deadline, what waits is
// bounded, and all is well afterwards.
func TestR25(t *testing.T) {
	each(t, func(t *testing.T, e engine, proxy *chaos.Proxy) {
		b := e.node(t, proxy.Addr())
		available := watch(t, b)
		recovers(t, b, available)
		n := form(50, 2000)
		all := func(publishing func(text string)) {
			var calls sync.WaitGroup
			for i := range n {
				calls.Go(func() { publishing(fmt.Sprint("one of many ", i)) })
			}
			calls.Wait()
		}
		all(func(text string) { // pools of connections fill
			_ = publish(b, "/topic/again", text)(t.Context())
		})
		before := runtime.NumGoroutine()
		proxy.Delay(2 * time.Second)
		all(func(text string) { unavailable(t, "Publish", publish(b, "/topic/again", text)) })
		if more := runtime.NumGoroutine() - before; more > 2*min(n, 1024)+100 {
			t.Errorf("%d goroutines more than before", more)
		}
		proxy.Heal()
		eventually(t, "the goroutines are gone", 30*time.Second, func() bool { return runtime.NumGoroutine() <= before+10 })
		recovers(t, b, available)
	})
}

// cuts are the ways in which an engine is lost.
var cuts = map[string]func(*chaos.Proxy){
	"broken": func(p *chaos.Proxy) { p.Refuse(); p.Reset() },
	"silent": (*chaos.Proxy).Pause,
}

// TestR08 cuts a node off from the engine, in good time or without a word. It is told of
// what it cannot publish; what it could is not lost, and what others said meanwhile comes
// to it afterwards, all in order, where the engine stores it.
func TestR08(t *testing.T) {
	for how, cut := range cuts {
		t.Run(how, func(t *testing.T) {
			each(t, func(t *testing.T, e engine, proxy *chaos.Proxy) {
				ways := chaos.New(t, proxy.Addr())
				here, there := e.node(t, ways.Addr()), e.node(t, proxy.Addr())
				partition(t, here, there, ways, func() { cut(ways) })
			})
		})
	}
}

func partition(t *testing.T, here, there closer, proxy *chaos.Proxy, cut func()) {
	var said ledger.Ledger
	for name, b := range map[string]closer{"here": here, "there": there} {
		must(t, func(ctx context.Context) error {
			_, err := b.Subscribe(ctx, topic, "", func(_ context.Context, e broker.Envelope) error {
				said.Delivered(name, idOf(t, e))
				return nil
			})
			return err
		})
	}
	var refused atomic.Int64
	say := func(p int, b closer, n int) {
		id := ledger.ID{Publisher: p, Number: n}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		err := publish(b, topic, fmt.Sprintf("%d-%d", p, n))(ctx)
		if e, ok := errors.AsType[*message.Error](err); err != nil && (!ok || e.Code != message.CodeUnavailable) {
			t.Errorf("publish: %v", err)
		}
		if err != nil {
			refused.Add(1)
		}
		said.Published(id, err)
	}
	n, each := 0, form(20, 2000)
	both := func() {
		for range each {
			say(0, here, n)
			say(1, there, n)
			n++
		}
	}
	both()
	cut()
	for ends := time.Now().Add(form(time.Second, 20*time.Second)); time.Now().Before(ends) || refused.Load() == 0; n++ {
		say(0, here, n)
		say(1, there, n)
	}
	proxy.Heal()
	recovers(t, here, watch(t, here))
	both()
	if here.Features().Durable {
		eventually(t, "all came", 20*time.Second, func() bool { return said.Complete("here", "there") })
	} else {
		eventually(t, "what the other side said came there", 20*time.Second, func() bool { return said.Complete("there") })
	}
	v := said.Check("there")
	if here.Features().Durable {
		v = said.Check("here", "there")
	}
	t.Logf("%v, %d refused", v, refused.Load())
	if n, ok := here.(*nats.Backplane); ok && n.Stats().Duplicates > 0 {
		t.Errorf("the engine delivered %d again", n.Stats().Duplicates)
	}
	if v.Lost > 0 || v.Ghosts > 0 || v.Doubled > 0 || v.Reordered > 0 {
		t.Error(v)
	}
}
