package broker_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// client is a session whose deliveries are recorded.
type client struct {
	*message.Session
	mu  sync.Mutex
	got []message.Raw
	all []message.Raw // not taken
	err error

	waiting, asked atomic.Int64
}

func newClient(user string) *client {
	c := new(client)
	info := message.SessionInfo{}
	if user != "" {
		info.Principal = message.User(user)
	}
	c.Session = message.NewSession(c, info)
	return c
}

func (c *client) Deliver(_ context.Context, m message.Raw) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got = append(c.got, m)
	c.all = append(c.all, m)
	return c.err
}

func (c *client) Close(error) {}

func (c *client) Waiting() int {
	c.asked.Add(1)
	return int(c.waiting.Load())
}

// take returns what was delivered since the last call, as
// "subscription destination payload", sorted.
func (c *client) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	lines := []string{}
	for _, m := range c.got {
		if m.Kind == message.KindData {
			lines = append(lines, fmt.Sprintf("%s %s %s", m.Subscription, m.Destination, m.Payload))
		}
	}
	slices.Sort(lines)
	c.got = nil
	return lines
}

// outbound delivers to the session, as a node's Outbound does.
var outbound = message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
	return m.Session.Deliver(ctx, m)
})

// ops are the messages of one client to a broker.
type ops struct {
	t *testing.T
	b message.RawHandler
}

func (o ops) do(m message.Raw) error { return o.b.Handle(o.t.Context(), m) }

func (o ops) must(err error) {
	o.t.Helper()
	if err != nil {
		o.t.Fatal(err)
	}
}

func (o ops) connect(c *client) {
	o.t.Helper()
	o.must(o.do(message.Raw{Kind: message.KindConnect, Session: c.Session}))
}

func (o ops) subscribe(c *client, id, dest string) error {
	return o.do(message.Raw{Kind: message.KindSubscribe, Session: c.Session, Subscription: id, Destination: dest})
}

func (o ops) unsubscribe(c *client, id string) error {
	return o.do(message.Raw{Kind: message.KindUnsubscribe, Session: c.Session, Subscription: id})
}

func (o ops) disconnect(c *client) error {
	return o.do(message.Raw{Kind: message.KindDisconnect, Session: c.Session})
}

func (o ops) send(dest, payload string) error {
	return o.do(message.Raw{Destination: dest, Payload: []byte(payload)})
}

func wantCode(t *testing.T, err error, code message.Code) {
	t.Helper()
	if err == nil || message.Public(err).Code != code {
		t.Errorf("error %v, want code %s", err, code)
	}
}

func wantLines(t *testing.T, c *client, want ...string) {
	t.Helper()
	if want == nil {
		want = []string{}
	}
	if got := c.take(); !slices.Equal(got, want) {
		t.Errorf("delivered %q, want %q", got, want)
	}
}

var _ message.RawHandler = (*broker.Memory)(nil)
