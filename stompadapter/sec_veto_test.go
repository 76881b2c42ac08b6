package stompadapter_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/channel"
	"github.com/headrace/headrace/interceptor"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter"
)

// application is a broker that notes what clients ask of it, and what it delivers.
type application struct {
	*broker.Memory

	mu        sync.Mutex
	asked     []message.Raw // all but Connect and Disconnect
	delivered []message.Raw // all but Connected
}

// newApplication returns one whose deliveries pass gate, where there is one.
func newApplication(gate ...message.RawInterceptor) *application {
	a := new(application)
	a.Memory = broker.NewMemory(message.Chain(message.RawHandler(message.HandlerFunc[[]byte](a.deliver)), gate...), broker.Config{})
	return a
}

func (a *application) deliver(ctx context.Context, m message.Raw) error {
	if m.Kind != message.KindConnected {
		a.mu.Lock()
		a.delivered = append(a.delivered, m)
		a.mu.Unlock()
	}
	return m.Session.Deliver(ctx, m)
}

func (a *application) Handle(ctx context.Context, m message.Raw) error {
	if m.Kind != message.KindConnect && m.Kind != message.KindDisconnect {
		a.mu.Lock()
		a.asked = append(a.asked, m)
		a.mu.Unlock()
	}
	return a.Memory.Handle(ctx, m)
}

// counts returns how much was asked and delivered.
func (a *application) counts() (asked, delivered int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.asked), len(a.delivered)
}

// However an interceptor refuses a CONNECT, on whichever side of the channel: nothing
// that comes in the same message or segment goes any further, there is no CONNECTED,
// and the connection ends, at the login timeout where the client was told nothing.
func TestSec_S06_VetoOfConnect(t *testing.T) {
	const patient, soon = time.Minute, 300 * time.Millisecond
	for name, tt := range map[string]struct {
		veto    func() error
		told    string
		timeout time.Duration
	}{
		"dropped":  {func() error { return message.ErrDropped }, "message dropped", patient},
		"authored": {func() error { return message.Errorf(message.CodeUnauthenticated, "who are you?") }, "who are you?", patient},
		"error":    {func() error { return errors.New("row 17") }, "internal error", patient},
		"panic":    {func() error { panic("row 17") }, "internal error", patient},
		"nil":      {func() error { return nil }, "the login took too long", soon},
	} {
		veto := interceptor.Around(func(ctx context.Context, m message.Raw, next message.RawHandler) error {
			if m.Kind == message.KindConnect {
				return tt.veto()
			}
			return next.Handle(ctx, m)
		})
		for side, mount := range map[string]func(*channel.ExecutorChannel[[]byte], message.RawHandler){
			"before the channel":    func(c *channel.ExecutorChannel[[]byte], h message.RawHandler) { c.Intercept(veto); c.Subscribe(h) },
			"around the subscriber": func(c *channel.ExecutorChannel[[]byte], h message.RawHandler) { c.Subscribe(h, veto) },
		} {
			t.Run(name+" "+side, func(t *testing.T) {
				everywhere(t, func(t *testing.T, dial func(*fortress, http.Header) attacker) {
					app := newApplication()
					defer app.Close()
					in := channel.NewExecutorChannel(channel.Config[[]byte]{Name: "inbound"})
					defer in.Close()
					mount(in, app)
					f := fortify(t, in, stompadapter.Config{LoginTimeout: tt.timeout})
					a := dial(f, nil)
					a.Write([]byte(connect12 + "SUBSCRIBE\nid:1\ndestination:/topic/a\n\n\x00" + send("/topic/a", "r")))
					got := a.rest()
					f.Close()
					if strings.Contains(got, "CONNECTED") || strings.Contains(got, "RECEIPT\n") || strings.Count(got, "ERROR\n") != 1 || !strings.Contains(got, tt.told) || strings.Contains(got, "row 17") {
						t.Errorf("the client got %q", got)
					}
					if asked, delivered := app.counts(); asked+delivered > 0 {
						t.Errorf("%d requests dispatched, %d messages delivered", asked, delivered)
					}
				})
			})
		}
	}
}
