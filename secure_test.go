package headrace_test

import (
	"bufio"
	"context"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/interceptor"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter"
)

// holder is who a token speaks of.
type holder struct {
	message.User
	role string
	end  time.Time
}

func (h holder) HasRole(role string) bool { return role == h.role }
func (h holder) Expires() time.Time       { return h.end }

// pipes is a listener without a network.
type pipes struct {
	conns chan net.Conn
	ended chan struct{}
	end   sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), ended: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.ended:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { p.end.Do(func() { close(p.ended) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// caller is a client at the other end of a pipe.
type caller struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

func (c *caller) send(frames ...string) {
	c.t.Helper()
	if _, err := c.conn.Write([]byte(strings.Join(frames, ""))); err != nil {
		c.t.Error(err)
	}
}

// want reads a frame, which has to contain some texts.
func (c *caller) want(command string, texts ...string) {
	c.t.Helper()
	f, err := c.in.ReadString(0)
	if f = strings.TrimLeft(f, "\n"); err != nil || !strings.HasPrefix(f, command+"\n") {
		c.t.Fatalf("got %q and %v, want %s", f, err, command)
	}
	for _, text := range texts {
		if !strings.Contains(f, text) {
			c.t.Errorf("got %q, want %q in it", f, text)
		}
	}
}

// wantEnd waits for the end of the connection, before which nothing more comes.
func (c *caller) wantEnd() {
	c.t.Helper()
	if rest, err := c.in.ReadString(0); err == nil || rest != "" {
		c.t.Errorf("got %q, want the end", rest)
	}
}

// vault is a node that knows its clients by token: who has a room may send and listen
// there, for as long as the token lasts.
type vault struct {
	node    *headrace.Node
	conns   *pipes
	tokens  map[string]message.Principal
	handled atomic.Int64
}

func newVault(tokens map[string]message.Principal) *vault {
	v := &vault{conns: newPipes(), tokens: tokens}
	policy := interceptor.Secure(interceptor.PolicyConfig{},
		interceptor.Allow(interceptor.Send|interceptor.Subscribe, "/app/room/{id}", interceptor.VarIsUser("id")),
		interceptor.Allow(interceptor.Subscribe, "/topic/room/{id}", interceptor.VarIsUser("id")),
		interceptor.Allow(interceptor.Send, "/app/renew"),
		interceptor.Allow(interceptor.Subscribe, "/topic/staff", interceptor.Role("staff")))
	expire := interceptor.Expire(interceptor.ExpireConfig{})
	v.node = headrace.New(headrace.Config{
		Gate:   []message.RawInterceptor{interceptor.AuthorizeDelivery(policy), expire},
		Logger: slog.New(slog.DiscardHandler),
	})
	check := func(_ context.Context, c interceptor.Credentials) (message.Principal, error) {
		return v.tokens[c.Token], nil
	}
	v.node.Inbound.Intercept(
		interceptor.Authenticate(interceptor.AuthenticateConfig{Check: check}), expire, interceptor.Authorize(policy))
	handler.Consume(v.node.Router, "/room/{id}", func(context.Context, []byte) error { v.handled.Add(1); return nil })
	handler.Consume(v.node.Router, "/renew", func(_ context.Context, r handler.Request[string]) error {
		return interceptor.Renew(r.Session, v.tokens[r.Payload])
	})
	return v
}

func (v *vault) dial(t *testing.T) *caller {
	ours, theirs := net.Pipe()
	v.conns.conns <- theirs
	return &caller{t, ours, bufio.NewReader(ours)}
}

func (v *vault) login(t *testing.T, token string) *caller {
	c := v.dial(t)
	c.send("CONNECT\naccept-version:1.2\nhost:h\nauthorization:Bearer " + token + "\n\n\x00")
	c.want("CONNECTED")
	return c
}

// TestTokensRulesAndTime: over STOMP, who a client is is said by its token, what it may
// do by the rules for its name and roles, and how long by the token's end, on the living
// session and both ways; a session that is renewed goes on.
func TestTokensRulesAndTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		soon, late := time.Now().Add(time.Minute), time.Now().Add(time.Hour)
		v := newVault(map[string]message.Principal{
			"kim-1": holder{"kim", "guest", soon}, "ann-1": holder{"ann", "staff", soon}, "ann-2": holder{"ann", "staff", late},
			"old": holder{"old", "staff", time.Now()},
		})
		stomp := stompadapter.New(v.node.Inbound, stompadapter.Config{
			Heartbeat: stompadapter.HeartbeatConfig{Send: -1, Receive: -1}, Logger: slog.New(slog.DiscardHandler),
		})
		served := make(chan error)
		go func() { served <- stomp.ServeTCP(v.conns) }()
		defer func() {
			stomp.Close()
			<-served
			v.node.Close()
		}()

		for token, want := range map[string]string{"": "credentials are needed", "\nauthorization:Bearer forged": "not valid", "\nauthorization:Bearer old": "expired"} {
			c := v.dial(t)
			c.send("CONNECT\naccept-version:1.2\nhost:h" + token + "\n\n\x00")
			c.want("ERROR", "code:unauthenticated", want)
			c.wantEnd()
		}
		for refused, want := range map[string]string{
			subscribeFrame("1", "/topic/room/ann", "r"): "not allowed",
			subscribeFrame("1", "/topic/room/*", "r"):   "not allowed",
			subscribeFrame("1", "/topic/staff", "r"):    "not allowed",
			sendFrame("/app/room/ann", "r", ""):         "not allowed",
			sendFrame("/topic/room/kim", "r", ""):       "not allowed",
		} {
			c := v.login(t, "kim-1")
			c.send(refused)
			c.want("ERROR", "code:denied", "receipt-id:r", want)
			c.wantEnd()
		}

		kim, ann := v.login(t, "kim-1"), v.login(t, "ann-1")
		kim.send(subscribeFrame("1", "/topic/room/kim", "s"), sendFrame("/app/room/kim", "r", ""))
		kim.want("RECEIPT", "receipt-id:s")
		kim.want("RECEIPT", "receipt-id:r")
		ann.send(subscribeFrame("1", "/topic/staff", "s"), "SEND\ndestination:/app/renew\ncontent-type:text/plain\nreceipt:n\n\nann-2\x00")
		ann.want("RECEIPT", "receipt-id:s")
		ann.want("RECEIPT", "receipt-id:n")
		publish := func(to, text string) {
			if err := v.node.Template.Send(t.Context(), to, text); err != nil {
				t.Error(err)
			}
		}

		time.Sleep(time.Minute - 1)
		publish("/topic/room/kim", "in time")
		kim.want("MESSAGE", "in time")
		kim.send(sendFrame("/app/room/kim", "r", ""))
		kim.want("RECEIPT")
		time.Sleep(time.Nanosecond)
		publish("/topic/room/kim", "too late")
		kim.want("ERROR", "code:unauthenticated", "the credentials have expired")
		kim.wantEnd()
		if n := v.handled.Load(); n != 2 {
			t.Errorf("%d messages of kim's were handled, want 2", n)
		}
		publish("/topic/staff", "for ann")
		ann.want("MESSAGE", "for ann")
		ann.send(sendFrame("/app/room/ann", "r", ""))
		ann.want("RECEIPT")
		time.Sleep(59 * time.Minute)
		ann.want("ERROR", "the credentials have expired")
		ann.wantEnd()
		synctest.Wait()
		if st := v.node.Stats(); st.Broker.Sessions != 0 || st.Users.Sessions != 0 {
			t.Errorf("sessions are left: %+v", st.Broker)
		}
	})
}
