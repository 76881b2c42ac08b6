package redis_test

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/internal/proc"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/messagetest"
)

// When it is told that something was cut off before a node has read it, nobody resumes
// over that.
func TestNobodyResumesOverWhatIsCutOff(t *testing.T) {
	const n, to = 1000, "/topic/news"
	c := config(t, proc.StartRedis(t).Addr)
	c.MaxLen = 100
	var gate sync.Mutex
	slow := func(next message.RawHandler) message.RawHandler {
		return message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
			gate.Lock()
			defer gate.Unlock()
			return next.Handle(ctx, m)
		})
	}
	b, told := logs(t, c)
	node := headrace.New(headrace.Config{
		Backplane: b,
		Receiving: []message.Interceptor[[]byte]{slow},
		Rules:     []broker.Rule{{Prefix: "/topic", History: broker.History{Messages: 2 * n}}},
	})
	defer node.Close()
	other := connect(t, c)
	send := func(text string) {
		if err := other.Publish(t.Context(), to, broker.Envelope{Origin: "other", Destination: to, Payload: []byte(text)}); err != nil {
			t.Fatal(err)
		}
	}
	kim := messagetest.Connect(t, node)
	kim.Subscribe(to)
	send("first")
	place := kim.Next(t).Header
	gate.Lock()
	for i := range n {
		send(strconv.Itoa(i))
	}
	gate.Unlock()
	eventually(t, "it is told", func() bool { return len(told) > 0 })
	eventually(t, "kim cannot resume", func() bool {
		back := messagetest.Connect(t, node)
		defer back.Disconnect()
		back.Subscribe(to,
			message.Field{Name: message.HeaderEpoch, Value: place.Get(message.HeaderEpoch)},
			message.Field{Name: message.HeaderOffset, Value: place.Get(message.HeaderOffset)})
		return back.Next(t).Header.Get(message.HeaderRecovered) == "false"
	})
}

// A stream that was lost may have had something that did not come.
func TestWhatALostStreamHadIsMissed(t *testing.T) {
	c := config(t, proc.StartRedis(t).Addr)
	b := connect(t, c)
	var missed atomic.Int64
	t.Cleanup(b.WatchMisses(func(string) { missed.Add(1) }))
	n := receive(t, b, "")
	receive(t, b, "workers")
	publish(t, b, "1")
	eventually(t, "it came", func() bool { return n.Load() == 1 })
	client := goredis.NewUniversalClient(&c.Redis)
	defer client.Close()
	client.FlushAll(t.Context())
	eventually(t, "it is told", func() bool { return missed.Load() == 1 })
	publish(t, b, "2")
	eventually(t, "it came", func() bool { return n.Load() == 2 })
	if missed.Load() != 1 {
		t.Errorf("told %d times", missed.Load())
	}
}
