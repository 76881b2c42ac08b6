package nats_test

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	natsgo "github.com/nats-io/nats.go"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/engines/nats"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/messagetest"
)

// What the client drops for a node that is too slow is missing between two epochs of a
// history: nobody resumes over it.
func TestNobodyResumesOverWhatIsDropped(t *testing.T) {
	c := config(t, serve(t))
	c.Options = []natsgo.Option{natsgo.SyncQueueLen(16)}
	var gate sync.Mutex
	var seen atomic.Int64
	slow := func(next message.RawHandler) message.RawHandler {
		return message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
			gate.Lock()
			defer gate.Unlock()
			number, _ := strconv.ParseInt(string(m.Payload), 10, 64)
			seen.Store(number)
			return next.Handle(ctx, m)
		})
	}
	node := func(receiving ...message.Interceptor[[]byte]) *headrace.Node {
		n := headrace.New(headrace.Config{
			Backplane: connect(t, nats.Core, c),
			Receiving: receiving,
			Rules:     []broker.Rule{{Prefix: "/topic", History: broker.History{Messages: 1000}}},
		})
		t.Cleanup(n.Close)
		return n
	}
	from, to := node(), node(slow)
	kim := messagetest.Connect(t, to)
	kim.Subscribe(topic)
	sent := int64(0)
	send := func(n int) {
		for range n {
			sent++
			if err := from.Template.Send(t.Context(), topic, strconv.FormatInt(sent, 10)); err != nil {
				t.Fatal(err)
			}
		}
	}
	last, epoch, missed := int64(0), "", 0
	for range 3 {
		gate.Lock()
		send(100)
		gate.Unlock()
		eventually(t, "there is room again", func() bool { send(1); return seen.Load() == sent })
		for last < sent {
			m := kim.Next(t)
			number, _ := strconv.ParseInt(string(m.Payload), 10, 64)
			if number != last+1 {
				missed++
				if m.Header.Get(message.HeaderEpoch) == epoch {
					t.Errorf("%d comes behind %d in one epoch", number, last)
				}
			}
			last, epoch = number, m.Header.Get(message.HeaderEpoch)
		}
	}
	if missed == 0 {
		t.Error("nothing was dropped")
	}
}

// A stream that was lost may have had something that did not come.
func TestWhatALostStreamHadIsMissed(t *testing.T) {
	url := serve(t)
	b := connect(t, nats.JetStream, config(t, url))
	var missed atomic.Int64
	t.Cleanup(b.WatchMisses(func(string) { missed.Add(1) }))
	n, stop := receive(t, b, "")
	defer stop()
	_, stopGroup := receive(t, b, "workers")
	defer stopGroup()
	publish(t, b, "1")
	eventually(t, "it came", func() bool { return n.Load() == 1 })
	_, js := admin(t, url)
	if err := js.DeleteStream(t.Context(), "headrace"); err != nil {
		t.Fatal(err)
	}
	publish(t, b, "2")
	eventually(t, "it came", func() bool { return n.Load() == 2 })
	if missed.Load() != 1 {
		t.Errorf("told %d times", missed.Load())
	}
}
