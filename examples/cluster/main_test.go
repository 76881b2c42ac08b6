package main

import (
	"context"
	"encoding/json"
	"net"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/headrace/headrace/examples/internal/embedded"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/client"
)

// TestMain is the program itself where that starts nodes, or is started by a test.
func TestMain(m *testing.M) {
	if slices.Contains(os.Args, "-node") || slices.Contains(os.Args, "-nodes") {
		main()
		return
	}
	goleak.VerifyTestMain(m)
}

func program(t *testing.T) string {
	t.Helper()
	file, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// started starts nodes, which end with the test.
func started(t *testing.T, nodes int) *cluster {
	t.Helper()
	engine, stop, err := embedded.NATS()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	c := newCluster(program(t), engine, nodes)
	t.Cleanup(c.close)
	if err := c.startAll(); err != nil {
		t.Fatal(err)
	}
	return c
}

// person is a client, and what he was shown.
type person struct {
	t    *testing.T
	c    *client.Client
	told chan Line // to him
	said chan Line // to all

	mu     sync.Mutex
	where  []string // the nodes that he was at
	online []Online // what the last one knew
}

// enter connects somebody to a node, or to the front.
func enter(t *testing.T, addr, name string) *person {
	t.Helper()
	c, err := client.Dial(t.Context(), client.Config{
		URL:       "ws://" + addr + "/ws?as=" + name,
		Reconnect: client.ReconnectConfig{MaxDelay: 500 * time.Millisecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	p := &person{t: t, c: c, told: make(chan Line, 100), said: make(chan Line, 100)}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = c.Close(ctx) // its node may be dead
	})
	subscribe(p, "/app/where", func(w Where) { p.where = append(p.where, w.Node) })
	subscribe(p, "/topic/online", func(all []Online) { p.online = all })
	subscribe(p, "/topic/say", func(l Line) { p.said <- l })
	subscribe(p, "/user/queue/told", func(l Line) { p.told <- l })
	return p
}

func subscribe[T any](p *person, destination string, show func(T)) {
	p.t.Helper()
	_, err := p.c.Subscribe(p.t.Context(), destination, client.SubscribeConfig{}, func(_ context.Context, m message.Raw) error {
		var v T
		err := json.Unmarshal(m.Payload, &v)
		p.mu.Lock()
		defer p.mu.Unlock()
		show(v)
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *person) send(to, text string) {
	p.t.Helper()
	if err := p.c.SendReceipt(p.t.Context(), to, Words{Text: text}); err != nil {
		p.t.Fatal(err)
	}
}

// at returns the node that he is at.
func (p *person) at() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.where) == 0 {
		return ""
	}
	return p.where[len(p.where)-1]
}

// sees waits until his node knows exactly these, each as user@node.
func (p *person) sees(within time.Duration, want ...string) {
	p.t.Helper()
	var last string
	eventually(p.t, within, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		got := []string{}
		for _, o := range p.online {
			got = append(got, o.User+"@"+o.Node)
		}
		slices.Sort(got)
		last = strings.Join(got, " ")
		return slices.Equal(got, want)
	}, func() string { return strings.Join(want, " ") + ", but " + last })
}

func hears(t *testing.T, from <-chan Line, text string) Line {
	t.Helper()
	select {
	case l := <-from:
		if l.Text != text {
			t.Fatalf("heard %+v, want %q", l, text)
		}
		return l
	case <-time.After(10 * time.Second):
		t.Fatalf("not heard: %q", text)
	}
	return Line{}
}

func eventually(t *testing.T, within time.Duration, is func() bool, what func() string) {
	t.Helper()
	deadline, tick := time.After(within), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not within %v: %s", within, what())
		}
	}
}

// TestNodesAreOne: what is said at one node is heard at all, a user is told something
// wherever he is, and every node knows who is where. One node is killed, as kill -9 does:
// the others go on, who was there comes back at one of them, and soon, which is after
// 35 s at most where the machine is not busy, nobody is known to be where nothing is any more.
func TestNodesAreOne(t *testing.T) {
	c := started(t, 3)
	front := httptest.NewServer(c.routes())
	t.Cleanup(front.Close)
	nodes := c.all()
	ann, bob := enter(t, nodes[0].Addr, "ann"), enter(t, nodes[1].Addr, "bob")
	cem := enter(t, strings.TrimPrefix(front.URL, "http://"), "cem")
	for cem.at() != "node-3" { // the front leads to one node after the other
		eventually(t, 10*time.Second, func() bool { return cem.at() != "" }, func() string { return "cem is somewhere" })
		if cem.at() != "node-3" {
			closing, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			if err := cem.c.Close(closing); err != nil {
				t.Fatal(err)
			}
			cancel()
			cem = enter(t, strings.TrimPrefix(front.URL, "http://"), "cem")
		}
	}
	for _, p := range []*person{ann, bob, cem} {
		p.sees(10*time.Second, "ann@node-1", "bob@node-2", "cem@node-3")
	}
	ann.send("/app/say", "to all")
	for _, p := range []*person{ann, bob, cem} {
		if l := hears(t, p.said, "to all"); l.From != "ann" || l.Node != "node-1" {
			t.Errorf("%+v", l)
		}
	}
	bob.send("/app/tell/cem", "to one")
	for _, p := range []*person{bob, cem} { // the answer, and the message
		hears(t, p.told, "to one")
	}
	bob.send("/app/tell/dia", "to nobody")
	if l := hears(t, bob.told, "to nobody"); !l.Away {
		t.Errorf("dia is somewhere: %+v", l)
	}

	killed := time.Now()
	c.kill("node-3")
	bob.send("/app/say", "they go on")
	for _, p := range []*person{ann, bob} {
		hears(t, p.said, "they go on")
	}
	eventually(t, 20*time.Second, func() bool { return cem.at() != "node-3" }, func() string { return "cem is elsewhere" })
	ann.send("/app/tell/cem", "wherever you are")
	hears(t, cem.told, "wherever you are")
	if err := c.start("node-3"); err != nil { // at once, as another process
		t.Fatal(err)
	}
	dia := enter(t, c.all()[2].Addr, "dia")
	for _, p := range []*person{ann, bob, cem, dia} {
		p.sees(time.Minute-time.Since(killed), "ann@node-1", "bob@node-2", "cem@"+cem.at(), "dia@node-3")
	}
	for _, p := range []*person{ann, bob, cem} {
		select {
		case l := <-p.told:
			if p != ann { // who was told what he said
				t.Errorf("told once too often: %+v", l)
			}
		default:
		}
	}
}

// TestFrontIsKilled: the nodes end with the front, also when that cannot tell them.
func TestFrontIsKilled(t *testing.T) {
	front, err := launch(program(t), "-nodes", "2", "-http", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var addrs []string
	for range 2 {
		line, err := front.output.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		_, addr, _ := strings.Cut(strings.TrimSpace(line), "ws://")
		addrs = append(addrs, strings.TrimSuffix(addr, "/ws"))
	}
	_ = front.cmd.Process.Kill()
	front.wait()
	for _, addr := range addrs {
		eventually(t, 20*time.Second, func() bool {
			conn, err := net.Dial("tcp", addr)
			if err == nil {
				conn.Close()
			}
			return err != nil
		}, func() string { return "nobody listens at " + addr })
	}
}
