package stompadapter_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter"
	"github.com/headrace/headrace/stompadapter/frame"
	"github.com/headrace/headrace/transport"
)

// A thousand clients that stop in the middle of a frame keep nobody waiting,
// and are gone when the time for their login is over.
func TestSec_S20_HalfFrames(t *testing.T) {
	const n = 1000
	in := new(inbound)
	f := fortify(t, in, stompadapter.Config{LoginTimeout: time.Second})
	good := &stream{Conn: f.stream().Conn, t: t, decoder: frame.NewDecoder(frame.Limits{})}
	good.decoder.SetVersion(frame.V12)
	fmt.Fprint(good, connect12)
	good.want(frame.Connected)
	typical := func() time.Duration { // of a message that is handled
		var took []time.Duration
		for range 200 {
			began := time.Now()
			fmt.Fprint(good, send("/a", "r"))
			good.want(frame.Receipt)
			took = append(took, time.Since(began))
		}
		slices.Sort(took)
		return took[len(took)/2]
	}
	before := typical()
	for range n {
		f.stream().Write([]byte("CONNECT\naccept-version:1.2\nho"))
	}
	after := typical()
	eventually(t, "all have come", func() bool { return f.Stats().Transport.Total > n })
	if after > 2*before+20*time.Millisecond {
		t.Errorf("a message took %v, before it was %v", after, before)
	}
	eventually(t, "they are gone", func() bool { return f.Stats().Transport.Open == 1 })
	if cut := f.Stats().Transport.Closed["auth"]; cut != n {
		t.Errorf("%d were cut, want %d", cut, n)
	}
	typical()
}

// A login of one octet a second ends at its time limit.
func TestSec_S47_SlowLogin(t *testing.T) {
	for _, way := range []string{"tcp", "websocket"} {
		t.Run(way, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := stompadapter.Config{WebSocket: transport.WebSocketConfig{IdleTimeout: -1}}
				var drip func(octet byte) error
				var closed func()
				if way == "websocket" {
					client := serve(t, new(inbound), c).dial()
					drip = func(octet byte) error { return client.ws.WriteMessage(1, []byte{octet}) }
					closed = func() { client.wantError("the login took too long") }
				} else {
					nc := servePipe(t, c)
					drip = func(octet byte) error { _, err := nc.Write([]byte{octet}); return err }
					closed = func() {
						if p, _ := io.ReadAll(nc); !strings.Contains(string(p), "the login took too long") {
							t.Errorf("the client got %q", p)
						}
					}
				}
				began := time.Now()
				ended := make(chan time.Duration)
				go func() { closed(); ended <- time.Since(began) }()
				for _, octet := range []byte(connect12) {
					if drip(octet) != nil {
						break
					}
					time.Sleep(time.Second)
				}
				if d := <-ended; d < 10*time.Second || d > 11*time.Second { // a second to read what was said
					t.Errorf("closed after %v", d)
				}
			})
		})
	}
}

// servePipe serves one stream.
func servePipe(t *testing.T, c stompadapter.Config) net.Conn {
	t.Helper()
	c.Logger = slog.New(slog.DiscardHandler)
	a := stompadapter.New(new(inbound), c)
	ln := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
	var served sync.WaitGroup
	served.Go(func() { a.ServeTCP(ln) })
	nc, err := ln.dial(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		nc.Close()
		a.Close()
		served.Wait()
	})
	return nc
}

// names are those that mean something somewhere.
var names = []string{"__proto__", "constructor", "toString", "hasOwnProperty", "null", "undefined", "..", "*", "**", "{user}", "%2F", "a:b", "a/b", " ", "\u202e", strings.Repeat("n", 1000)}

// What clients call their subscriptions and receipts is a name and no more.
func TestSec_S34_HostileIDs(t *testing.T) {
	in := new(inbound)
	s := serve(t, in, stompadapter.Config{})
	c := s.connect()
	escape := strings.NewReplacer(":", `\c`).Replace
	for _, name := range names {
		c.send("SUBSCRIBE\nid:" + escape(name) + "\ndestination:/topic/a\nreceipt:" + escape(name) + "\n\n\x00")
		if got := c.receipts(1)[0]; got != name {
			t.Errorf("receipt %q, want %q", got, name)
		}
	}
	session := in.only(t, message.KindConnect).Session
	for _, name := range names {
		m := delivery()
		m.Subscription = name
		if err := session.Deliver(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		if got := c.want(frame.Message).Header.Get("subscription"); got != name {
			t.Errorf("delivered to %q, want %q", got, name)
		}
	}
	for _, id := range []string{"", "a\x00b", "a\rb"} {
		c := s.connect()
		c.send("SUBSCRIBE\nid:" + id + "\ndestination:/topic/a\n\n\x00")
		c.wantError("")
	}
}

// A user of any name gets what is meant for this name, and nobody else does.
func TestSec_S37_HostileUserNames(t *testing.T) {
	outbound := message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error { return m.Session.Deliver(ctx, m) })
	users := broker.NewUsers(outbound, broker.UsersConfig{})
	s := serve(t, &inbound{on: func(ctx context.Context, m message.Raw) error {
		if m.Kind == message.KindConnect {
			name, _ := m.Header.Lookup("login")
			m.Session.SetUser(message.User(strings.ReplaceAll(name, "LF", "\n")))
			if err := accept(ctx, m); err != nil {
				return err
			}
		}
		return users.Handle(ctx, m)
	}}, stompadapter.Config{})
	clients := map[string]*client{}
	for _, name := range names {
		c := s.dial()
		c.send("CONNECT\naccept-version:1.2\nlogin:" + name + "\n\n\x00SUBSCRIBE\nid:" + strings.ReplaceAll(name, ":", `\c`) + "\ndestination:/user/queue/a\nreceipt:r\n\n\x00")
		if got := c.want(frame.Connected).Header.Get("user-name"); got != name {
			t.Errorf("connected as %q, want %q", got, name)
		}
		c.receipts(1)
		clients[name] = c
	}
	escape := strings.NewReplacer("%", "%25", "/", "%2F", ":", `\c`).Replace
	for _, name := range names {
		clients[names[0]].send("SEND\ndestination:/user/" + escape(name) + "/queue/a\n\n\x00")
		if got := clients[name].want(frame.Message).Header.Get("subscription"); got != name {
			t.Errorf("delivered to %q, want %q", got, name)
		}
	}
	for _, c := range clients { // got no more than that
		c.send(send("/user/nobody/queue/a", "last"))
		c.receipts(1)
	}
	c := s.dial()
	c.send("CONNECT\naccept-version:1.2\nlogin:aLFadmin:true\n\n\x00")
	c.wantError("") // CONNECTED has no escapes: the name cannot be told
}
