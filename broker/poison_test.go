package broker_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
)

// poisoned is a client who cannot handle a message, and can all others.
type poisoned struct {
	ops
	*client
	way      func() error // out, for the poison
	nack     bool         // it is refused; else nothing is said about it
	poisoned []time.Time  // when it came
}

func (p *poisoned) handle(ctx context.Context, m message.Raw) error {
	if m.Kind != message.KindData || m.Session != p.client.Session {
		return m.Session.Deliver(ctx, m)
	}
	kind := message.KindAck
	if string(m.Payload) == "poison" {
		p.poisoned = append(p.poisoned, time.Now())
		if err := p.way(); err != nil || !p.nack {
			return err
		}
		kind = message.KindNack
	}
	p.must(p.do(message.Raw{Kind: kind, Session: m.Session, Header: m.Header}))
	return p.client.Deliver(ctx, m)
}

// TestNoRetryStorm: a message that nobody can handle is delivered again a few times,
// later and later, and goes to where dead letters go. The others pass it by, and
// 30 s of that take less than 5 % of a core: as time is virtual, they take what they
// cost.
func TestNoRetryStorm(t *testing.T) {
	for name, poison := range map[string]poisoned{
		"refused":                {way: func() error { return nil }, nack: true},
		"never settled":          {way: func() error { return nil }},
		"refused on the way out": {way: func() error { return errors.New("no") }},
		"panics on the way out":  {way: func() error { panic("no") }},
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			synctest.Test(t, func(t *testing.T) { withPoison(t, &poison) })
			if took := time.Since(start); took > 30*time.Second/20 {
				t.Errorf("30 s took %s", took)
			}
		})
	}
}

func withPoison(t *testing.T, p *poisoned) {
	acks := broker.Acks{Deadline: time.Second, DeadLetter: "/queue/dead"} // and the defaults
	b := broker.NewMemory(message.HandlerFunc[[]byte](p.handle), broker.Config{
		Rules:  []broker.Rule{{Prefix: "/queue", Mode: broker.Queue, Acks: acks}},
		Logger: slog.New(slog.DiscardHandler),
	})
	defer b.Close()
	p.ops, p.client = ops{t, b}, newClient("")
	undertaker := newClient("")
	p.connect(p.client)
	p.connect(undertaker)
	p.consume(p.client, "1", "client-individual")
	p.must(p.subscribeAs(undertaker, "1", "/queue/dead", ""))
	p.sendAll("/queue/a", "poison")
	for i := range 300 {
		p.sendAll("/queue/a", fmt.Sprint(i))
		time.Sleep(100 * time.Millisecond)
	}
	wantGot(t, undertaker, fmt.Sprintf("poison x%d", len(p.poisoned)))
	if n := len(p.poisoned) - 1; n < 2 || n > 5 {
		t.Errorf("redelivered %d times, want 5 at most", n)
	}
	for i := 2; i < len(p.poisoned); i++ {
		if d, before := p.poisoned[i].Sub(p.poisoned[i-1]), p.poisoned[i-1].Sub(p.poisoned[i-2]); d <= before {
			t.Errorf("comes again after %s and then %s", before, d)
		}
	}
	good := 0
	for _, line := range p.take() {
		if line != "1 /queue/a poison" {
			good++
		}
	}
	if s := b.Stats(); good != 300 || s.DeadLetters != 1 || s.Bytes != 0 {
		t.Errorf("%d others came, stats %+v", good, s)
	}
}
