package headrace_test

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/messagetest"
)

// echoes wires an endpoint that answers each client on a topic of its own.
func echoes(n *headrace.Node) {
	handler.Handle(n.Router, "/echo/{who}", func(_ context.Context, r handler.Request[string]) (string, error) {
		return r.Payload, nil
	}, handler.SendTo("/topic/echo/{who}"))
}

// inOrder sends numbered messages and reads their echoes, and each receipt
// behind its echo.
func inOrder(c *client, who string, n int) error {
	go func() {
		for i := range n { // the reader notices when this fails
			f := sendFrame("/app/echo/"+who, strconv.Itoa(i), strconv.Itoa(i))
			c.ws.WriteMessage(websocket.TextMessage, []byte(f))
		}
	}()
	for i := range n {
		want := strconv.Itoa(i)
		if f, ok := c.next(); !ok || f.command != "MESSAGE" || f.body != want {
			return fmt.Errorf("client %s got %v, want message %s", who, f, want)
		}
		if f, ok := c.next(); !ok || f.command != "RECEIPT" || f.header["receipt-id"] != want {
			return fmt.Errorf("client %s got %v, want receipt %s", who, f, want)
		}
	}
	return nil
}

func TestOrderOfOneSession(t *testing.T) {
	s := serve(t, setup{wire: echoes})
	c := s.connect()
	c.subscribe("echo", "/topic/echo/one")
	if err := inOrder(c, "one", 2000); err != nil {
		t.Error(err)
	}
}

func TestOrderOfManySessions(t *testing.T) {
	s := serve(t, setup{wire: echoes})
	var all sync.WaitGroup
	for i := range 50 {
		c, who := s.connect(), strconv.Itoa(i)
		c.subscribe("echo", "/topic/echo/"+who)
		all.Go(func() {
			if err := inOrder(c, who, 200); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// meeting is an endpoint whose first call waits for the second, as long as ctx
// lasts.
func meeting(met chan<- bool, give <-chan struct{}) func(*headrace.Node) {
	second := make(chan struct{})
	return func(n *headrace.Node) {
		handler.Consume(n.Router, "/meet", func(_ context.Context, who string) error {
			if who == "second" {
				close(second)
				return nil
			}
			select {
			case <-second:
				met <- true
			case <-give:
				met <- false
			}
			return nil
		})
	}
}

func TestUnorderedInboundOverlaps(t *testing.T) {
	met := make(chan bool, 1)
	s := serve(t, setup{node: headrace.Config{UnorderedInbound: true}, wire: meeting(met, nil)})
	c := s.connect()
	c.send(sendFrame("/app/meet", "1", "first") + sendFrame("/app/meet", "2", "second"))
	receive(t, "two messages of a session at once", met)
	c.wantReceipt("1") // receipts keep the order of the frames
	c.wantReceipt("2")
}

func TestOrderedInboundDoesNotOverlap(t *testing.T) {
	met, give := make(chan bool, 1), make(chan struct{})
	s := serve(t, setup{wire: meeting(met, give)})
	c := s.connect()
	s.idle()
	c.send(sendFrame("/app/meet", "1", "first") + sendFrame("/app/meet", "2", "second"))
	eventually(t, "both are accepted", func() bool { return s.node.Stats().Inbound.UnderWay == 2 })
	s.connect().sync() // others are not held up
	close(give)
	if receive(t, "the end of the first", met) {
		t.Error("two messages of one session were handled at once")
	}
	c.wantReceipt("1")
	c.wantReceipt("2")
}

// A receipt waits for those before it, even when its frame is done first.
func TestReceiptsInFrameOrder(t *testing.T) {
	gate := make(chan struct{})
	s := serve(t, setup{node: headrace.Config{UnorderedInbound: true}, wire: func(n *headrace.Node) {
		handler.Consume(n.Router, "/wait", func(context.Context, struct{}) error {
			<-gate
			return nil
		})
	}})
	c := s.connect()
	c.subscribe("x", "/topic/x")
	c.send(sendFrame("/app/wait", "1", ""))
	for i := range 20 {
		c.send(sendFrame("/topic/x", strconv.Itoa(i+2), ""))
	}
	for range 20 { // done, and delivered, before the first one's receipt
		c.wantMessage("x", "")
	}
	close(gate)
	for i := range 21 {
		c.wantReceipt(strconv.Itoa(i + 1))
	}
}

// TestOutboundOrder: what is published first arrives first, however long the way out
// takes, unless the config gives that up; both drain.
func TestOutboundOrder(t *testing.T) {
	for want, config := range map[string]headrace.Config{
		"[slow fast]": {},
		"[fast slow]": {UnorderedOutbound: true},
	} {
		synctest.Test(t, func(t *testing.T) {
			config.Gate = []message.RawInterceptor{func(next message.RawHandler) message.RawHandler {
				return message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
					if string(m.Payload) == "slow" {
						time.Sleep(time.Second)
					}
					return next.Handle(ctx, m)
				})
			}}
			node := headrace.New(config)
			kim := messagetest.Connect(t, node)
			kim.Subscribe("/topic/a")
			for _, payload := range []string{"slow", "fast"} {
				must(t, node.Template.Send(t.Context(), "/topic/a", payload))
			}
			must(t, node.Shutdown(t.Context()))
			got := []string{string(kim.Next(t).Payload), string(kim.Next(t).Payload)}
			if fmt.Sprint(got) != want {
				t.Errorf("got %v, want %s", got, want)
			}
		})
	}
}
