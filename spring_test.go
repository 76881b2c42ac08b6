package headrace_test

import (
	"context"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/messagetest"
	"github.com/headrace/headrace/stompadapter"
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

// A client that has fallen silent is cut, and its end told to the application, with the
// reason; nothing of it is left, and the others go on.
func TestSilentClientIsGone(t *testing.T) {
	var d diary
	s := serve(t, setup{
		stomp: stompadapter.Config{Heartbeat: stompadapter.HeartbeatConfig{Receive: 200 * time.Millisecond}},
		wire:  d.wire,
	})
	other, c := s.connect(), s.dial()
	other.subscribe("1", "/topic/a")
	c.send("CONNECT\naccept-version:1.2\nhost:h\nheart-beat:200,0\n\n\x00", subscribeFrame("1", "/topic/a", "r"))
	id := c.want("CONNECTED").header["session"]
	c.wantReceipt("r")
	if c.wantClosed(); c.code != websocket.ClosePolicyViolation {
		t.Errorf("closed with %d", c.code)
	}
	eventually(t, "its end is told", func() bool {
		lines, reason := d.of(id)
		return slices.Contains(lines, "disconnected") && message.Public(reason).Code == message.CodeTimeout
	})
	if st := s.node.Stats().Broker; st.Sessions != 1 || st.Subscriptions != 1 {
		t.Errorf("left behind: %+v", st)
	}
	other.send(sendFrame("/topic/a", "", "on"))
	other.wantMessage("1", "on")
}

// What a selector would choose, an interceptor of the way out chooses by any condition
// that Go has, for each session as it likes.
func TestInterceptorInPlaceOfASelector(t *testing.T) {
	n := headrace.New(headrace.Config{})
	defer n.Close()
	n.Outbound.Intercept(func(next message.RawHandler) message.RawHandler {
		return message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
			if wanted, ok := m.Session.Attribute("color"); ok && wanted != m.Header.Get("color") {
				return message.ErrDropped
			}
			return next.Handle(ctx, m)
		})
	})
	red, all := messagetest.Connect(t, n), messagetest.Connect(t, n)
	for _, c := range []*messagetest.Client{red, all} {
		c.Subscribe("/topic/paint")
	}
	red.Session().SetAttribute("color", "red")
	for _, color := range []string{"red", "blue", ""} {
		all.Send("/topic/paint", "", message.Field{Name: "color", Value: color})
	}
	for c, want := range map[*messagetest.Client][]string{red: {"red"}, all: {"red", "blue", ""}} {
		for _, color := range want {
			if got := c.Next(t).Header.Get("color"); got != color {
				t.Errorf("got %q, want %q", got, color)
			}
		}
		c.Refute(t)
	}
}
