package relay_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headrace/headrace/internal/ledger"
	"github.com/headrace/headrace/internal/proc"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/client"
	"github.com/headrace/headrace/stompadapter/relay"
)

// load is what the application sends through a relay, one after the other, to a broker that
// is killed.
type load struct {
	relay  *relay.Broker
	ledger ledger.Ledger
	tried  atomic.Int64
	acked  atomic.Int64
}

const loaded = "/queue/killed"

// send sends the next one, and returns what it is and where it is told how it ended.
func (l *load) send() (text string, told <-chan error) {
	id, end := ledger.ID{Number: int(l.tried.Add(1))}, make(chan error, 1)
	text = fmt.Sprint(id.Publisher, "-", id.Number)
	m := message.Raw{Destination: loaded, Payload: []byte(text)}
	m.Done = message.NewCompletion(message.Stored, func(err error) {
		l.ledger.Published(id, err)
		if err == nil {
			l.acked.Add(1)
		}
		end <- err
	})
	m.Done.Release(l.relay.Handle(context.Background(), m))
	return text, end
}

// run sends until what it returns is called, which waits.
func (l *load) run() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var sending sync.WaitGroup
	sending.Go(func() {
		for ctx.Err() == nil {
			l.send()
		}
	})
	return func() { cancel(); sending.Wait() }
}

// read takes what the broker has, up to the last.
func (l *load) read(t *testing.T, url, last string) {
	t.Helper()
	reader, err := client.Dial(t.Context(), client.Config{URL: url, Login: "guest", Passcode: "guest", Host: "/"})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close(t.Context())
	sub, err := reader.Subscribe(t.Context(), loaded, client.SubscribeConfig{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for m, err := range sub.Messages(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		var id ledger.ID
		if _, err := fmt.Sscanf(string(m.Payload), "%d-%d", &id.Publisher, &id.Number); err != nil {
			t.Errorf("%q came", m.Payload)
		}
		l.ledger.Delivered("queue", id)
		if string(m.Payload) == last {
			return
		}
	}
}

// killed kills the broker, as kill -9 does, under a load of the application's messages. What
// was confirmed is there afterwards, in its order, little of it twice and nothing else, and
// the relay comes back soon. settle lets the broker know its queue for good.
func killed(t *testing.T, p *proc.Process, c relay.Config, url string, settle func()) {
	const least, inFlight = 20_000, 1000
	c.SendTimeout = time.Second // the sender need not wait for a window that stays full
	b := start(t, c)
	l := &load{relay: b}
	one := func() (string, error) {
		text, told := l.send()
		return text, <-told
	}
	if _, err := one(); err != nil {
		t.Fatal(err)
	}
	settle()
	kills, recovery := 1, 20*time.Second // the machine may be busy
	if *long {
		kills, recovery = 5, 6*time.Second // one reconnect delay and one second
	}
	for range kills {
		before, reconnects := l.acked.Load(), b.Stats().Reconnects
		stop := l.run()
		eventually(t, "the load runs", func() bool { return l.acked.Load() > before+least })
		p.Stop() // what is in flight now stays so, and more is sent
		eventually(t, "enough is in flight", func() bool { return b.Stats().Waiting >= inFlight })
		p.Kill()
		stop()
		eventually(t, "the loss is seen", func() bool { return !b.Stats().Available })
		if _, err := one(); !errors.Is(err, relay.ErrAway) {
			t.Errorf("while the broker is away: %v", err)
		}
		p.Launch() // returns when the port is back
		back := time.Now()
		eventually(t, "the relay is back", func() bool { return b.Stats().Available })
		if took := time.Since(back); took > recovery {
			t.Errorf("the relay was back %v after the port", took)
		}
		eventually(t, "what was in flight is confirmed", func() bool { s := b.Stats(); return s.Available && s.Waiting == 0 })
		if b.Stats().Reconnects == reconnects {
			t.Fatal("void: no connection broke")
		}
	}
	last, err := one()
	if err != nil {
		t.Fatal(err)
	}
	l.read(t, url, last)
	verdict, resent := l.ledger.Check("queue"), b.Stats().Resent
	t.Logf("%d kills: %d tried, %d sent again: %v", kills, l.tried.Load(), resent, verdict)
	if verdict.Lost > 0 || verdict.Reordered > 0 || verdict.Ghosts > 0 || 20*verdict.Doubled > verdict.Acked {
		t.Errorf("%v, want at most 5 %% doubled and nothing else", verdict)
	}
	if resent == 0 {
		t.Error("void: nothing was sent again")
	}
}
