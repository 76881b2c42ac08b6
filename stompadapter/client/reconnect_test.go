package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/client"
	"github.com/headrace/headrace/stompadapter/frame"
)

// subscribe subscribes and confirms.
func subscribe(t *testing.T, c *client.Client, p *peer, destination string, config client.SubscribeConfig, handle func(context.Context, message.Raw) error) *client.Subscription {
	t.Helper()
	made := in(func() *client.Subscription {
		s, err := c.Subscribe(t.Context(), destination, config, handle)
		if err != nil {
			t.Error(err)
		}
		return s
	})
	p.confirm(p.want(frame.Subscribe))
	return <-made
}

func TestReconnectResubscribesThenSendsTheBuffered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, connected)
		c, p := dial(t, s, client.Config{Passcode: "wheel"})
		defer hangUp(c)
		got := make(chan string, 10)
		handle := func(_ context.Context, m message.Raw) error { got <- string(m.Payload); return nil }
		first := subscribe(t, c, p, "/topic/a", client.SubscribeConfig{}, handle)
		gone := subscribe(t, c, p, "/topic/b", client.SubscribeConfig{}, handle)
		subscribe(t, c, p, "/topic/c", client.SubscribeConfig{ID: "mine", Ack: client.AckIndividual,
			Header: message.NewHeader(message.Field{Name: "selector", Value: "x=1"})}, handle)
		left := in(func() error { return gone.Unsubscribe(t.Context()) })
		p.confirm(p.want(frame.Unsubscribe))
		if err := <-left; err != nil {
			t.Fatal(err)
		}

		p.conn.Close()
		synctest.Wait()
		for i := range 3 {
			if err := c.Send(t.Context(), "/queue/x", fmt.Sprint(i)); err != nil {
				t.Fatal(err)
			}
		}
		receipt := in(func() error { return c.SendReceipt(t.Context(), "/queue/x", "3") })
		p = <-s.peers
		p.want(frame.Connect)
		a := p.want(frame.Subscribe)
		if a.Header.Get("id") != first.ID() || a.Header.Get("destination") != "/topic/a" || a.Header.Get("ack") != "auto" {
			t.Errorf("subscribed again with %v", a.Header)
		}
		b := p.want(frame.Subscribe).Header
		if b.Get("id") != "mine" || b.Get("ack") != "client-individual" || b.Get("selector") != "x=1" {
			t.Errorf("subscribed again with %v", b)
		}
		for i := range 4 {
			f := p.want(frame.Send)
			if string(f.Body) != fmt.Sprint(i) {
				t.Errorf("message %d is %q", i, f.Body)
			}
			if i == 3 {
				p.confirm(f)
			}
		}
		if err := <-receipt; err != nil {
			t.Error(err)
		}
		p.send("MESSAGE\nsubscription:" + first.ID() + "\nmessage-id:1\ndestination:/topic/a\n\nhello\x00")
		if m := <-got; m != "hello" {
			t.Errorf("got %q", m)
		}
		if log := s.log.String(); !strings.Contains(log, "connection lost") || strings.Contains(log, "wheel") {
			t.Errorf("log: %s", log)
		}
	})
}

func TestConnectedIsOfTheLatestConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, "CONNECTED\nversion:1.2\nsession:one\n\n\x00")
		c, p := dial(t, s, client.Config{})
		defer hangUp(c)
		if id := c.Connected().Get("session"); id != "one" {
			t.Errorf("session %q", id)
		}
		s.greeting = "CONNECTED\nversion:1.1\nsession:two\n\n\x00"
		p.conn.Close()
		synctest.Wait()
		if id := c.Connected().Get("session"); id != "one" {
			t.Errorf("without a connection session %q", id)
		}
		(<-s.peers).want(frame.Connect)
		synctest.Wait()
		if id := c.Connected().Get("session"); id != "two" {
			t.Errorf("session %q after another connection", id)
		}
	})
}

// A server that shuts down says when to come back; nobody is held longer than
// Reconnect.MaxDelay.
func TestReconnectWhenTheServerAsks(t *testing.T) {
	for asked, want := range map[string]time.Duration{"4000ms": 4 * time.Second, "0ms": 0, "86400000ms": 20 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			s := newServer(t, connected)
			c, p := dial(t, s, client.Config{Reconnect: client.ReconnectConfig{MinDelay: 10 * time.Second, MaxDelay: 20 * time.Second}})
			defer hangUp(c)
			p.send("ERROR\nmessage:server is shutting down; retry-after=" + asked + "\n\n\x00")
			left := time.Now()
			(<-s.peers).want(frame.Connect)
			if got := time.Since(left); got != want {
				t.Errorf("asked for %s, came back after %v", asked, got)
			}
		})
	}
}

func TestBufferIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, connected)
		c, p := dial(t, s, client.Config{Buffer: 2})
		s.fail(errors.New("down"))
		p.conn.Close()
		synctest.Wait()
		for i := range 4 {
			err := c.Send(t.Context(), "/a", "x")
			if want := i >= 2; errors.Is(err, client.ErrBufferFull) != want || !want && err != nil {
				t.Errorf("Send %d: %v", i, err)
			}
		}
		if err := c.Close(t.Context()); !errors.Is(err, client.ErrAway) {
			t.Errorf("Close: %v, want ErrAway for what was never sent", err)
		}
	})
}

func TestReconnectBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, connected)
		c, p := dial(t, s, client.Config{Reconnect: client.ReconnectConfig{MinDelay: time.Second, MaxDelay: 8 * time.Second}})
		defer hangUp(c)
		s.fail(errors.New("down"))
		p.conn.Close()
		began := time.Now()
		time.Sleep(60 * time.Second)
		// 1, 2, 4, 8, 8... seconds, of each between a half and all of it.
		if n := strings.Count(s.log.String(), "cannot connect"); n < 8 || n > 16 {
			t.Errorf("%d attempts in 60 s", n)
		}
		s.fail(nil)
		p = <-s.peers
		p.want(frame.Connect)
		synctest.Wait()
		if d := time.Since(began); d > 68*time.Second {
			t.Errorf("connected after %v, want at most the longest delay later", d)
		}
		// A connection that lasted makes the next delay short again.
		time.Sleep(time.Minute)
		p.conn.Close()
		began = time.Now()
		(<-s.peers).want(frame.Connect)
		if d := time.Since(began); d < time.Second/2 || d > time.Second {
			t.Errorf("connected after %v, want the first delay", d)
		}
	})
}

// The clients of a server that restarts do not come at once.
func TestReconnectJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		delays := map[time.Duration]bool{}
		for range 20 {
			s := newServer(t, connected)
			c, p := dial(t, s, client.Config{Reconnect: client.ReconnectConfig{MinDelay: time.Second}})
			p.conn.Close()
			lost := time.Now()
			(<-s.peers).want(frame.Connect)
			d := time.Since(lost)
			if d < time.Second/2 || d > time.Second {
				t.Errorf("connected after %v, want a half to all of a second", d)
			}
			delays[d] = true
			hangUp(c)
		}
		if len(delays) < 15 {
			t.Errorf("%d different delays of 20", len(delays))
		}
	})
}

func TestReceiptOfALostConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, connected)
		c, p := dial(t, s, client.Config{})
		defer hangUp(c)
		sent := in(func() error { return c.SendReceipt(t.Context(), "/a", "x") })
		p.want(frame.Send)
		p.conn.Close()
		if err := <-sent; !errors.Is(err, client.ErrAway) {
			t.Errorf("got %v, want ErrAway", err)
		}
		p = <-s.peers
		p.want(frame.Connect)
		synctest.Wait()
		p.quiet() // it may have been handled, so it is not sent again
	})
}

func TestRefusedFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, connected)
		c, p := dial(t, s, client.Config{})
		defer hangUp(c)
		one := in(func() error { return c.SendReceipt(t.Context(), "/a", "1") })
		f := p.want(frame.Send)
		two := in(func() error { return c.SendReceipt(t.Context(), "/a", "2") })
		p.want(frame.Send)
		p.send("ERROR\nmessage:no\\c never\ncode:denied\nreceipt-id:" + f.Header.Get("receipt") + "\n\nwhy\x00")
		err := <-one
		e, ok := errors.AsType[*client.ServerError](err)
		if !ok || errors.Is(err, client.ErrAway) || e.Message != "no: never" || e.Code != message.CodeDenied || string(e.Body) != "why" {
			t.Errorf("the refused: %v", err)
		}
		err = <-two
		if _, ok := errors.AsType[*client.ServerError](err); !ok || !errors.Is(err, client.ErrAway) {
			t.Errorf("the other: %v, want ErrAway with the cause", err)
		}
	})
}

func TestRefusedSubscriptionIsNotMadeAgain(t *testing.T) {
	for _, named := range []bool{true, false} {
		t.Run(fmt.Sprintf("receipt-id %v", named), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t, connected)
				c, p := dial(t, s, client.Config{})
				defer hangUp(c)
				refuse := func(f frame.Frame) {
					h := "ERROR\nmessage:denied\n"
					if named {
						h += "receipt-id:" + f.Header.Get("receipt") + "\n"
					}
					p.send(h + "\n\x00")
					p.conn.Close()
					p = <-s.peers
					p.want(frame.Connect)
				}
				good := subscribe(t, c, p, "/good", client.SubscribeConfig{}, nil)
				later := subscribe(t, c, p, "/later", client.SubscribeConfig{}, nil)
				bad := in(func() error {
					_, err := c.Subscribe(t.Context(), "/bad", client.SubscribeConfig{}, nil)
					return err
				})
				refuse(p.want(frame.Subscribe))
				if _, ok := errors.AsType[*client.ServerError](<-bad); !ok {
					t.Error("Subscribe: no ServerError")
				}
				p.confirm(p.want(frame.Subscribe))
				f := p.want(frame.Subscribe)
				if f.Header.Get("destination") != "/later" {
					t.Errorf("subscribed again to %v", f.Header)
				}
				refuse(f)
				<-later.Done()
				for _, err := range later.Messages(t.Context()) {
					if _, ok := errors.AsType[*client.ServerError](err); !ok {
						t.Errorf("Messages: %v, want ServerError", err)
					}
				}
				p.confirm(p.want(frame.Subscribe))
				synctest.Wait()
				p.quiet()
				if err := good.Err(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A handler that waits for room to send holds up the reader, which has to learn
// of the loss all the same.
func TestHandlerThatSendsOutlivesTheLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, connected)
		c, p := dial(t, s, client.Config{Buffer: 1})
		defer hangUp(c)
		var full, handled int
		sub := subscribe(t, c, p, "/a", client.SubscribeConfig{Pending: 1}, func(ctx context.Context, m message.Raw) error {
			for range 3 {
				if errors.Is(c.Send(ctx, "/b", "x"), client.ErrBufferFull) {
					full++
				}
			}
			handled++
			return nil
		})
		p.pause <- struct{}{}
		go func() {
			for range 4 {
				io.WriteString(p.conn, "MESSAGE\nsubscription:"+sub.ID()+"\nmessage-id:1\ndestination:/a\n\n\x00")
			}
		}()
		synctest.Wait()
		p.conn.Close()
		synctest.Wait()
		if full == 0 || handled == 0 {
			t.Errorf("%d calls refused, %d messages handled, want some", full, handled)
		}
		(<-s.peers).want(frame.Connect)
		<-p.pause
	})
}

func TestSubscribeWaitsForAConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, connected)
		c, p := dial(t, s, client.Config{})
		defer hangUp(c)
		p.conn.Close()
		synctest.Wait()
		made := in(func() error {
			_, err := c.Subscribe(t.Context(), "/a", client.SubscribeConfig{}, nil)
			return err
		})
		synctest.Wait()
		if _, err := c.Begin(t.Context()); !errors.Is(err, client.ErrAway) {
			t.Errorf("Begin: %v, want ErrAway", err)
		}
		p = <-s.peers
		p.want(frame.Connect)
		p.confirm(p.want(frame.Subscribe))
		if err := <-made; err != nil {
			t.Error(err)
		}
	})
}
