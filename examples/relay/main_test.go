package main

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/headrace/headrace/internal/proc"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/client"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// person is a client, and what came to him.
type person struct {
	t *testing.T
	c *client.Client
}

func enter(t *testing.T, server *httptest.Server, name string) *person {
	t.Helper()
	c, err := dial(t, server, name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = c.Close(ctx) // its session may be over
	})
	return &person{t, c}
}

func dial(t *testing.T, server *httptest.Server, name string) (*client.Client, error) {
	return client.Dial(t.Context(), client.Config{URL: "ws" + strings.TrimPrefix(server.URL, "http") + "/ws?as=" + name})
}

// hear subscribes and returns where what comes goes to. Where it is acknowledged, it is
// when the test has taken it.
func hear[T any](p *person, destination string, ack client.AckMode) <-chan T {
	p.t.Helper()
	heard := make(chan T)
	_, err := p.c.Subscribe(p.t.Context(), destination, client.SubscribeConfig{Ack: ack}, func(ctx context.Context, m message.Raw) error {
		var v T
		if err := json.Unmarshal(m.Payload, &v); err != nil {
			return err
		}
		select {
		case heard <- v:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return heard
}

func next[T comparable](t *testing.T, from <-chan T, want func(T) bool) {
	t.Helper()
	deadline := time.After(60 * time.Second)
	for {
		select {
		case v := <-from:
			if want(v) {
				return
			}
		case <-deadline:
			t.Fatal("it never came")
		}
	}
}

func (p *person) send(to string, payload any) {
	p.t.Helper()
	if err := p.c.SendReceipt(p.t.Context(), to, payload); err != nil {
		p.t.Fatal(err)
	}
}

// TestRabbitMQGoesAndComes: RabbitMQ is killed, as kill -9 does, and started again. It is
// told that it is away and back; who is connected stays connected, what clients send waits
// for it, and a job that was not done comes again. Meanwhile nobody is let in, and the
// application is refused at once.
func TestRabbitMQGoesAndComes(t *testing.T) {
	rabbit := proc.StartRabbitMQ(t)
	s := newSite(rabbit.STOMP)
	t.Cleanup(s.close)
	server := httptest.NewServer(s.routes())
	t.Cleanup(server.Close)
	eventually(t, "RabbitMQ is there", func() bool { return s.status().Available })

	ann, bob, carl := enter(t, server, "ann"), enter(t, server, "bob"), enter(t, server, "carl")
	events := hear[Happening](ann, "/local/events", "")
	told, answer := hear[Line](bob, "/user/queue/told", ""), hear[Line](ann, "/user/queue/told", "")
	jobs := hear[int](carl, "/queue/jobs", client.AckIndividual)
	is := func(text string) func(Line) bool { return func(l Line) bool { return l == Line{"ann", "bob", text} } }

	ann.send("/app/tell/bob", Words{"before"})
	next(t, told, is("before"))
	next(t, answer, is("before"))
	for job := range 3 {
		ann.send("/queue/jobs", job)
	}
	next(t, jobs, func(job int) bool { return job == 0 })
	rabbit.Control("eval", "mnesia:dump_log().") // a queue that is younger than some seconds may be forgotten

	rabbit.Kill()
	next(t, events, func(h Happening) bool { return !h.Available })
	waits := make(chan error, 1)
	go func() { waits <- ann.c.SendReceipt(t.Context(), "/queue/jobs", 3) }()
	_, err := dial(t, server, "dora")
	if refused, ok := errors.AsType[*client.ServerError](err); !ok || !strings.Contains(refused.Error(), "the message broker is not available") {
		t.Errorf("dora enters while RabbitMQ is away: %v", err)
	}
	if err := s.node.Template.Send(t.Context(), "/topic/beats", 0); message.Public(err) == nil || message.Public(err).Code != message.CodeUnavailable {
		t.Errorf("the application sends while RabbitMQ is away: %v", err)
	}
	select {
	case err := <-waits:
		t.Errorf("ann is told %v before RabbitMQ is there", err)
	default:
	}

	rabbit.Launch()
	next(t, events, func(h Happening) bool { return h.Available })
	if err := <-waits; err != nil {
		t.Error("what waited:", err)
	}
	came := map[int]int{} // the first may come again: its acknowledgement may be lost
	next(t, jobs, func(job int) bool {
		came[job]++
		return came[1] == 2 && came[2] == 2 && came[3] == 1 // two that carl had, and were not done
	})
	for _, p := range []*person{ann, bob} { // what comes behind it was subscribed before
		p.send("/topic/say", "here")
	}
	ann.send("/app/tell/bob", Words{"after"})
	next(t, told, is("after"))
	next(t, answer, is("after"))
	if total := s.stomp.Stats().Transport.Total; total != 4 { // dora's too
		t.Errorf("%d connections were made to the node, want 4: nobody loses his", total)
	}
}

// eventually waits for something.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	deadline, tick := time.After(60*time.Second), time.NewTicker(10*time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("never happened: " + what)
		}
	}
}

// TestNoRabbitMQ: who has none is told how to start one.
func TestNoRabbitMQ(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	err = run(t.Context(), "127.0.0.1:0", addr)
	for _, want := range []string{addr, "docker run", "apt-get install rabbitmq-server", "-rabbitmq HOST:PORT"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\ndoes not say %s", err, want)
		}
	}
}
