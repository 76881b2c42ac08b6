package headrace_test

import (
	"context"
	"iter"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/messagetest"
)

// endless wires a stream that waits for its context, and tells when it began.
func endless(began chan<- struct{}) func(*headrace.Node) {
	return func(n *headrace.Node) {
		handler.Stream(n.Router, "/ticks", func(ctx context.Context, _ []byte) iter.Seq2[int, error] {
			return func(yield func(int, error) bool) {
				began <- struct{}{}
				<-ctx.Done()
			}
		})
	}
}

// Who leaves is answered, although his stream never ends by itself.
func TestStreamEndsWithItsClient(t *testing.T) {
	began := make(chan struct{}, 1)
	c := serve(t, setup{wire: endless(began)}).connect()
	c.send(sendFrame("/app/ticks", "stream", "go"))
	receive(t, "the stream", began)
	c.send("DISCONNECT\nreceipt:bye\n\n\x00")
	c.wantReceipt("stream")
	c.wantReceipt("bye")
}

// What ends a session is told in its turn, behind the streams before it.
func TestStreamEndsForARefusal(t *testing.T) {
	began := make(chan struct{}, 1)
	c := serve(t, setup{wire: endless(began)}).connect()
	c.send(sendFrame("/app/ticks", "", "go"))
	receive(t, "the stream", began)
	c.send("JUMP\n\n\x00")
	c.want("ERROR")
}

// A drain does not wait for streams.
func TestStreamEndsWithTheServer(t *testing.T) {
	began := make(chan struct{}, 1)
	s := serve(t, setup{wire: endless(began)})
	c := s.connect()
	c.send(sendFrame("/app/ticks", "stream", "go"))
	receive(t, "the stream", began)
	ended := make(chan error, 1)
	go func() { ended <- s.stop() }()
	c.wantReceipt("stream")
	c.wantClosed()
	if err := receive(t, "the end", ended); err != nil {
		t.Error(err)
	}
}

// A stream has its session's turn: UNSUBSCRIBE is handled when it is over.
func TestUnsubscribeWaitsBehindAStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		node := headrace.New(headrace.Config{})
		defer node.Close()
		began := make(chan struct{}, 1)
		endless(began)(node)
		kim := messagetest.Connect(t, node)
		id := kim.Subscribe("/topic/ticks")
		handled := make(chan message.Kind, 2)
		send := func(m message.Raw) {
			m.Session = kim.Session()
			m.Done = message.NewCompletion(message.Handled, func(error) { handled <- m.Kind })
			m.Done.Release(node.Inbound.Handle(t.Context(), m))
		}
		send(message.Raw{Destination: "/app/ticks"})
		<-began
		send(message.Raw{Kind: message.KindUnsubscribe, Subscription: id})
		time.Sleep(time.Hour)
		if left := node.Broker.Stats().Subscriptions; len(handled) > 0 || left != 1 {
			t.Errorf("during the stream: %d messages are handled, %d subscriptions left", len(handled), left)
		}
		kim.Session().Leave() // ends the stream
		if first, second := <-handled, <-handled; first != message.KindData || second != message.KindUnsubscribe {
			t.Errorf("first %v was handled, then %v", first, second)
		}
		if left := node.Broker.Stats().Subscriptions; left != 0 {
			t.Errorf("%d subscriptions left", left)
		}
	})
}
