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

// messageFrame is a MESSAGE for s. Its ack id is "ack-" and its message-id.
func messageFrame(s *client.Subscription, id, body string) string {
	return fmt.Sprintf("MESSAGE\nsubscription:%s\nmessage-id:%s\nack:ack-%s\ndestination:/queue/a\ncolor:red\ncontent-length:%d\n\n%s\x00",
		s.ID(), id, id, len(body), body)
}

// pull returns the next message of s.
func pull(t *testing.T, s *client.Subscription) message.Raw {
	t.Helper()
	for m, err := range s.Messages(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	t.Fatal("the subscription has ended")
	return message.Raw{}
}

func TestMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, connected)
		c, p := dial(t, s, client.Config{})
		defer hangUp(c)
		sub := subscribe(t, c, p, "/queue/a", client.SubscribeConfig{}, nil)
		p.send(messageFrame(sub, "1", "x\x00y") + "MESSAGE\nsubscription:unknown\nmessage-id:9\ndestination:/b\n\n\x00" + messageFrame(sub, "2", ""))
		m := pull(t, sub)
		if m.Destination != "/queue/a" || m.Subscription != sub.ID() || string(m.Payload) != "x\x00y" || m.Done != nil ||
			m.Header.Get("message-id") != "1" || m.Header.Get("color") != "red" {
			t.Errorf("got %+v", m)
		}
		if m := pull(t, sub); m.Header.Get("message-id") != "2" {
			t.Errorf("got %+v", m)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for m, err := range sub.Messages(ctx) {
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v, %v, want the end of the context", m, err)
			}
		}
		if _, err := c.Subscribe(t.Context(), "/b", client.SubscribeConfig{ID: sub.ID()}, nil); err == nil {
			t.Error("an id can be used twice")
		}
		if _, err := c.Subscribe(t.Context(), "/b", client.SubscribeConfig{Pending: -1}, nil); err == nil {
			t.Error("a negative number may wait")
		}
		left := in(func() error { return sub.Unsubscribe(t.Context()) })
		f := p.want(frame.Unsubscribe)
		p.send(messageFrame(sub, "3", "late"))
		p.confirm(f)
		if err := <-left; err != nil {
			t.Error(err)
		}
		for m, err := range sub.Messages(t.Context()) {
			t.Errorf("after Unsubscribe: %v, %v", m, err)
		}
		if err := sub.Unsubscribe(t.Context()); err != nil || sub.Err() != nil {
			t.Errorf("again: %v, %v", err, sub.Err())
		}
	})
}

// What came before the end of the client is still handed out.
func TestMessagesBeforeTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := dial(t, newServer(t, connected), client.Config{Reconnect: client.ReconnectConfig{Off: true}})
		sub := subscribe(t, c, p, "/queue/a", client.SubscribeConfig{}, nil)
		for i := range 3 {
			p.send(messageFrame(sub, fmt.Sprint(i), "x"))
		}
		p.conn.Close()
		<-c.Done()
		for i := range 3 {
			if m := pull(t, sub); m.Header.Get("message-id") != fmt.Sprint(i) {
				t.Errorf("got %v, want %d", m.Header, i)
			}
		}
		for _, err := range sub.Messages(t.Context()) {
			if !errors.Is(err, client.ErrClosed) {
				t.Errorf("got %v, want ErrClosed", err)
			}
		}
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestHandlerAcknowledges(t *testing.T) {
	for name, tc := range map[string]struct {
		greeting string
		ack      client.AckMode
		want     []string
	}{
		"1.2":         {connected, client.AckIndividual, []string{"ACK id:ack-1", "NACK id:ack-2", "NACK id:ack-3"}},
		"cumulative":  {connected, client.AckCumulative, []string{"ACK id:ack-1", "NACK id:ack-2", "NACK id:ack-3"}},
		"1.1":         {"CONNECTED\nversion:1.1\n\n\x00", client.AckIndividual, []string{"ACK message-id:1 subscription:mine", "NACK message-id:2 subscription:mine", "NACK message-id:3 subscription:mine"}},
		"1.0 no NACK": {"CONNECTED\nsession:1\n\n\x00", client.AckCumulative, []string{"ACK message-id:1 subscription:mine"}},
		"auto":        {connected, client.AckAuto, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t, tc.greeting)
				c, p := dial(t, s, client.Config{})
				defer hangUp(c)
				sub := subscribe(t, c, p, "/queue/a", client.SubscribeConfig{Ack: tc.ack, ID: "mine"}, func(_ context.Context, m message.Raw) error {
					switch string(m.Payload) {
					case "bad":
						return errors.New("broken wheel")
					case "worse":
						panic("flood")
					}
					return nil
				})
				p.send(messageFrame(sub, "1", "good") + messageFrame(sub, "2", "bad") + messageFrame(sub, "3", "worse"))
				synctest.Wait()
				var got []string
				for range len(p.frames) {
					f := <-p.frames
					line := string(f.Command)
					for name, value := range f.Header.All() {
						line += " " + name + ":" + value
					}
					got = append(got, line)
				}
				if strings.Join(got, "\n") != strings.Join(tc.want, "\n") {
					t.Errorf("got %q, want %q", got, tc.want)
				}
				if log := s.log.String(); !strings.Contains(log, "broken wheel") || !strings.Contains(log, "flood") {
					t.Errorf("log: %s", log)
				}
			})
		})
	}
}

// A handler that hands a message over acknowledges it when that is done.
func TestHandedOverMessageIsAcknowledgedLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := dial(t, newServer(t, connected), client.Config{})
		defer hangUp(c)
		taken := make(chan message.Raw, 1)
		sub := subscribe(t, c, p, "/queue/a", client.SubscribeConfig{Ack: client.AckIndividual}, func(_ context.Context, m message.Raw) error {
			m.Done.Hold()
			taken <- m
			return nil
		})
		p.send(messageFrame(sub, "1", "x"))
		m := <-taken
		synctest.Wait()
		p.quiet()
		m.Done.Release(nil)
		if f := p.want(frame.Ack); f.Header.Get("id") != "ack-1" {
			t.Errorf("got %v", f.Header)
		}
	})
}

func TestAckAndNack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := dial(t, newServer(t, connected), client.Config{})
		defer hangUp(c)
		sub := subscribe(t, c, p, "/queue/a", client.SubscribeConfig{Ack: client.AckCumulative}, nil)
		var m [4]message.Raw
		for i := range m {
			p.send(messageFrame(sub, fmt.Sprint(i), "x"))
			m[i] = pull(t, sub)
		}
		if err := errors.Join(c.Ack(m[2]), c.Nack(m[3])); err != nil {
			t.Error(err)
		}
		if id := p.want(frame.Ack).Header.Get("id"); id != "ack-2" {
			t.Errorf("ACK of %s", id)
		}
		if id := p.want(frame.Nack).Header.Get("id"); id != "ack-3" {
			t.Errorf("NACK of %s", id)
		}
		for i := range m { // 0 and 1 went with 2
			if err := c.Ack(m[i]); !errors.Is(err, client.ErrNotPending) {
				t.Errorf("Ack %d: %v, want ErrNotPending", i, err)
			}
		}
		if err := c.Ack(message.Raw{}); !errors.Is(err, client.ErrNotPending) {
			t.Errorf("Ack of any message: %v, want ErrNotPending", err)
		}
		synctest.Wait()
		p.quiet()
	})
}

// The server sends again what was not acknowledged before the loss, so the old
// copies are neither handled nor acknowledged.
func TestLossDropsWhatTheServerSendsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, connected)
		c, p := dial(t, s, client.Config{})
		defer hangUp(c)
		sub := subscribe(t, c, p, "/queue/a", client.SubscribeConfig{Ack: client.AckIndividual}, nil)
		p.send(messageFrame(sub, "1", "x") + messageFrame(sub, "2", "y"))
		old := pull(t, sub)
		p.conn.Close()
		p = <-s.peers
		p.want(frame.Connect)
		p.confirm(p.want(frame.Subscribe))
		if err := c.Ack(old); !errors.Is(err, client.ErrNotPending) {
			t.Errorf("Ack of the old message: %v, want ErrNotPending", err)
		}
		p.send(messageFrame(sub, "3", "x"))
		m := pull(t, sub)
		if m.Header.Get("message-id") != "3" {
			t.Errorf("got %v, want the one that was sent again", m.Header)
		}
		if err := c.Ack(m); err != nil {
			t.Error(err)
		}
		if f := p.want(frame.Ack); f.Header.Get("id") != "ack-3" {
			t.Errorf("got %v", f.Header)
		}
	})
}

// A handler that does not keep up holds up the server; the time counts neither
// against the server's heart-beats nor does anything get lost.
func TestSlowHandlerHoldsUpTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, "CONNECTED\nversion:1.2\nheart-beat:1000,0\n\n\x00")
		c, p := dial(t, s, client.Config{Heartbeat: client.HeartbeatConfig{Send: -1, Receive: time.Second}})
		defer hangUp(c)
		var got []string
		sub := subscribe(t, c, p, "/queue/a", client.SubscribeConfig{Pending: 1}, func(_ context.Context, m message.Raw) error {
			time.Sleep(10 * time.Second)
			got = append(got, m.Header.Get("message-id"))
			return nil
		})
		began := time.Now()
		for i := range 5 {
			p.send(messageFrame(sub, fmt.Sprint(i), "x"))
		}
		if d := time.Since(began); d < 10*time.Second {
			t.Errorf("the server wrote for %v, want it held up", d)
		}
		for range 100 { // the server goes on showing that it is alive
			p.send("\n")
			time.Sleep(time.Second)
		}
		synctest.Wait()
		if strings.Join(got, "") != "01234" || strings.Contains(s.log.String(), "lost") {
			t.Errorf("handled %v; log: %s", got, &s.log)
		}
	})
}

// What cannot be said in a frame is refused, and the connection goes on.
func TestSubscribeRefusesWhatCannotBeSent(t *testing.T) {
	field := func(name, value string) message.Header {
		return message.NewHeader(message.Field{Name: name, Value: value})
	}
	for name, tc := range map[string]struct {
		greeting, destination string
		config                client.SubscribeConfig
	}{
		"NUL in the destination": {connected, "/a\x00", client.SubscribeConfig{}},
		"id that is not UTF-8":   {connected, "/a", client.SubscribeConfig{ID: "\xff"}},
		"header without a name":  {connected, "/a", client.SubscribeConfig{Header: field("", "x")}},
		"two lines in 1.0":       {"CONNECTED\n\n\x00", "/a", client.SubscribeConfig{Header: field("selector", "x\nreceipt:y")}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, p := dial(t, newServer(t, tc.greeting), client.Config{})
				defer hangUp(c)
				_, err := c.Subscribe(t.Context(), tc.destination, tc.config, nil)
				if _, ok := errors.AsType[*message.Error](err); !ok {
					t.Errorf("got %v", err)
				}
				synctest.Wait()
				p.quiet()
				subscribe(t, c, p, "/b", client.SubscribeConfig{}, nil)
			})
		})
	}
}

func TestSubscribeGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := dial(t, newServer(t, connected), client.Config{})
		defer hangUp(c)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := c.Subscribe(ctx, "/a", client.SubscribeConfig{}, func(context.Context, message.Raw) error { return nil })
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		id := p.want(frame.Subscribe).Header.Get("id")
		if f := p.want(frame.Unsubscribe); f.Header.Get("id") != id {
			t.Errorf("took back %v, want %s", f.Header, id)
		}
	})
}
