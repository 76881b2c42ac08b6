package client_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/client"
	"github.com/headrace/headrace/stompadapter/frame"
)

// kept is a MESSAGE from a history.
func kept(s *client.Subscription, epoch string, offset int, more ...string) string {
	return fmt.Sprintf("MESSAGE\nsubscription:%s\nmessage-id:%s-%[3]d\nack:ack-%[3]d\ndestination:/a\nhr-epoch:%[2]s\nhr-offset:%[3]d\n%s\n%[3]d\x00",
		s.ID(), epoch, offset, strings.Join(more, ""))
}

// answer is what the server says to a subscription that resumes.
func recovery(recovered bool, place string) string {
	return fmt.Sprintf("MESSAGE\nsubscription:s\nmessage-id:x\ndestination:/a\nhr-recovered:%v\n%s\n\x00", recovered, place)
}

// asks returns where a SUBSCRIBE wants to go on.
func asks(f frame.Frame) string {
	offset, ok := f.Header.Lookup("hr-offset")
	if !ok {
		return "nothing"
	}
	return strings.TrimSpace(offset + " " + f.Header.Get("hr-epoch"))
}

// resumed loses the connection and returns the next one, on which the client has
// subscribed again and was answered, and what it asked for.
func resumed(s *server, p *peer, answer string) (*peer, string) {
	p.conn.Close()
	p = <-s.peers
	p.want(frame.Connect)
	f := p.want(frame.Subscribe)
	p.send(answer)
	p.confirm(f)
	return p, asks(f)
}

// resumable subscribes to something with a history.
func resumable(t *testing.T, c *client.Client, p *peer, config client.SubscribeConfig, answer string, handle func(context.Context, message.Raw) error) *client.Subscription {
	t.Helper()
	config.ID, config.Resume = "s", true
	made := in(func() *client.Subscription {
		s, err := c.Subscribe(t.Context(), "/a", config, handle)
		if err != nil {
			t.Error(err)
		}
		return s
	})
	f := p.want(frame.Subscribe)
	if got := asks(f); got != "0" {
		t.Errorf("the first time it asks for %s", got)
	}
	p.send(answer)
	p.confirm(f)
	return <-made
}

func TestResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, connected)
		c, p := dial(t, s, client.Config{})
		defer hangUp(c)
		var got []string
		config := client.SubscribeConfig{Missed: func() { got = append(got, "missed") }}
		sub := resumable(t, c, p, config, recovery(false, "hr-epoch:e\nhr-offset:7\n"), func(_ context.Context, m message.Raw) error {
			got = append(got, string(m.Payload))
			return nil
		})
		at := func(want string) {
			t.Helper()
			synctest.Wait()
			if text := strings.Join(got, " "); text != want {
				t.Errorf("got %q, want %q", text, want)
			}
			got = nil
		}
		asked := func(got, want string) {
			t.Helper()
			if got != want {
				t.Errorf("asked for %q, want %q", got, want)
			}
		}
		at("") // the first answer says where it is, not that anything is missing
		p, a := resumed(s, p, recovery(true, "hr-epoch:e\nhr-offset:7\n"))
		asked(a, "7 e")
		p.send(kept(sub, "e", 8) + kept(sub, "e", 9))
		at("8 9")
		p, a = resumed(s, p, recovery(true, "hr-epoch:e\nhr-offset:9\n")+kept(sub, "e", 10))
		asked(a, "9 e")
		at("10")
		p.send(kept(sub, "e", 11))
		p, a = resumed(s, p, recovery(false, "hr-epoch:e\nhr-offset:20\n")+kept(sub, "e", 21))
		asked(a, "11 e")
		at("11 missed 21")
		p, a = resumed(s, p, recovery(false, "")) // nothing is kept any more
		asked(a, "21 e")
		at("missed")
		p.send(kept(sub, "f", 1) + kept(sub, "f", 2)) // until something is
		p, a = resumed(s, p, recovery(true, "hr-epoch:f\nhr-offset:2\n"))
		asked(a, "2 f")
		at("1 2")
		p.conn.Close()
		p = <-s.peers // which is lost before the server answers
		p.want(frame.Connect)
		p.want(frame.Subscribe)
		_, a = resumed(s, p, recovery(true, "hr-epoch:f\nhr-offset:2\n"))
		asked(a, "2 f")
		at("")
	})
}

// Who does not resume asks for nothing, and gets an answer as any message.
func TestNoResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, connected)
		c, p := dial(t, s, client.Config{})
		defer hangUp(c)
		sub := subscribe(t, c, p, "/a", client.SubscribeConfig{ID: "s"}, nil)
		p.send(kept(sub, "e", 1) + recovery(false, ""))
		pull(t, sub)
		if m := pull(t, sub); m.Header.Get("hr-recovered") != "false" {
			t.Errorf("got %v", m)
		}
		if _, a := resumed(s, p, ""); a != "nothing" {
			t.Errorf("asked for %s", a)
		}
	})
}

// In a loop over messages Missed is called between them, and a panic there is as
// one in a handler.
func TestMissedInALoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, connected)
		c, p := dial(t, s, client.Config{})
		defer hangUp(c)
		missed := 0
		sub := resumable(t, c, p, client.SubscribeConfig{Missed: func() { missed++; panic("flood") }}, recovery(false, "hr-epoch:e\nhr-offset:0\n"), nil)
		p.send(kept(sub, "e", 1))
		resumed(s, p, recovery(false, "hr-epoch:f\nhr-offset:0\n")+kept(sub, "f", 1))
		if m := pull(t, sub); m.Header.Get("hr-epoch") != "e" || missed != 0 {
			t.Errorf("got %v, missed %d", m, missed)
		}
		if m := pull(t, sub); m.Header.Get("hr-epoch") != "f" || missed != 1 {
			t.Errorf("got %v, missed %d", m, missed)
		}
		if log := s.log.String(); !strings.Contains(log, "flood") || !strings.Contains(log, "may be missing") {
			t.Errorf("log: %s", log)
		}
	})
}

// Where messages are acknowledged, a subscription goes on behind those that are,
// and those that were acknowledged behind one that was not are not handled again.
func TestResumeAcknowledged(t *testing.T) {
	type step func(t *testing.T, c *client.Client, p *peer, m map[string]message.Raw)
	ack := func(numbers ...string) step {
		return func(t *testing.T, c *client.Client, _ *peer, m map[string]message.Raw) {
			for _, n := range numbers {
				if err := c.Ack(m[n]); err != nil {
					t.Error(n, err)
				}
			}
		}
	}
	nack := func(n string) step {
		return func(t *testing.T, c *client.Client, _ *peer, m map[string]message.Raw) {
			if err := c.Nack(m[n]); err != nil {
				t.Error(n, err)
			}
		}
	}
	inTx := func(n string, end func(*client.Tx, context.Context) error) step {
		return func(t *testing.T, c *client.Client, p *peer, m map[string]message.Raw) {
			tx, err := c.Begin(t.Context())
			if err := errors.Join(err, tx.Ack(t.Context(), m[n])); err != nil {
				t.Error(err)
			}
			ended := in(func() error { return end(tx, t.Context()) })
			synctest.Wait()
			for f := range p.frames {
				if f.Header.Get("receipt") != "" {
					p.confirm(f)
					break
				}
			}
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	}
	wait := func(d time.Duration) step {
		return func(*testing.T, *client.Client, *peer, map[string]message.Raw) { time.Sleep(d) }
	}
	const one, all = client.AckIndividual, client.AckCumulative
	for _, tc := range []struct {
		name   string
		ack    client.AckMode
		steps  []step
		asks   string
		again  string // of 1 to 5, which come again as far as it asks for them
		before string // of these, which come before the loss once more
	}{
		{"none", one, nil, "0 e", "12345", ""},
		{"the first", one, []step{ack("1")}, "1 e", "2345", ""},
		{"not the first", one, []step{ack("2", "4")}, "0 e", "135", ""},
		{"all in any order", one, []step{ack("3", "2", "1", "5", "4")}, "5 e", "", ""},
		{"a refused one", one, []step{ack("1"), nack("2"), ack("3")}, "1 e", "245", ""},
		{"a refused one that came again", one, []step{nack("1"), ack("2"), ack("1")}, "2 e", "345", "1"},
		{"a refused one after a while", one, []step{nack("1"), wait(time.Minute), ack("2")}, "2 e", "345", ""},
		{"a refused one that came again and stays", one, []step{nack("1"), wait(time.Minute), ack("2")}, "0 e", "1345", "1"},
		{"cumulative", all, []step{ack("3")}, "3 e", "45", ""},
		{"cumulative, refused", all, []step{ack("1"), nack("3")}, "1 e", "2345", ""},
		{"committed", one, []step{inTx("1", (*client.Tx).Commit)}, "1 e", "2345", ""},
		{"aborted", one, []step{inTx("1", (*client.Tx).Abort)}, "0 e", "12345", ""},
		{"committed, cumulative", all, []step{inTx("3", (*client.Tx).Commit)}, "3 e", "45", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t, connected)
				c, p := dial(t, s, client.Config{})
				defer hangUp(c)
				sub := resumable(t, c, p, client.SubscribeConfig{Ack: tc.ack}, recovery(false, "hr-epoch:e\nhr-offset:0\n"), nil)
				m := map[string]message.Raw{}
				for i := range 5 {
					p.send(kept(sub, "e", i+1))
					m[fmt.Sprint(i+1)] = pull(t, sub)
				}
				for i, step := range tc.steps {
					step(t, c, p, m)
					if i == 0 && tc.before != "" {
						p.send(kept(sub, "e", 1, "hr-deliveries:2\n"))
						m[tc.before] = pull(t, sub)
					}
				}
				p, a := resumed(s, p, recovery(true, "hr-epoch:e\nhr-offset:"+strings.Fields(tc.asks)[0]+"\n"))
				if a != tc.asks {
					t.Errorf("asked for %q, want %q", a, tc.asks)
				}
				for i := range 6 {
					if fmt.Sprint(i+1) > a[:1] {
						p.send(kept(sub, "e", i+1))
					}
				}
				var again []string
				for m, err := range sub.Messages(t.Context()) {
					if err != nil {
						t.Fatal(err)
					}
					if again = append(again, string(m.Payload)); again[len(again)-1] == "6" {
						break
					}
				}
				if got := strings.Join(again, ""); got != tc.again+"6" {
					t.Errorf("got %s again, want %s6", got, tc.again)
				}
			})
		})
	}
}

// What a handler was at when the connection was lost is not handled again, and the
// server is told; its answer is not acknowledged.
func TestResumeWhileHandling(t *testing.T) {
	for _, tc := range []struct {
		ack  client.AckMode
		want []string
	}{
		{client.AckIndividual, []string{"ack-1", "ack-2"}},
		{client.AckCumulative, []string{"ack-1", "ack-2"}},
	} {
		t.Run(string(tc.ack), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t, connected)
				c, p := dial(t, s, client.Config{})
				defer hangUp(c)
				var handled []string
				resume := make(chan bool)
				sub := resumable(t, c, p, client.SubscribeConfig{Ack: tc.ack}, recovery(false, "hr-epoch:e\nhr-offset:0\n"), func(_ context.Context, m message.Raw) error {
					<-resume
					handled = append(handled, string(m.Payload))
					return nil
				})
				p.send(kept(sub, "e", 1))
				synctest.Wait()
				p, a := resumed(s, p, recovery(true, "hr-epoch:e\nhr-offset:0\n")+kept(sub, "e", 1)+kept(sub, "e", 2))
				if a != "0 e" {
					t.Errorf("asked for %s", a)
				}
				close(resume)
				synctest.Wait()
				var acks []string
				for range len(p.frames) {
					acks = append(acks, p.want(frame.Ack).Header.Get("id"))
				}
				if !slices.Equal(handled, []string{"1", "2"}) || !slices.Equal(acks, tc.want) {
					t.Errorf("handled %v, acknowledged %v, want %v", handled, acks, tc.want)
				}
			})
		})
	}
}

// A topic whose history ended counts from one again, while subscriptions go on or
// where they come back.
func TestResumeInANewHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, connected)
		c, p := dial(t, s, client.Config{})
		defer hangUp(c)
		sub := resumable(t, c, p, client.SubscribeConfig{Ack: client.AckIndividual}, recovery(false, "hr-epoch:e\nhr-offset:0\n"), nil)
		next := func(octets string) message.Raw {
			t.Helper()
			p.send(octets)
			return pull(t, sub)
		}
		old := next(kept(sub, "e", 1))
		first, second := next(kept(sub, "f", 1)), next(kept(sub, "f", 2))
		if err := errors.Join(c.Nack(old), c.Ack(first), c.Ack(next(kept(sub, "f", 3)))); err != nil {
			t.Error(err)
		}
		if err := c.Ack(next(kept(sub, "e", 1, "hr-deliveries:2\n"))); err != nil { // the server has it still
			t.Error(err)
		}
		p, a := resumed(s, p, recovery(false, "hr-epoch:g\nhr-offset:0\n"))
		if a != "1 f" {
			t.Errorf("asked for %s", a)
		}
		if err := c.Ack(second); !errors.Is(err, client.ErrNotPending) {
			t.Error(err)
		}
		for i := range 4 {
			if m := next(kept(sub, "g", i+1)); string(m.Payload) != fmt.Sprint(i+1) {
				t.Errorf("message %d is %s", i+1, m.Payload)
			}
		}
	})
}
