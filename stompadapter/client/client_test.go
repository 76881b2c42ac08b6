package client_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/client"
	"github.com/headrace/headrace/stompadapter/frame"
)

func TestConnectFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, connected)
		c, err := client.Dial(t.Context(), client.Config{
			URL: "tcp://mill.example:1234", Dial: s.dial, Login: "ada", Passcode: "wheel",
			Header:    message.NewHeader(message.Field{Name: "client-id", Value: "7"}, message.Field{Name: "login", Value: "eve"}),
			Heartbeat: client.HeartbeatConfig{Send: 3 * time.Second, Receive: -1},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer hangUp(c)
		h := (<-s.peers).want(frame.Connect).Header
		for name, want := range map[string]string{
			"accept-version": "1.0,1.1,1.2", "host": "mill.example", "login": "ada", "passcode": "wheel",
			"heart-beat": "3000,0", "client-id": "7",
		} {
			if got := h.Get(name); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
	})
}

func TestVersion(t *testing.T) {
	for _, tc := range []struct {
		highest       frame.Version
		offer, answer string
		good          bool
	}{
		{0, "1.0,1.1,1.2", "version:1.2\n", true},
		{0, "1.0,1.1,1.2", "version:1.1\n", true},
		{frame.V11, "1.0,1.1", "version:1.1\n", true},
		{frame.V11, "1.0,1.1", "version:1.2\n", false},
		{frame.V10, "1.0", "", true},
	} {
		t.Run(tc.offer+" "+tc.answer, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t, "CONNECTED\n"+tc.answer+"server:mill/2\n\n\x00")
				c, err := client.Dial(t.Context(), client.Config{URL: "tcp://mill", Dial: s.dial, Version: tc.highest})
				if (err == nil) != tc.good {
					t.Errorf("Dial: %v", err)
				}
				if got := (<-s.peers).want(frame.Connect).Header.Get("accept-version"); got != tc.offer {
					t.Errorf("offered %s, want %s", got, tc.offer)
				}
				if err == nil {
					defer hangUp(c)
					if h := c.Connected(); h.Get("server") != "mill/2" || tc.answer != "" && "version:"+h.Get("version")+"\n" != tc.answer {
						t.Errorf("connected with %v", h)
					}
				}
			})
		})
	}
}

func TestBadConfigSendsNothing(t *testing.T) {
	for name, c := range map[string]client.Config{
		"login with a line end":    {URL: "tcp://mill", Login: "a\nadmin:true"},
		"passcode with a line end": {URL: "tcp://mill", Login: "a", Passcode: "b\r"},
		"host with NUL":            {URL: "tcp://mill", Host: "h\x00"},
		"header name with a colon": {URL: "tcp://mill", Header: message.NewHeader(message.Field{Name: "a:b", Value: "c"})},
		"scheme":                   {URL: "http://mill"},
		"no URL":                   {},
		"no host":                  {URL: "ws:///ws"},
		"credentials in the URL":   {URL: "tcp://ada:hunter2@mill"},
		"malformed URL":            {URL: "tcp://ada:hunter2@mill:port"},
		"header name of two lines": {URL: "tcp://mill", Header: message.NewHeader(message.Field{Name: "a\nlogin", Value: "c"})},
		"HTTP header of two lines": {URL: "ws://mill", HTTPHeader: http.Header{"Cookie": {"a=b\r\nOrigin: https://mill"}}},
		"HTTP name of two lines":   {URL: "ws://mill", HTTPHeader: http.Header{"A: b\r\nC": {"d"}}},
		"negative buffer":          {URL: "tcp://mill", Buffer: -1},
		"half a character":         {URL: "ws://mill", MessageBytes: 3},
		"negative timeout":         {URL: "tcp://mill", ConnectTimeout: -1},
		"negative delay":           {URL: "tcp://mill", Reconnect: client.ReconnectConfig{MinDelay: -1}},
		"version of the future":    {URL: "tcp://mill", Version: frame.V12 + 1},
	} {
		t.Run(name, func(t *testing.T) {
			c.Dial = func(context.Context) (net.Conn, error) {
				t.Error("dialed")
				return nil, errors.New("no")
			}
			_, err := client.Dial(t.Context(), c)
			if err == nil {
				t.Fatal("no error")
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error holds the password: %v", err)
			}
		})
	}
}

func TestDialRefused(t *testing.T) {
	for name, tc := range map[string]struct{ greeting, want string }{
		"ERROR":           {"ERROR\nmessage:who are you\ncode:unauthenticated\n\nmore\x00", "unauthenticated: who are you"},
		"another frame":   {"RECEIPT\nreceipt-id:1\n\n\x00", "answered CONNECT with RECEIPT"},
		"unknown version": {"CONNECTED\nversion:2.0\n\n\x00", "speaks version"},
		"bad heart-beat":  {"CONNECTED\nversion:1.2\nheart-beat:soon\n\n\x00", "heart-beat"},
		"no STOMP":        {"HTTP/1.1 400 Bad Request\r\n\r\n", "unknown command"},
		"silence":         {"", "deadline exceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t, tc.greeting)
				_, err := client.Dial(t.Context(), client.Config{URL: "tcp://mill", Dial: s.dial, Login: "ada", Passcode: "wheel"})
				if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "wheel") {
					t.Fatalf("got %v, want %q", err, tc.want)
				}
				e, ok := errors.AsType[*client.ServerError](err)
				if ok != (name == "ERROR") {
					t.Errorf("ServerError: %v", ok)
				}
				if ok && (e.Message != "who are you" || e.Code != message.CodeUnauthenticated || string(e.Body) != "more") {
					t.Errorf("got %+v", e)
				}
			})
		})
	}
}

func TestHeartbeatsAreSentInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, "CONNECTED\nversion:1.2\nheart-beat:0,4000\n\n\x00")
		c, p := dial(t, s, client.Config{Heartbeat: client.HeartbeatConfig{Send: time.Second, Receive: -1}})
		defer hangUp(c)
		time.Sleep(5 * time.Second)
		if err := c.Send(t.Context(), "/a", "x"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(15 * time.Second)
		p.mu.Lock()
		defer p.mu.Unlock()
		if n := len(p.heard); n < 6 || n > 9 {
			t.Errorf("%d writes in 20 s, want few more than one every 4 s", n)
		}
		for i := range p.heard[1:] {
			if gap := p.heard[i+1].Sub(p.heard[i]); gap > 4*time.Second {
				t.Errorf("nothing was sent for %v, want at most 4 s", gap)
			}
		}
	})
}

func TestSilentServerIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, "CONNECTED\nversion:1.2\nheart-beat:3000,0\n\n\x00")
		c, p := dial(t, s, client.Config{
			Heartbeat: client.HeartbeatConfig{Send: -1, Receive: time.Second},
			Reconnect: client.ReconnectConfig{Off: true},
		})
		for range 3 { // any octet is a sign of life
			time.Sleep(5 * time.Second)
			p.send("\n")
		}
		began := time.Now()
		<-c.Done()
		if d := time.Since(began); d != 6*time.Second {
			t.Errorf("lost after %v of silence, want two heart-beats of 3 s", d)
		}
		if err := c.Err(); !errors.Is(err, client.ErrClosed) || !strings.Contains(err.Error(), "silent for 6s") {
			t.Errorf("got %v", err)
		}
		if err := c.Send(t.Context(), "/a", "x"); !errors.Is(err, client.ErrClosed) {
			t.Errorf("Send: %v, want ErrClosed", err)
		}
		if err := c.Close(t.Context()); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
}

func TestNoHeartbeatsInVersion10(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, "CONNECTED\nsession:1\nheart-beat:1000,1000\n\n\x00")
		c, p := dial(t, s, client.Config{Heartbeat: client.HeartbeatConfig{Send: time.Second, Receive: time.Second}})
		defer hangUp(c)
		time.Sleep(time.Minute)
		p.mu.Lock()
		defer p.mu.Unlock()
		if len(p.heard) != 1 {
			t.Errorf("%d writes, want CONNECT alone", len(p.heard))
		}
	})
}

func TestCloseInGoodOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, connected)
		c, p := dial(t, s, client.Config{})
		for range 3 {
			if err := c.Send(t.Context(), "/a", "x"); err != nil {
				t.Fatal(err)
			}
		}
		closed := in(func() error { return c.Close(t.Context()) })
		for range 3 {
			p.want(frame.Send)
		}
		bye := p.want(frame.Disconnect)
		synctest.Wait()
		select {
		case err := <-closed:
			t.Fatalf("Close returned %v before the receipt", err)
		default:
		}
		if err := c.Send(t.Context(), "/a", "x"); !errors.Is(err, client.ErrClosed) {
			t.Errorf("Send after DISCONNECT: %v, want ErrClosed", err)
		}
		p.confirm(bye)
		if err := <-closed; err != nil {
			t.Errorf("Close: %v", err)
		}
		synctest.Wait()
		p.quiet()
		if err := c.Close(gone()); err != nil {
			t.Errorf("second Close: %v", err)
		}
		if _, err := c.Subscribe(t.Context(), "/a", client.SubscribeConfig{}, nil); !errors.Is(err, client.ErrClosed) {
			t.Errorf("Subscribe: %v, want ErrClosed", err)
		}
	})
}

func TestCloseEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, connected)
		c, p := dial(t, s, client.Config{})
		subscribed := in(func() error {
			_, err := c.Subscribe(t.Context(), "/a", client.SubscribeConfig{}, func(ctx context.Context, m message.Raw) error {
				<-ctx.Done()
				return ctx.Err()
			})
			return err
		})
		p.confirm(p.want(frame.Subscribe))
		if err := <-subscribed; err != nil {
			t.Fatal(err)
		}
		p.send("MESSAGE\nsubscription:s1\nmessage-id:1\ndestination:/a\n\n\x00")
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		began := time.Now()
		if err := c.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close: %v, want the end of its context", err)
		}
		if d := time.Since(began); d != 5*time.Second {
			t.Errorf("Close took %v, want 5 s", d)
		}
	})
}
