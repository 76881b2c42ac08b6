package headrace

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
)

// probe asks a handler for Health and returns the status with it.
func probe(t *testing.T, h http.Handler) (int, Health) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	var got Health
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatalf("%v in %s", err, w.Body)
	}
	if w.Header().Get("Content-Type") != "application/json" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("header %v", w.Header())
	}
	return w.Code, got
}

// wantHealth checks what both probes and Health say.
func wantHealth(t *testing.T, n *Node, live bool, reasons ...string) {
	t.Helper()
	if h := n.Health(); h.Live != live || h.Ready != (len(reasons) == 0) || !slices.Equal(h.Reasons, reasons) {
		t.Errorf("Health() = %+v, want live %v, not ready for %q", h, live, reasons)
	}
	status := map[bool]int{true: 200, false: 503}
	if code, h := probe(t, n.Livez()); code != status[live] || h.Live != live {
		t.Errorf("Livez: %d %+v", code, h)
	}
	if code, h := probe(t, n.Readyz()); code != status[len(reasons) == 0] || h.Ready != (len(reasons) == 0) {
		t.Errorf("Readyz: %d %+v", code, h)
	}
}

// quiet is a node that logs nothing and serves nobody; stop ends it, and waits.
func serveQuietly(c Config) (n *Node, end func(), served chan error) {
	c.Logger = slog.New(slog.DiscardHandler)
	n, served = New(c), make(chan error, 1)
	p := &pipe{conns: make(chan net.Conn)}
	p.done, p.stop = context.WithCancel(context.Background())
	ctx, end := context.WithCancel(context.Background())
	server := &http.Server{}
	go func() {
		err := n.serve(ctx, p, server, nil)
		n.abandon(server, nil)
		served <- err
	}()
	synctest.Wait()
	return n, end, served
}

// TestHealthOfALife: ready from when Serve listens until it is to end, live until all is
// over.
func TestHealthOfALife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fresh := New(Config{})
		wantHealth(t, fresh, true, "starting")
		fresh.Close()
		wantHealth(t, fresh, false, "closed")

		n, end, served := serveQuietly(Config{})
		wantHealth(t, n, true)
		end()
		synctest.Wait()
		wantHealth(t, n, true, "draining")
		if err := <-served; err != nil {
			t.Error(err)
		}
		wantHealth(t, n, false, "closed")
	})
}

// TestReadinessGoesFirst: while load balancers notice that the node is not ready, it
// goes on as before.
func TestReadinessGoesFirst(t *testing.T) {
	for name, c := range map[string]struct {
		config Config
		probed bool
		want   time.Duration
	}{
		"nobody asks":    {want: 0},
		"probes":         {probed: true, want: 5 * time.Second},
		"said":           {config: Config{DrainDelay: 2 * time.Second}, want: 2 * time.Second},
		"off":            {config: Config{DrainDelay: -1}, probed: true, want: 0},
		"all there is":   {config: Config{DrainDelay: time.Hour, DrainTimeout: 7 * time.Second}, want: 7 * time.Second},
		"longer as said": {config: Config{DrainDelay: time.Minute, DrainTimeout: time.Hour}, want: time.Minute},
	} {
		synctest.Test(t, func(t *testing.T) {
			n, end, served := serveQuietly(c.config)
			handler.Handle(n.Router, "/echo", func(_ context.Context, s string) (string, error) { return s, nil })
			if c.probed {
				probe(t, n.Readyz())
			}
			began := time.Now()
			end()
			synctest.Wait()
			if c.want > 0 {
				time.Sleep(c.want - time.Millisecond)
				if h := n.Health(); h.Ready || !h.Live {
					t.Errorf("%s: %+v", name, h)
				}
				if err := n.Inbound.Handle(t.Context(), message.Raw{Destination: "/app/echo"}); err != nil {
					t.Errorf("%s: what comes meanwhile: %v", name, err)
				}
			}
			if err := <-served; err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if got := time.Since(began); got != c.want {
				t.Errorf("%s: ended after %v, want %v", name, got, c.want)
			}
		})
	}
}

// mute is a broker of Config.Relays that only says whether it is there.
type mute struct {
	broker.Broker
	events message.Handler[broker.Event]
}

func (m *mute) Close() {}

func (m *mute) relay(prefix string) Relay {
	return Relay{Prefixes: []string{prefix}, New: func(_ message.RawHandler, events message.Handler[broker.Event]) broker.Broker {
		m.events = events
		return m
	}}
}

func (m *mute) tell(t *testing.T, k broker.EventKind) {
	_ = m.events.Handle(t.Context(), message.Message[broker.Event]{Payload: broker.Event{Kind: k}}) // nobody listens
}

// TestHealthOfBrokers: a node is ready when all brokers have said that they are there, and
// none that it is not any more; each speaks for itself.
func TestHealthOfBrokers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a, b mute
		n, end, served := serveQuietly(Config{Relays: []Relay{a.relay("/a"), b.relay("/b")}})
		for _, step := range []struct {
			who   *mute
			tells broker.EventKind
			ready bool
		}{
			{&a, broker.Unavailable, false},
			{&b, broker.Available, false}, // a is not
			{&b, broker.Available, false},
			{&a, broker.Available, true},
			{&a, broker.Unavailable, false},
			{&b, broker.Unavailable, false},
			{&a, broker.Available, false},
			{&b, broker.Available, true},
		} {
			step.who.tell(t, step.tells)
			var reasons []string
			if !step.ready {
				reasons = []string{"broker unavailable"}
			}
			wantHealth(t, n, true, reasons...)
		}
		end()
		<-served
	})
}

// TestHealthOfBlockedHandlers: a node whose workers are all blocked is not ready after
// 10 s of it, and ready again when they are not.
func TestHealthOfBlockedHandlers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, end, served := serveQuietly(Config{})
		hang := make(chan struct{})
		handler.Consume(n.Router, "/hang", func(context.Context, struct{}) error { <-hang; return nil })
		send := func() {
			s := message.NewSession(nil, message.SessionInfo{})
			if err := n.Inbound.Handle(t.Context(), message.Raw{Destination: "/app/hang", Session: s}); err != nil {
				t.Fatal(err)
			}
		}
		for range 1000 {
			send()
		}
		for range 30 { // many hang, and there are workers for others
			wantHealth(t, n, true)
			time.Sleep(time.Second)
		}
		for range 100 {
			send()
		}
		time.Sleep(time.Second)
		wantHealth(t, n, true)
		time.Sleep(10*time.Second - 1)
		wantHealth(t, n, true)
		time.Sleep(time.Nanosecond)
		wantHealth(t, n, true, "inbound blocked")
		hang <- struct{}{}
		synctest.Wait()
		wantHealth(t, n, true)
		time.Sleep(10 * time.Second)
		wantHealth(t, n, true, "inbound blocked")
		close(hang)
		synctest.Wait()
		wantHealth(t, n, true)
		end()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
}

// TestProbesAreGET: and nothing else, and HEAD has no body but the status.
func TestProbesAreGET(t *testing.T) {
	n := New(Config{})
	defer n.Close()
	s := httptest.NewServer(n.Readyz())
	defer s.Close()
	resp, err := http.Head(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 503 {
		t.Errorf("HEAD: %s", resp.Status)
	}
	if resp, err = http.Post(s.URL, "text/plain", strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 405 || resp.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %s %v", resp.Status, resp.Header)
	}
	if n.life.probed.Load() {
		return
	}
	t.Error("HEAD is no probe")
}
