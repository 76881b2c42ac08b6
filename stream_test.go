package headrace_test

import (
	"context"
	"iter"
	"testing"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/handler"
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
