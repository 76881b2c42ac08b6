package transport_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/transport"
)

// caller is a client whose connection requests carry, or that was refused.
type caller struct {
	*transport.Carried
	status int
	text   string // of the answer
}

// call makes a handshake from addr; header is that of handshake.
func call(s *transport.Server, addr string, header ...string) (c caller) {
	r := handshake("http://own.example/", header...)
	r.RemoteAddr = addr
	w := httptest.NewRecorder()
	c.Carried, _ = s.Carry(w, r, transport.CarryConfig{}, func(c *transport.Conn) transport.Protocol {
		return &peer{conn: c, closed: make(chan error, 1)}
	})
	c.status, c.text = w.Code, strings.TrimSpace(w.Body.String())
	return c
}

// refused says with which text a client was, or "".
func (c caller) refused() string {
	if c.Carried != nil {
		return ""
	}
	return http.StatusText(c.status) + ": " + c.text
}

const (
	fullAddress = "Service Unavailable: too many connections from this address"
	fullUser    = "Service Unavailable: too many connections of this user"
)

// One address may have one connection; which are one address?
func TestMaxPerAddress(t *testing.T) {
	proxy := "10.0.0.1:1000"
	for _, tt := range []struct {
		name string
		a, b [2]string // address, and X-Forwarded-For
		same bool
	}{
		{"other port", [2]string{"192.0.2.1:1000"}, [2]string{"192.0.2.1:2000"}, true},
		{"other address", [2]string{"192.0.2.1:1000"}, [2]string{"192.0.2.2:1000"}, false},
		{"IPv4 within IPv6", [2]string{"192.0.2.1:1000"}, [2]string{"[::ffff:192.0.2.1]:1000"}, true},
		{"others within IPv6", [2]string{"[::ffff:192.0.2.2]:1000"}, [2]string{"[::ffff:192.0.2.1]:1000"}, false},
		{"IPv6, the same 64 bits", [2]string{"[2001:db8::1]:1000"}, [2]string{"[2001:db8:0:0:ffff::]:1000"}, true},
		{"IPv6, other 64 bits", [2]string{"[2001:db8::1]:1000"}, [2]string{"[2001:db8:0:1::1]:1000"}, false},
		{"IPv6, with a zone", [2]string{"[fe80::1%eth0]:1000"}, [2]string{"[fe80::2]:1000"}, true},
		{"behind a trusted proxy", [2]string{proxy, "192.0.2.1"}, [2]string{proxy, "192.0.2.2"}, false},
		{"behind a trusted proxy, one", [2]string{proxy, "192.0.2.1"}, [2]string{"192.0.2.1:1000"}, true},
		{"who says so himself", [2]string{"192.0.2.1:1000", "192.0.2.2"}, [2]string{"192.0.2.1:1000", "192.0.2.3"}, true},
		{"no address", [2]string{"@"}, [2]string{"@"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := transport.NewServer(transport.Config{MaxPerAddress: 1, Handshake: transport.Handshake{
				TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
			}})
			defer s.Close()
			a := call(s, tt.a[0], "X-Forwarded-For", tt.a[1])
			if a.refused() != "" {
				t.Fatal(a.refused())
			}
			want, limited := "", transport.Limited{}
			if tt.same {
				want, limited.PerAddress = fullAddress, 1
			}
			if got := call(s, tt.b[0], "X-Forwarded-For", tt.b[1]).refused(); got != want {
				t.Errorf("the second: %q, want %q", got, want)
			}
			if st := s.Stats(); st.Limited != limited || st.Refused != limited.PerAddress {
				t.Errorf("%+v", st)
			}
			a.Gone(transport.ErrLost)
			for s.Stats().Open == 2 { // the place is free once the connection is not counted
				waitABit()
			}
			if got := call(s, tt.a[0], "X-Forwarded-For", tt.a[1]).refused(); got != "" {
				t.Errorf("after the first had gone: %q", got)
			}
		})
	}
}

// byHeader takes everybody's word for who he is.
func byHeader(r *http.Request) (message.Principal, error) {
	if user := r.Header.Get("User"); user != "" {
		return message.User(user), nil
	}
	return nil, nil
}

func TestMaxPerUser(t *testing.T) {
	refuse := false
	s := transport.NewServer(transport.Config{MaxPerUser: 2, Handshake: transport.Handshake{
		Principal: byHeader,
		Hooks: []func(*http.Request, map[string]any) error{func(*http.Request, map[string]any) error {
			if refuse {
				return message.Errorf(message.CodeDenied, "no")
			}
			return nil
		}},
	}})
	defer s.Close()
	first := call(s, "192.0.2.1:1000", "User", "ann")
	refuse = true
	call(s, "192.0.2.1:1000", "User", "ann") // and gives its place back
	refuse = false
	for _, tt := range []struct{ user, want string }{
		{"ann", ""}, {"ann", fullUser}, {"Ann", ""}, {"", ""}, {"", ""}, {"", ""}, {"ann", fullUser},
	} {
		if got := call(s, "192.0.2.2:1000", "User", tt.user).refused(); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.user, got, tt.want)
		}
	}
	first.Gone(transport.ErrLost)
	if got := call(s, "192.0.2.1:1000", "User", "ann").refused(); got != "" {
		t.Errorf("after one had gone: %q", got)
	}
	if st := s.Stats(); st.Limited != (transport.Limited{PerUser: 2}) || st.Refused != 3 || st.Open != 6 {
		t.Errorf("%+v", st)
	}
}

// nameless is a mistake that is easily made: a user that is not there.
type nameless struct{ name string }

func (n *nameless) Name() string { return n.name }

func TestStreamsAreLimitedPerAddressAndUser(t *testing.T) {
	alice := func(net.Conn) (message.Principal, error) { return message.User("alice"), nil }
	nobody := func(net.Conn) (message.Principal, error) { return (*nameless)(nil), nil }
	for name, tt := range map[string]struct {
		config    transport.Config
		principal func(net.Conn) (message.Principal, error)
		open      int
		limited   transport.Limited
	}{
		"address":            {transport.Config{MaxPerAddress: 1}, alice, 1, transport.Limited{PerAddress: 3}},
		"user":               {transport.Config{MaxPerUser: 1}, alice, 1, transport.Limited{PerUser: 3}},
		"no user":            {transport.Config{MaxPerUser: 1}, nil, 1, transport.Limited{}},
		"a Name that panics": {transport.Config{MaxPerUser: 1}, nobody, 0, transport.Limited{}},
	} {
		t.Run(name, func(t *testing.T) {
			ln, dial := listen(t, "tcp")
			s := serve(t, ln, setup{config: tt.config}, transport.StreamConfig{Principal: tt.principal})
			refused := tt.limited.PerAddress + tt.limited.PerUser
			if tt.open > 0 {
				dial()
				p := <-s.peers
				defer p.conn.Close(nil)
			} else {
				refused = 3
			}
			for range refused {
				turnedAway(t, ln, "")
			}
			settles(t, "still to be refused", 0, func() int { return int(refused - s.Stats().Refused) })
			settles(t, "still to be counted", 0, func() int { return tt.open - s.Stats().Open })
			if st := s.Stats(); st.Open != tt.open || st.Refused != refused || st.Limited != tt.limited {
				t.Errorf("%+v", st)
			}
		})
	}
}

// login connects everybody under the name that the destination is.
func login(ctx context.Context, m message.Raw) error {
	if m.Kind == message.KindConnect && m.Destination != "" {
		m.Session.SetUser(message.User(m.Destination))
	}
	return welcome(ctx, m)
}

// Who logs in counts as whom he logged in, and as the transport's user no more.
func TestMaxPerUserOfALogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		guest := func(net.Conn) (message.Principal, error) { return message.User("guest"), nil }
		s := exchangeOn(t, transport.Config{MaxPerUser: 1}, transport.StreamConfig{Principal: guest}, transport.ExchangeConfig{Tolerant: true}, login)
		defer s.stop()
		ann := s.dial()
		synctest.Wait()         // each connection is let in on a goroutine of its own
		s.dial().want(t, "END") // ann is the guest
		ann.say("OPEN 0 ann")
		ann.want(t, "WELCOME", "DONE 0")
		second := s.dial("OPEN 1 ann", "SAY 2 /news")
		second.want(t, "NO 1 too many connections of this user", "END")
		guests := s.dial("OPEN - guest")
		guests.want(t, "WELCOME")
		ann.Close()
		synctest.Wait()
		bob := s.dial()
		bob.want(t, "END") // there is a guest
		guests.say("LEAVE 3")
		guests.want(t, "DONE 3", "END")
		again := s.dial("OPEN - ann")
		again.want(t, "WELCOME")
		if got, want := s.got(), "ann ann disconnect guest disconnect disconnect ann"; got != want {
			t.Errorf("inbound got %q, want %q", got, want)
		}
		if st := s.Stats(); st.Limited != (transport.Limited{PerUser: 3}) || st.Refused != 2 || st.Closed["limit"] != 1 {
			t.Errorf("%+v", st)
		}
	})
}

// A refusal that is nobody's to pass on, for KindConnected came late, reaches
// the client all the same.
func TestMaxPerUserOfALateLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := make(chan error, 2)
		s := exchangeOn(t, transport.Config{MaxPerUser: 1}, transport.StreamConfig{}, transport.ExchangeConfig{}, func(ctx context.Context, m message.Raw) error {
			if m.Kind == message.KindConnect {
				go func() { refused <- login(ctx, m) }()
			}
			return nil
		})
		defer s.stop()
		first := s.dial("OPEN - ann")
		first.want(t, "WELCOME")
		s.dial("OPEN 1 ann", "SAY 2 /news").want(t, "NO 1 too many connections of this user", "END")
		if err := <-refused; err != nil {
			t.Error(err)
		}
		if err := <-refused; message.Public(err).Code != message.CodeFull {
			t.Errorf("whoever delivers is told %v", err)
		}
		if got, want := s.got(), "ann ann disconnect"; got != want {
			t.Errorf("inbound got %q, want %q", got, want)
		}
		first.Close()
		synctest.Wait()
	})
}
