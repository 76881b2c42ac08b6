package client_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/interceptor"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter"
	"github.com/headrace/headrace/stompadapter/client"
	"github.com/headrace/headrace/stompadapter/frame"
	"github.com/headrace/headrace/transport"
	"github.com/headrace/headrace/transport/auth"
)

// mint issues tokens that are good for a minute.
type mint struct {
	mu   sync.Mutex
	ends map[string]time.Time
}

func (m *mint) issue() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	token := "canary-" + strconv.Itoa(len(m.ends)+1)
	m.ends[token] = time.Now().Add(time.Minute)
	return token
}

func (m *mint) issued() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.ends)
}

func (m *mint) check(token string) (message.Principal, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	end := m.ends[token]
	if !time.Now().Before(end) {
		return nil, message.Errorf(message.CodeUnauthenticated, "the token has expired")
	}
	return visitor{"ada", end}, nil
}

// visitor is who a token speaks of.
type visitor struct {
	message.User
	end time.Time
}

func (v visitor) Expires() time.Time { return v.end }

// hall is a server, without a network, whose sessions end with their tokens.
// Clients of TCP log in with CONNECT, those of WebSocket with the handshake.
type hall struct {
	mint
	log   syncBuffer // of the client
	conns chan net.Conn
	ended chan struct{}
	end   sync.Once
}

func openHall(t *testing.T, scheme string) *hall {
	h := &hall{mint: mint{ends: map[string]time.Time{}}, conns: make(chan net.Conn), ended: make(chan struct{})}
	expire := interceptor.Expire(interceptor.ExpireConfig{})
	inbound := channel.NewExecutorChannel(channel.Config[[]byte]{Name: "inbound"})
	inbound.Intercept(interceptor.Authenticate(interceptor.AuthenticateConfig{
		Check: func(_ context.Context, c interceptor.Credentials) (message.Principal, error) {
			if c.Token == "" && c.Login == "ada" {
				return h.check(c.Passcode)
			}
			return h.check(c.Token)
		},
	}), expire)
	outbound := new(channel.DirectChannel[[]byte])
	outbound.Intercept(expire)
	channel.SubscribeFunc(outbound, func(ctx context.Context, m message.Raw) error { return m.Session.Deliver(ctx, m) })
	memory := broker.NewMemory(outbound, broker.Config{})
	channel.SubscribeFunc(inbound, memory.Handle)
	adapter := stompadapter.New(inbound, stompadapter.Config{
		Logger: slog.New(slog.DiscardHandler),
		Transport: transport.Config{Handshake: transport.Handshake{
			Principal: auth.Bearer(func(_ context.Context, token string) (message.Principal, error) { return h.check(token) }),
			Hooks: []func(*http.Request, map[string]any) error{func(r *http.Request, _ map[string]any) error {
				if r.Header.Get("X-Mill") != "wind" {
					t.Error("what is fixed is not in the handshake")
				}
				return nil
			}},
		}},
	})
	server := &http.Server{Handler: adapter.WebSocket()}
	served := in(func() error {
		if scheme == "tcp" {
			return adapter.ServeTCP(h)
		}
		return server.Serve(h)
	})
	t.Cleanup(func() {
		adapter.Close()
		server.Close()
		h.Close()
		<-served
		inbound.Close()
		memory.Close()
	})
	return h
}

func (h *hall) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.ended:
		return nil, net.ErrClosed
	}
}
func (h *hall) Close() error   { h.end.Do(func() { close(h.ended) }); return nil }
func (h *hall) Addr() net.Addr { return &net.UnixAddr{Name: "hall"} }

func (h *hall) dial(ctx context.Context) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case h.conns <- theirs:
		return ours, nil
	case <-h.ended:
		return nil, net.ErrClosed
	}
}

// enter connects a client to h.
func (h *hall) enter(t *testing.T, c client.Config) *client.Client {
	t.Helper()
	c.Dial, c.Logger = h.dial, slog.New(slog.NewTextHandler(&h.log, nil))
	cl, err := client.Dial(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return cl
}

// A session ends with its token; the client comes back with a new one, wherever that
// goes, and its subscriptions go on.
func TestCredentials(t *testing.T) {
	for name, tc := range map[string]struct {
		scheme string
		fixed  client.Config
		with   func(token string) client.Credentials
	}{
		"passcode": {"tcp", client.Config{Login: "bob", Passcode: "old"}, func(token string) client.Credentials {
			return client.Credentials{Login: "ada", Passcode: token}
		}},
		"header": {"tcp", client.Config{Header: message.NewHeader(message.Field{Name: "authorization", Value: "Bearer old"})}, func(token string) client.Credentials {
			return client.Credentials{Header: message.NewHeader(message.Field{Name: "authorization", Value: "Bearer " + token})}
		}},
		"handshake": {"ws", client.Config{HTTPHeader: http.Header{"authorization": {"Bearer old"}, "X-Mill": {"wind"}}}, func(token string) client.Credentials {
			return client.Credentials{HTTPHeader: http.Header{"Authorization": {"Bearer " + token}}}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := openHall(t, tc.scheme)
				config := tc.fixed
				config.URL = tc.scheme + "://hall"
				config.Credentials = func(context.Context) (client.Credentials, error) { return tc.with(h.issue()), nil }
				c := h.enter(t, config)
				defer hangUp(c)
				got := make(chan string, 1)
				_, err := c.Subscribe(t.Context(), "/topic/a", client.SubscribeConfig{}, func(_ context.Context, m message.Raw) error {
					got <- string(m.Payload)
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
				defer cancel()
				for i := range 3 {
					want := strconv.Itoa(i + 1)
					if err := c.SendReceipt(ctx, "/topic/a", want); err != nil {
						t.Fatal(err)
					}
					if m := <-got; m != want {
						t.Errorf("got %s, want %s", m, want)
					}
					if h.issued() != i+1 {
						t.Errorf("%d tokens for connection %d", h.issued(), i+1)
					}
					time.Sleep(61 * time.Second) // the token's minute, and the way back
				}
				if log := h.log.String(); !strings.Contains(log, "the credentials have expired") || strings.Contains(log, "canary") {
					t.Errorf("log: %s", log)
				}
			})
		})
	}
}

// Whatever becomes of an attempt, the next one asks anew.
func TestCredentialsAreAskedForAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := openHall(t, "tcp")
		first, asked, began := h.issue(), 0, time.Time{}
		c := h.enter(t, client.Config{
			URL: "tcp://hall",
			Credentials: func(ctx context.Context) (client.Credentials, error) {
				token := first
				switch asked++; asked {
				case 2: // and then the server refuses
				case 3:
					return client.Credentials{}, errors.New("the issuer is away")
				case 4:
					panic("the issuer is mad")
				case 5:
					token = "canary\nadmin:true"
				case 6:
					began = time.Now()
					<-ctx.Done()
					return client.Credentials{}, context.Cause(ctx)
				case 7:
					if waited := time.Since(began); waited < 10*time.Second || waited > 20*time.Second {
						t.Errorf("asked again after %v, want ConnectTimeout and a delay", waited)
					}
					token = h.issue()
				}
				return client.Credentials{Passcode: token, Login: "ada"}, nil
			},
		})
		defer hangUp(c)
		time.Sleep(90 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		if err := c.SendReceipt(ctx, "/topic/a", "x"); err != nil || asked != 7 {
			t.Errorf("asked %d times: %v", asked, err)
		}
		log := h.log.String()
		for _, want := range []string{"the token has expired", "credentials: the issuer is away", "panic: the issuer is mad", "octet that cannot be written", "deadline exceeded"} {
			if strings.Count(log, want) != 1 {
				t.Errorf("%q is not once in the log:\n%s", want, log)
			}
		}
		if strings.Contains(log, "canary") {
			t.Errorf("log: %s", log)
		}
	})
}

// Dial returns what the first attempt fails with, and dials nowhere.
func TestCredentialsOfTheFirstAttempt(t *testing.T) {
	for name, credentials := range map[string]func(context.Context) (client.Credentials, error){
		"error": func(context.Context) (client.Credentials, error) { return client.Credentials{}, io.ErrUnexpectedEOF },
		"panic": func(context.Context) (client.Credentials, error) { panic(io.ErrUnexpectedEOF) },
	} {
		_, err := client.Dial(t.Context(), client.Config{
			URL: "tcp://hall", Credentials: credentials,
			Dial: func(context.Context) (net.Conn, error) {
				t.Errorf("%s: a connection was tried", name)
				return nil, io.EOF
			},
		})
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Close does not wait for somebody who is asked and takes his time.
func TestCloseWhileCredentialsAreAwaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, again := newServer(t, connected), false
		c, p := dial(t, s, client.Config{Credentials: func(ctx context.Context) (client.Credentials, error) {
			if again {
				<-ctx.Done()
			}
			again = true
			return client.Credentials{}, ctx.Err()
		}})
		p.conn.Close()
		time.Sleep(time.Second)
		closing := time.Now()
		if err := c.Close(t.Context()); err != nil || time.Since(closing) > 0 {
			t.Errorf("closed after %v: %v", time.Since(closing), err)
		}
	})
}

// What is fixed stays where the credentials say nothing of it.
func TestCredentialsBesideWhatIsFixed(t *testing.T) {
	field := func(name, value string) message.Field { return message.Field{Name: name, Value: value} }
	for _, tc := range []struct {
		with client.Credentials
		want string
	}{
		{client.Credentials{}, "ada wheel one two"},
		{client.Credentials{Login: "bob"}, "bob  one two"},
		{client.Credentials{Header: message.NewHeader(field("b", "new"))}, "ada wheel one new"},
	} {
		s := newServer(t, connected)
		c, err := client.Dial(t.Context(), client.Config{
			URL: "tcp://mill", Dial: s.dial, Login: "ada", Passcode: "wheel",
			Header:      message.NewHeader(field("a", "one"), field("b", "two")),
			Credentials: func(context.Context) (client.Credentials, error) { return tc.with, nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		h := (<-s.peers).want(frame.Connect).Header
		if got := strings.Join([]string{h.Get("login"), h.Get("passcode"), h.Get("a"), h.Get("b")}, " "); got != tc.want {
			t.Errorf("CONNECT says %q, want %q", got, tc.want)
		}
		hangUp(c)
	}
}

// An expired session is no refusal of the SUBSCRIBE that waits just then, which the
// server would name.
func TestSubscriptionOutlivesTheEndOfASession(t *testing.T) {
	for _, code := range []message.Code{message.CodeUnauthenticated, message.CodeUnavailable} {
		synctest.Test(t, func(t *testing.T) {
			s := newServer(t, connected)
			c, p := dial(t, s, client.Config{})
			defer hangUp(c)
			made := in(func() error {
				_, err := c.Subscribe(t.Context(), "/topic/a", client.SubscribeConfig{}, nil)
				return err
			})
			p.want(frame.Subscribe)
			p.send("ERROR\nmessage:the credentials have expired\ncode:" + string(code) + "\n\n\x00")
			p = <-s.peers
			p.want(frame.Connect)
			p.confirm(p.want(frame.Subscribe))
			if err := <-made; err != nil {
				t.Errorf("%s: %v", code, err)
			}
		})
	}
}
