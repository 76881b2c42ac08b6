package headrace_test

import (
	"context"
	"strconv"
	"testing"

	"github.com/gorilla/websocket"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/handler"
)

// The order of a session's messages is kept all the way to the user's own
// destination.
func TestOrderToAUser(t *testing.T) {
	const n = 1000
	s := serve(t, setup{stomp: withUsers()})
	c := s.connectAs("joe")
	c.subscribe("own", "/user/queue/numbers")
	go func() {
		for i := range n { // the reader notices when this fails
			c.ws.WriteMessage(websocket.TextMessage, []byte(sendFrame("/user/joe/queue/numbers", "", strconv.Itoa(i))))
		}
	}()
	for i := range n {
		c.wantMessage("own", strconv.Itoa(i))
	}
}

// A subscription to an endpoint is a question: the answer goes to who asked, on
// that subscription.
func TestAnswerToASubscription(t *testing.T) {
	next := 42
	s := serve(t, setup{wire: func(n *headrace.Node) {
		handler.OnSubscribe(n.Router, "/number", func(context.Context, struct{}) (int, error) {
			next++
			return next - 1, nil
		})
	}})
	first, second := s.connect(), s.connect()
	for i, c := range []*client{first, second} {
		want := strconv.Itoa(42 + i)
		c.send(subscribeFrame("n", "/app/number", "r"))
		if f := c.wantMessage("n", want); f.header["destination"] != "/app/number" {
			t.Errorf("the answer came from %s", f.header["destination"])
		}
		c.wantReceipt("r")
	}
	first.sync() // nothing else came
}
