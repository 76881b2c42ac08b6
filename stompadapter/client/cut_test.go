package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/client"
)

// pipes is a listener whose connections work within a synctest bubble.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func (p *pipes) dial(context.Context) (net.Conn, error) {
	ours, theirs := net.Pipe()
	p.conns <- theirs
	return ours, nil
}

// frail is a connection that breaks after as many octets, in either direction,
// wherever in a frame that is.
type frail struct {
	net.Conn
	mu   sync.Mutex
	left int
}

func (f *frail) take(n int) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n = min(n, f.left)
	f.left -= n
	return n
}

func (f *frail) broken(n, of int, err error) (int, error) {
	if n < of && err == nil {
		f.Close()
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (f *frail) Read(p []byte) (int, error) {
	n, err := f.Conn.Read(p)
	return f.broken(f.take(n), n, err)
}

func (f *frail) Write(p []byte) (int, error) {
	n, err := f.Conn.Write(p[:f.take(len(p))])
	return f.broken(n, len(p), err)
}

// cutSite is a broker and clients whose connections break at random.
type cutSite struct {
	t      *testing.T
	pipes  *pipes
	random *rand.Rand
	stop   func()
}

func newCutSite(t *testing.T, rules ...broker.Rule) *cutSite {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	s := &cutSite{t: t, random: rand.New(rand.NewPCG(seed, 0)), pipes: &pipes{conns: make(chan net.Conn), done: make(chan struct{})}}
	adapter, stop := newSite(rules...)
	served := make(chan struct{})
	go func() { defer close(served); adapter.ServeTCP(s.pipes) }()
	s.stop = func() {
		stop()
		<-served
	}
	return s
}

// dial connects a client. With most, its connections break after at most as many
// octets.
func (s *cutSite) dial(most int) (c *client.Client, connections *int) {
	connections = new(int)
	config := client.Config{
		URL:       "tcp://mill",
		Dial:      s.pipes.dial,
		Reconnect: client.ReconnectConfig{MinDelay: time.Millisecond, MaxDelay: 20 * time.Millisecond},
		Logger:    slog.New(slog.DiscardHandler),
	}
	if most > 0 {
		config.Dial = func(ctx context.Context) (net.Conn, error) {
			conn, err := s.pipes.dial(ctx)
			*connections++ // one at a time
			return &frail{Conn: conn, left: 1000 + s.random.IntN(most)}, err
		}
	}
	c, err := client.Dial(s.t.Context(), config)
	if err != nil {
		s.t.Fatal(err)
	}
	return c, connections
}

// publish sends numbers, one a millisecond.
func (s *cutSite) publish(destination string, n int) {
	c, _ := s.dial(0)
	defer hangUp(c)
	for i := range n {
		if err := c.SendReceipt(s.t.Context(), destination, fmt.Sprint(i)); err != nil {
			s.t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
}

// A subscription that resumes gets each message once and in order, wherever its
// connections break, and with acknowledgements handles each once.
func TestResumeLosesNothing(t *testing.T) {
	const n = 2_000
	for _, ack := range []client.AckMode{client.AckAuto, client.AckIndividual, client.AckCumulative} {
		t.Run(string(ack), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newCutSite(t, broker.Rule{Prefix: "/topic", History: broker.History{Messages: n}})
				defer s.stop()
				c, connections := s.dial(20_000)
				defer hangUp(c)
				var got []string
				config := client.SubscribeConfig{Ack: ack, Resume: true, Pending: 8, Missed: func() { t.Error("messages are missing") }}
				_, err := c.Subscribe(t.Context(), "/topic/numbers", config, func(_ context.Context, m message.Raw) error {
					if len(got)%100 == 0 {
						time.Sleep(50 * time.Millisecond)
					}
					got = append(got, string(m.Payload))
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				s.publish("/topic/numbers", n)
				time.Sleep(time.Minute)
				synctest.Wait()
				for i, text := range got {
					if text != fmt.Sprint(i) {
						t.Fatalf("message %d is %s", i, text)
					}
				}
				if len(got) != n || *connections < 10 {
					t.Errorf("got %d of %d messages over %d connections", len(got), n, *connections)
				}
			})
		})
	}
}

// Whatever a client left unsettled comes again, to it or to another one, from a
// queue as from a history: what is refused at first is handled in the end, and
// nothing gets stuck.
func TestNothingUnsettledIsLost(t *testing.T) {
	const n, consumers = 1_000, 3
	for destination, each := range map[string]int{"/queue/numbers": 1, "/topic/numbers": consumers} {
		for _, ack := range []client.AckMode{client.AckIndividual, client.AckCumulative} {
			t.Run(destination+" "+string(ack), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					acks := broker.Acks{MaxDeliveries: -1, Backoff: 20 * time.Millisecond, MaxBackoff: time.Second}
					s := newCutSite(t,
						broker.Rule{Prefix: "/queue", Mode: broker.Queue, Acks: acks},
						broker.Rule{Prefix: "/topic", History: broker.History{Messages: n}, Acks: acks})
					defer s.stop()
					handled := make([]map[string]int, consumers)
					for i := range consumers {
						c, _ := s.dial(40_000)
						defer hangUp(c)
						handled[i] = make(map[string]int)
						refused := 0
						config := client.SubscribeConfig{Ack: ack, Resume: true, Pending: 8}
						_, err := c.Subscribe(t.Context(), destination, config, func(_ context.Context, m message.Raw) error {
							if refused++; refused%17 == 0 {
								return errors.New("not yet")
							}
							handled[i][string(m.Payload)]++
							return nil
						})
						if err != nil {
							t.Fatal(err)
						}
					}
					s.publish(destination, n)
					time.Sleep(10 * time.Minute)
					synctest.Wait()
					all := map[string]int{}
					for i, numbers := range handled {
						for text, times := range numbers {
							if all[text]++; times > 1 && each > 1 {
								t.Errorf("client %d handled %s %d times", i, text, times)
							}
						}
					}
					for i := range n {
						if clients := all[fmt.Sprint(i)]; clients < each {
							t.Errorf("%d clients handled %d", clients, i)
						}
					}
				})
			})
		}
	}
}
