package client_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/client"
	"github.com/headrace/headrace/stompadapter/frame"
)

func TestSendEncodes(t *testing.T) {
	type trade struct{ Symbol string }
	field := func(name, value string) message.Field { return message.Field{Name: name, Value: value} }
	for name, tc := range map[string]struct {
		payload     any
		header      []message.Field
		contentType string
		body        string
	}{
		"text":      {"grind", nil, "text/plain;charset=utf-8", "grind"},
		"bytes":     {[]byte("a\x00b"), nil, "application/octet-stream", "a\x00b"},
		"typed":     {trade{"ACME"}, nil, "application/json", `{"Symbol":"ACME"}`},
		"raw JSON":  {[]byte(`{}`), []message.Field{field("content-type", "application/json")}, "application/json", `{}`},
		"nothing":   {[]byte(nil), nil, "", ""},
		"reserved":  {"x", []message.Field{field("destination", "/evil"), field("receipt", "r"), field("content-length", "9")}, "text/plain;charset=utf-8", "x"},
		"user's":    {"x", []message.Field{field("a", "1: \n2"), field("a", "3")}, "text/plain;charset=utf-8", "x"},
		"no UTF-16": {"x", []message.Field{field("content-type", "text/plain;charset=UTF-8")}, "text/plain;charset=UTF-8", "x"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, p := dial(t, newServer(t, connected), client.Config{})
				defer hangUp(c)
				if err := c.Send(t.Context(), "/queue/mill", tc.payload, tc.header...); err != nil {
					t.Fatal(err)
				}
				f := p.want(frame.Send)
				if f.Header.Get("destination") != "/queue/mill" || f.Header.Get("content-type") != tc.contentType || string(f.Body) != tc.body {
					t.Errorf("sent %v %q", f.Header, f.Body)
				}
				if _, ok := f.Header.Lookup("receipt"); ok {
					t.Error("a receipt nobody waits for")
				}
				if name == "user's" && f.Header.Get("a") != "1: \n2" {
					t.Errorf("header a is %q", f.Header.Get("a"))
				}
			})
		})
	}
}

func TestSendRefusesWhatCannotBeSent(t *testing.T) {
	for name, tc := range map[string]struct {
		greeting string
		payload  any
		field    message.Field
	}{
		"NUL in a header":           {connected, "x", message.Field{Name: "a", Value: "\x00"}},
		"no name":                   {connected, "x", message.Field{Value: "b"}},
		"not UTF-8":                 {connected, "x", message.Field{Name: "a", Value: "\xff"}},
		"line end in 1.0":           {"CONNECTED\nsession:1\n\n\x00", "x", message.Field{Name: "a", Value: "b\nc:d"}},
		"type that JSON cannot say": {connected, func() {}, message.Field{Name: "a", Value: "b"}},
		"unknown content type":      {connected, 7, message.Field{Name: "content-type", Value: "image/png"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, p := dial(t, newServer(t, tc.greeting), client.Config{})
				defer hangUp(c)
				err := c.Send(t.Context(), "/a", tc.payload, tc.field)
				if _, ok := errors.AsType[*message.Error](err); !ok {
					t.Errorf("got %v", err)
				}
				synctest.Wait()
				p.quiet()
			})
		})
	}
}

func TestReceiptEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := dial(t, newServer(t, connected), client.Config{})
		defer hangUp(c)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		sent := in(func() error { return c.SendReceipt(ctx, "/a", "x") })
		f := p.want(frame.Send) // and answers too late
		if err := <-sent; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		p.confirm(f)
		next := in(func() error { return c.SendReceipt(t.Context(), "/a", "y") })
		p.confirm(p.want(frame.Send))
		if err := <-next; err != nil {
			t.Error(err)
		}
	})
}

// The server does not read for a while: senders wait, and one that gives up
// leaves no half of a frame behind.
func TestSendWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, connected)
		c, p := dial(t, s, client.Config{Buffer: 1})
		defer hangUp(c)
		p.pause <- struct{}{}
		var outcome [8]error
		for i := range outcome {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			outcome[i] = c.Send(ctx, "/a", fmt.Sprint(i))
			cancel()
		}
		<-p.pause
		if last := outcome[len(outcome)-1]; !errors.Is(last, context.DeadlineExceeded) {
			t.Errorf("the last Send: %v, want it to wait until its context ended", last)
		}
		for i, err := range outcome {
			if err != nil {
				continue
			}
			if f := p.want(frame.Send); string(f.Body) != fmt.Sprint(i) {
				t.Errorf("got %q, want %d", f.Body, i)
			}
		}
		if err := c.Send(gone(), "/a", "x"); !errors.Is(err, context.Canceled) {
			t.Errorf("Send with a context that is over: %v", err)
		}
		synctest.Wait()
		p.quiet()
	})
}

// What waits while a write goes on goes out in the next one, but not without
// end.
func TestFramesAreJoined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := dial(t, newServer(t, connected), client.Config{})
		defer hangUp(c)
		p.pause <- struct{}{}
		send := func(body string) {
			if err := c.Send(t.Context(), "/a", body); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		send("heard")
		send("written")
		for i := range 100 {
			send(fmt.Sprint(i))
		}
		send(strings.Repeat("x", 33<<10))
		send("last")
		<-p.pause
		for range 104 {
			p.want(frame.Send)
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		if n := len(p.heard); n != 5 {
			t.Errorf("%d writes, want CONNECT, two alone, a hundred with a large one, and the last", n)
		}
	})
}

func TestSendersWhoWaitLearnOfTheLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, connected)
		c, p := dial(t, s, client.Config{Buffer: 1})
		defer hangUp(c)
		s.fail(errors.New("down"))
		p.pause <- struct{}{}
		sent := in(func() error {
			for {
				if err := c.Send(t.Context(), "/a", "x"); err != nil {
					return err
				}
			}
		})
		synctest.Wait()
		p.conn.Close()
		if err := <-sent; !errors.Is(err, client.ErrBufferFull) {
			t.Errorf("got %v, want ErrBufferFull", err)
		}
		<-p.pause
	})
}

func TestOrderOfOneSender(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := dial(t, newServer(t, connected), client.Config{Buffer: 3})
		defer hangUp(c)
		const n = 200
		go func() {
			for i := range n {
				if err := c.Send(t.Context(), "/a", fmt.Sprint(i)); err != nil {
					t.Error(err)
				}
			}
		}()
		for i := range n {
			if f := p.want(frame.Send); string(f.Body) != fmt.Sprint(i) {
				t.Fatalf("got %q, want %d", f.Body, i)
			}
		}
	})
}

func TestTransaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := dial(t, newServer(t, connected), client.Config{})
		defer hangUp(c)
		sub := subscribe(t, c, p, "/queue/a", client.SubscribeConfig{Ack: client.AckIndividual}, nil)
		p.send(messageFrame(sub, "1", "x"))
		m := pull(t, sub)
		tx, err := c.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(tx.Send(t.Context(), "/queue/b", "y"), tx.Ack(t.Context(), m)); err != nil {
			t.Fatal(err)
		}
		id := p.want(frame.Begin).Header.Get("transaction")
		for _, command := range []frame.Command{frame.Send, frame.Ack} {
			if got := p.want(command).Header.Get("transaction"); id == "" || got != id {
				t.Errorf("%s in transaction %q, want %q", command, got, id)
			}
		}
		if err := c.Ack(m); !errors.Is(err, client.ErrNotPending) {
			t.Errorf("second Ack: %v, want ErrNotPending", err)
		}
		done := in(func() error { return tx.Commit(t.Context()) })
		f := p.want(frame.Commit)
		if f.Header.Get("transaction") != id {
			t.Errorf("COMMIT of %v", f.Header)
		}
		p.confirm(f)
		if err := <-done; err != nil {
			t.Error(err)
		}
		for name, err := range map[string]error{
			"Commit": tx.Commit(t.Context()), "Abort": tx.Abort(t.Context()),
			"Send": tx.Send(t.Context(), "/a", "x"), "Ack": tx.Ack(t.Context(), m),
		} {
			if !errors.Is(err, client.ErrTxDone) {
				t.Errorf("%s after Commit: %v, want ErrTxDone", name, err)
			}
		}

		other, err := c.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if next := p.want(frame.Begin).Header.Get("transaction"); next == id {
			t.Errorf("transaction %q twice", id)
		}
		done = in(func() error { return other.Abort(t.Context()) })
		p.confirm(p.want(frame.Abort))
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestTransactionEndsWithItsConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, connected)
		c, p := dial(t, s, client.Config{})
		defer hangUp(c)
		tx, err := c.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		p.want(frame.Begin)
		p.conn.Close()
		p = <-s.peers
		p.want(frame.Connect)
		synctest.Wait()
		if err := tx.Send(t.Context(), "/a", "x"); !errors.Is(err, client.ErrAway) {
			t.Errorf("Send: %v, want ErrAway", err)
		}
		if err := tx.Commit(t.Context()); !errors.Is(err, client.ErrAway) {
			t.Errorf("Commit: %v, want ErrAway", err)
		}
		synctest.Wait()
		p.quiet()
	})
}
