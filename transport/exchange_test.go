package transport_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/transport"
)

// exchangeSite serves the dialect of lines within a bubble. What inbound gets
// is noted; KindConnect is answered unless the test handles it.
type exchangeSite struct {
	*transport.Server
	t        *testing.T
	exchange *transport.Exchange
	on       func(ctx context.Context, m message.Raw) error
	log      lockedBuffer
	ln       *pipes
	served   sync.WaitGroup

	mu   sync.Mutex
	seen []message.Raw
}

func exchangeIn(t *testing.T, c transport.ExchangeConfig, on func(ctx context.Context, m message.Raw) error) *exchangeSite {
	return exchangeOn(t, transport.Config{}, transport.StreamConfig{}, c, on)
}

func exchangeOn(t *testing.T, server transport.Config, stream transport.StreamConfig, c transport.ExchangeConfig, on func(ctx context.Context, m message.Raw) error) *exchangeSite {
	s := &exchangeSite{t: t, on: on, ln: newPipes()}
	c.Logger = slog.New(slog.NewTextHandler(&s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	server.Logger = slog.New(slog.DiscardHandler)
	s.Server = transport.NewServer(server)
	s.exchange = transport.NewExchange(message.HandlerFunc[[]byte](s.handle), c)
	s.served.Go(func() {
		s.Serve(s.ln, stream, func(c *transport.Conn) transport.Protocol {
			return s.exchange.Open(c, &lines{conn: c})
		})
	})
	return s
}

func (s *exchangeSite) stop() {
	s.Close()
	s.served.Wait()
}

func (s *exchangeSite) handle(ctx context.Context, m message.Raw) error {
	s.mu.Lock()
	s.seen = append(s.seen, m)
	s.mu.Unlock()
	if s.on != nil {
		return s.on(ctx, m)
	}
	return welcome(ctx, m)
}

func welcome(ctx context.Context, m message.Raw) error {
	if m.Kind == message.KindConnect {
		return m.Session.Deliver(ctx, message.Raw{Kind: message.KindConnected})
	}
	return nil
}

// got returns what inbound got, such as "connect /a disconnect".
func (s *exchangeSite) got() string {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, m := range s.seen {
		if m.Destination != "" {
			all = append(all, m.Destination)
		} else {
			all = append(all, m.Kind.String())
		}
	}
	return strings.Join(all, " ")
}

// session returns that of the first client.
func (s *exchangeSite) session() *message.Session {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen[0].Session
}

// liner is a client that hears all that it is told.
type liner struct {
	net.Conn
	mu    sync.Mutex
	heard []string
}

// dial connects and says the first lines.
func (s *exchangeSite) dial(say ...string) *liner {
	near, far := net.Pipe()
	s.ln.conns <- far
	c := &liner{Conn: near}
	go func() {
		for answers := bufio.NewScanner(near); answers.Scan(); {
			c.mu.Lock()
			c.heard = append(c.heard, answers.Text())
			c.mu.Unlock()
		}
		near.Close()
		c.mu.Lock()
		c.heard = append(c.heard, "END")
		c.mu.Unlock()
	}()
	if len(say) > 0 {
		c.say(say...)
	}
	return c
}

// say does not wait until the server reads on.
func (c *liner) say(lines ...string) {
	go fmt.Fprint(c, strings.Join(lines, "\n")+"\n")
	synctest.Wait()
}

func (c *liner) want(t *testing.T, lines ...string) {
	t.Helper()
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	if got, want := strings.Join(c.heard, "|"), strings.Join(lines, "|"); got != want {
		t.Errorf("the client heard %q, want %q", got, want)
	}
	c.heard = nil
}

// later holds what is said and lets the test end it.
func later(held *[]message.Raw) func(ctx context.Context, m message.Raw) error {
	return func(ctx context.Context, m message.Raw) error {
		if m.Kind == message.KindData {
			m.Done.Hold()
			*held = append(*held, m)
		}
		return welcome(ctx, m)
	}
}

func TestExchangeAnswersInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var held []message.Raw
		s := exchangeIn(t, transport.ExchangeConfig{}, later(&held))
		defer s.stop()
		c := s.dial("OPEN 0", "SAY 1 /a", "SAY - /b", "SAY 2 /c", "LEAVE 3")
		c.want(t, "WELCOME", "DONE 0")
		held[2].Done.Release(nil)
		held[0].Done.Release(nil)
		c.want(t, "DONE 1")
		held[1].Done.Release(nil)
		c.want(t, "DONE 2", "DONE 3", "END")
		if got := s.got(); got != "connect /a /b /c disconnect" {
			t.Errorf("inbound got %q", got)
		}
	})
}

// TestExchangeRefusals refuses in each way, of sessions that go on after it and
// of those that do not.
func TestExchangeRefusals(t *testing.T) {
	for _, tt := range []struct{ name, say, strict, tolerant string }{
		{"unknown", "SING 1", "NO 1 there is no SING|END", "NO 1 there is no SING|DONE 2"},
		{"vetoed", "SAY 1 /veto", "NO 1 not that|END", "NO 1 not that|DONE 2"},
		{"failed", "SAY 1 /fail", "NO 1 internal error|END", "NO 1 internal error|DONE 2"},
		{"panicked", "SAY 1 /panic", "NO 1 internal error|END", "NO 1 internal error|DONE 2"},
		{"again", "OPEN 1", "NO 1 the session has begun already|END", "NO 1 the session has begun already|DONE 2"},
		{"NUL", "SAY 1 /a\x00b", "NO 1 NUL stands in no destination, id or header|END", "NO 1 NUL stands in no destination, id or header|DONE 2"},
		{"broken", "BROKEN 1", "NO 1 there is no BROKEN|END", "NO 1 there is no BROKEN|END"},
	} {
		for _, tolerant := range []bool{false, true} {
			t.Run(fmt.Sprint(tt.name, " tolerant ", tolerant), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := exchangeIn(t, transport.ExchangeConfig{Tolerant: tolerant}, func(ctx context.Context, m message.Raw) error {
						switch m.Destination {
						case "/veto":
							return message.Errorf(message.CodeDenied, "not that")
						case "/fail":
							return errors.New("hunter2")
						case "/panic":
							panic("hunter2")
						}
						return welcome(ctx, m)
					})
					defer s.stop()
					c := s.dial("OPEN -", tt.say, "SAY 2 /a")
					want := tt.strict
					if tolerant {
						want = tt.tolerant
					}
					c.want(t, "WELCOME", want)
					if n := s.exchange.Stats().Refused; n != 1 || strings.Count(s.log.String(), "request refused") != 1 {
						t.Errorf("%d refused: %s", n, &s.log)
					}
				})
			})
		}
	}
}

// TestExchangeBegins says something else first.
func TestExchangeBegins(t *testing.T) {
	for say, want := range map[string]string{
		"SAY 1 /a": "NO 1 the first request must open the session, not SAY",
		"SING 1":   "NO 1 the first request must open the session, not SING",
		"LEAVE 1":  "",
	} {
		synctest.Test(t, func(t *testing.T) {
			s := exchangeIn(t, transport.ExchangeConfig{Tolerant: true}, nil)
			defer s.stop()
			c := s.dial(say, "OPEN 2")
			c.want(t, strings.Split(strings.TrimPrefix(want+"|END", "|"), "|")...)
			if got := s.got(); got != "" {
				t.Errorf("inbound got %q", got)
			}
		})
	}
}

// opening answers KindConnect when the test says so.
func opening(open *func(error)) func(ctx context.Context, m message.Raw) error {
	return func(ctx context.Context, m message.Raw) error {
		if m.Kind == message.KindConnect {
			m.Done.Hold()
			*open = func(err error) {
				if err == nil {
					err = welcome(ctx, m)
				}
				m.Done.Release(err)
			}
		}
		return nil
	}
}

// TestExchangeHolds sends everything there is before the session is open.
func TestExchangeHolds(t *testing.T) {
	long := "SAY 1 /" + strings.Repeat("a", 8<<10)
	for _, tt := range []struct {
		name, say string
		tolerant  bool
		refuse    error
		want, got string
	}{
		{"in order", "SAY 1 /a|SAY 2 /b", false, nil, "WELCOME|DONE 0|DONE 1|DONE 2", "connect /a /b"},
		{"refused", "SAY 1 /a", false, message.Errorf(message.CodeDenied, "not you"), "NO 0 not you|END", "connect disconnect"},
		{"refused, tolerant", "SAY 1 /a", true, message.Errorf(message.CodeDenied, "not you"), "NO 0 not you|END", "connect disconnect"},
		{"not held", "SAY 1 /a|ACK 2", false, nil, "NO 2 ACK is not taken before the session is connected|END", "connect disconnect"},
		{"tolerant", "SAY 1 /a|SING 2|OPEN 3|ACK 4|LEAVE 5", true, nil,
			"WELCOME|DONE 0|DONE 1|NO 2 there is no SING|NO 3 the session has begun already|DONE 4|DONE 5|END", "connect /a ack disconnect"},
		{"leave", "SAY 1 /a|LEAVE 2", false, nil, "END", "connect disconnect"},
		{"broken", "SAY 1 /a|BROKEN 2", true, nil, "NO 2 there is no BROKEN|END", "connect disconnect"},
		{"too many", strings.Repeat("SAY 1 /|", 70), true, nil, "NO 1 more than 8192 octets were sent before the session was connected|END", "connect disconnect"},
		{"too much", long, false, nil, "NO 1 more than 8192 octets were sent before the session was connected|END", "connect disconnect"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var open func(error)
				s := exchangeIn(t, transport.ExchangeConfig{Tolerant: tt.tolerant}, opening(&open))
				defer s.stop()
				c := s.dial("OPEN 0")
				c.say(strings.Split(tt.say, "|")...)
				open(tt.refuse)
				c.want(t, tt.want)
				if got := s.got(); got != tt.got {
					t.Errorf("inbound got %q, want %q", got, tt.got)
				}
			})
		})
	}
}

// TestExchangeAnswersTheLoginFirst lets inbound be done with KindConnect before
// it opens the session.
func TestExchangeAnswersTheLoginFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := exchangeIn(t, transport.ExchangeConfig{}, func(context.Context, message.Raw) error { return nil })
		defer s.stop()
		c := s.dial("OPEN 0", "SAY 1 /a")
		c.want(t)
		if err := s.session().Deliver(t.Context(), message.Raw{Kind: message.KindConnected}); err != nil {
			t.Error(err)
		}
		c.want(t, "WELCOME", "DONE 0", "DONE 1")
	})
}

// TestExchangeDrainsWhatWasHeld shuts down while the held requests are under
// way: those that were taken are answered, the others are refused.
func TestExchangeDrainsWhatWasHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var open func(error)
		leave := make(chan struct{})
		connect := opening(&open)
		s := exchangeIn(t, transport.ExchangeConfig{Tolerant: true, MaxPending: 2}, func(ctx context.Context, m message.Raw) error {
			if m.Destination == "/a" {
				<-leave
			}
			return connect(ctx, m)
		})
		defer s.stop()
		c := s.dial("OPEN -", "SAY 1 /a", "SAY 2 /b")
		open(nil)
		c.want(t, "WELCOME")
		done := make(chan error)
		go func() { done <- s.Shutdown(t.Context()) }()
		synctest.Wait()
		close(leave)
		c.want(t, "DONE 1", "NO 2 server is shutting down; retry-after=0ms", "END")
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestExchangeBoundsWhatIsPending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var held []message.Raw
		s := exchangeIn(t, transport.ExchangeConfig{MaxPending: 2}, later(&held))
		defer s.stop()
		c := s.dial("OPEN -", "SAY 1 /1", "SAY 2 /2", "SAY 3 /3")
		if got := s.got(); got != "connect /1 /2" {
			t.Errorf("inbound got %q", got)
		}
		held[0].Done.Release(nil)
		c.want(t, "WELCOME", "DONE 1")
		if got := s.got(); got != "connect /1 /2 /3" {
			t.Errorf("inbound got %q", got)
		}
	})
}

func TestExchangeLoginTimeout(t *testing.T) {
	for _, say := range [][]string{nil, {"OPEN 1"}} {
		synctest.Test(t, func(t *testing.T) {
			var open func(error)
			s := exchangeIn(t, transport.ExchangeConfig{LoginTimeout: 7 * time.Second}, opening(&open))
			defer s.stop()
			c := s.dial(say...)
			time.Sleep(7*time.Second - 1)
			c.want(t)
			time.Sleep(time.Nanosecond)
			c.want(t, "NO  the login took too long", "END")
			if log := s.log.String(); strings.Count(log, "level=") != 1 || !strings.Contains(log, "level=INFO") {
				t.Errorf("logged: %s", log)
			}
		})
	}
}

// TestExchangeEndsByTheServer ends a session for a reason: the client is told,
// and so is the log.
func TestExchangeEndsByTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := exchangeIn(t, transport.ExchangeConfig{Tolerant: true}, nil)
		defer s.stop()
		c := s.dial("OPEN -")
		s.session().Close(message.Errorf(message.CodeDenied, "go").WithCause(errors.New("row 17")))
		c.want(t, "WELCOME", "NO  go", "END")
		if log := s.log.String(); !strings.Contains(log, "row 17") {
			t.Errorf("the cause is not logged: %s", log)
		}
		if got := s.got(); got != "connect disconnect" {
			t.Errorf("inbound got %q", got)
		}
		if err := s.session().Deliver(t.Context(), message.Raw{Destination: "/a"}); err == nil {
			t.Error("a delivery to a session that has ended")
		}
	})
}

// TestExchangeDelivers delivers an error, after which only tolerant sessions go
// on, and what clients are never sent.
func TestExchangeDelivers(t *testing.T) {
	for _, tolerant := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := exchangeIn(t, transport.ExchangeConfig{Tolerant: tolerant}, nil)
			defer s.stop()
			c := s.dial("OPEN -")
			for _, k := range []message.Kind{message.KindConnected, message.KindSubscribe} {
				if err := s.session().Deliver(t.Context(), message.Raw{Kind: k}); err == nil {
					t.Errorf("a %s was delivered", k)
				}
			}
			if err := s.session().Deliver(t.Context(), message.Raw{Kind: message.KindError, Destination: "/a", Payload: []byte("oh")}); err != nil {
				t.Error(err)
			}
			if tolerant {
				c.want(t, "WELCOME", "/a oh")
			} else {
				c.want(t, "WELCOME", "/a oh", "END")
			}
			if n := s.exchange.Stats().Sessions; (n == 1) != tolerant {
				t.Errorf("%d sessions", n)
			}
		})
	}
}

func TestNewExchangePanics(t *testing.T) {
	in := message.HandlerFunc[[]byte](welcome)
	for names, wire := range map[string]func(){
		"inbound":      func() { transport.NewExchange(nil, transport.ExchangeConfig{}) },
		"LoginTimeout": func() { transport.NewExchange(in, transport.ExchangeConfig{LoginTimeout: -1}) },
		"MaxPending":   func() { transport.NewExchange(in, transport.ExchangeConfig{MaxPending: -1}) },
	} {
		func() {
			defer func() {
				if said := fmt.Sprint(recover()); !strings.Contains(said, names) {
					t.Errorf("panicked with %q, want %s named", said, names)
				}
			}()
			wire()
		}()
	}
}
