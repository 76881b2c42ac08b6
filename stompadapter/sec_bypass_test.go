package stompadapter_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headrace/headrace/interceptor"
	"github.com/headrace/headrace/interceptor/jwt"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter"
	"github.com/headrace/headrace/transport"
)

var (
	tokenSecret = []byte(strings.Repeat("secret..", 4))
	verifier    = jwt.New(jwt.Config{Keys: map[string]any{"": tokenSecret}})
)

// tokenOf returns a token of a user that ends after d.
func tokenOf(user string, d time.Duration) string {
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(`{"alg":"HS256"}`)) + "." + encode(fmt.Appendf(nil, `{"sub":%q,"exp":%d}`, user, time.Now().Add(d).Unix()))
	mac := hmac.New(sha256.New, tokenSecret)
	mac.Write([]byte(text))
	return text + "." + encode(mac.Sum(nil))
}

func connectWith(token string) string {
	return "CONNECT\naccept-version:1.2\nauthorization:Bearer " + token + "\n\n\x00"
}

// guarded is an application behind everything that looks at credentials.
type guarded struct {
	*application
	message.RawHandler // all of it

	mu       sync.Mutex
	known    message.Principal     // what the handshake says
	examined chan *message.Session // those whose CONNECT has come, if not nil
	goOn     chan struct{}
	handled  chan struct{} // closed when everything has had that CONNECT
}

func guard() *guarded {
	expire := interceptor.Expire(interceptor.ExpireConfig{})
	g := &guarded{application: newApplication(expire)}
	g.RawHandler = message.Chain(message.RawHandler(g.application),
		g.examine,
		interceptor.Authenticate(interceptor.AuthenticateConfig{Check: verifier.Check, LoginOverHTTP: true}),
		expire)
	return g
}

func (g *guarded) Handle(ctx context.Context, m message.Raw) error {
	return g.RawHandler.Handle(ctx, m)
}

// examine holds a CONNECT for as long as the test wants.
func (g *guarded) examine(next message.RawHandler) message.RawHandler {
	return message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
		if g.mu.Lock(); m.Kind == message.KindConnect && g.examined != nil {
			examined, goOn, handled := g.examined, g.goOn, g.handled
			g.mu.Unlock()
			defer close(handled)
			examined <- m.Session
			<-goOn
		} else {
			g.mu.Unlock()
		}
		return next.Handle(ctx, m)
	})
}

func (g *guarded) handshake(user message.Principal, hold bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.known, g.examined, g.goOn, g.handled = user, nil, make(chan struct{}), make(chan struct{})
	if hold {
		g.examined = make(chan *message.Session, 1)
	}
}

func (g *guarded) principal() (message.Principal, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.known, nil
}

func (g *guarded) config() stompadapter.Config {
	return stompadapter.Config{
		Transport: transport.Config{Handshake: transport.Handshake{
			Principal: func(*http.Request) (message.Principal, error) { return g.principal() },
		}},
		TCP: transport.StreamConfig{Principal: func(net.Conn) (message.Principal, error) { return g.principal() }},
	}
}

// Every frame of the state table, before, behind and during a login with each kind of
// bad credentials, and on a session whose credentials have ended, through every
// entrance: none reaches the application, and nothing is delivered.
func TestR30_NoBypass(t *testing.T) {
	ann := message.User("ann")
	bad := map[string]struct {
		handshake message.Principal
		connect   string
		told      string
	}{
		"no token":        {nil, connect12, "credentials are needed"},
		"login, no token": {nil, "CONNECT\naccept-version:1.2\nlogin:ann\npasscode:x\n\n\x00", "a token is needed"},
		"expired":         {nil, connectWith(tokenOf("ann", -time.Hour)), "the token has expired"},
		"other user":      {ann, connectWith(tokenOf("bob", time.Hour)), "another user"},
		"forged":          {nil, connectWith(tokenOf("ann", time.Hour) + "A"), "the token is not valid"},
	}
	everywhere(t, func(t *testing.T, dial func(*fortress, http.Header) attacker) {
		g := guard()
		defer g.Close()
		f := fortify(t, g, g.config())
		driven := 0
		check := func(cell, got string) {
			t.Helper()
			driven++
			if asked, delivered := g.counts(); asked+delivered > 0 || strings.Contains(got, "CONNECTED\n") || strings.Contains(got, "RECEIPT\nreceipt-id:r") {
				t.Fatalf("%s: %d requests, %d deliveries, the client got %q", cell, asked, delivered, got)
			}
		}
		for name, b := range bad {
			for _, c := range cells {
				g.handshake(b.handshake, false)
				first := c.frame
				if c.new == opens { // which without credentials would be no bad ones
					first = b.connect
				}
				a := dial(f, nil)
				a.Write([]byte(first))
				a.Write([]byte(b.connect))
				check(name+": "+c.name+" before CONNECT", a.rest())

				a = dial(f, nil)
				a.Write([]byte(b.connect + c.frame))
				got := a.rest()
				check(name+": "+c.name+" behind CONNECT", got)
				if !strings.Contains(got, b.told) {
					t.Errorf("%s: the client got %q", name, got)
				}

				check(name+": "+c.name+" while CONNECT is examined", g.during(f, dial, b.handshake, b.connect, c.frame))
			}
		}
		for _, c := range cells {
			got := g.ended(t, func() attacker { return dial(f, nil) }, c.frame)
			check("ended: "+c.name, got)
			if refused := strings.Contains(got, "the credentials have expired"); refused != (c.open == dispatches) && c.name != "UNSUBSCRIBE" {
				t.Errorf("ended: %s: the client got %q", c.name, got)
			}
		}
		f.Close()
		check("closed", "")
		if want := len(cells)*(3*len(bad)+1) + 1; driven != want {
			t.Errorf("%d cells, want %d", driven, want)
		}
	})
}

// during sends a frame while CONNECT is examined.
func (g *guarded) during(f *fortress, dial func(*fortress, http.Header) attacker, user message.Principal, connect, frame string) string {
	g.handshake(user, true)
	a := dial(f, nil)
	var writers sync.WaitGroup
	write := func(text string) { a.Write([]byte(text)) }
	if _, ok := a.(pollAttacker); ok { // whose requests are answered when what they bring is handled
		write = func(text string) { writers.Go(func() { a.Write([]byte(text)) }) }
	}
	write(connect)
	<-g.examined
	write(frame)
	close(g.goOn)
	got := a.rest()
	writers.Wait()
	return got
}

// ended sends a frame on a session whose user has come to an end, and returns what the
// client gets from then on.
func (g *guarded) ended(t *testing.T, dial func() attacker, frame string) string {
	g.handshake(nil, true) // which a SockJS session sticks to
	close(g.goOn)
	a := dial()
	a.Write([]byte(connectWith(tokenOf("ann", time.Hour))))
	session := <-g.examined
	<-g.handled // behind it nobody looks at the user's time but for a frame
	session.SetUser(ended{"ann"})
	a.Write([]byte(frame + "DISCONNECT\n\n\x00")) // for those that end nothing
	got := a.rest()
	a.Close()
	eventually(t, "the session ends", func() bool { return g.Memory.Stats().Sessions == 0 })
	_, got, _ = strings.Cut(got, "\x00") // behind CONNECTED
	return got
}

// ended is a user whose time is over.
type ended struct{ message.User }

func (ended) Expires() time.Time { return time.Unix(1, 0) }
