package nats

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	wmessage "github.com/ThreeDotsLabs/watermill/message"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/headrace/headrace/engines/internal/pubsub"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/watermilladapter"
)

// The client asks the server whether it is there: one that says nothing, without its
// connection having been closed, is found out after three times this.
const pingInterval = 3 * time.Second

// Backplane carries envelopes over NATS.
type Backplane struct {
	// Backplane does the work.
	*watermilladapter.Backplane
	connection *connection
}

// Close ends the subscriptions, and closes the connection.
func (b *Backplane) Close() {
	b.connection.health.Close() // what waits for the server does no more
	b.Backplane.Close()
	b.connection.close()
}

// connection is one to NATS, which lasts for ever.
type connection struct {
	config Config
	nc     *natsgo.Conn
	health *pubsub.Health
	closed chan struct{}
}

// dial connects. A server that is not there is waited for by those who need it.
func dial(c Config) (*connection, error) {
	k := &connection{config: c, health: pubsub.NewHealth(), closed: make(chan struct{})}
	options := append([]natsgo.Option{natsgo.Name("headrace"), natsgo.PingInterval(pingInterval), natsgo.MaxPingsOutstanding(2)}, c.Options...)
	options = append(options,
		natsgo.MaxReconnects(-1),
		natsgo.RetryOnFailedConnect(true),
		natsgo.ReconnectWait(250*time.Millisecond),
		natsgo.ReconnectJitter(100*time.Millisecond, 100*time.Millisecond),
		natsgo.ReconnectBufSize(-1), // what cannot be published is told to who publishes it
		natsgo.ConnectHandler(func(nc *natsgo.Conn) { k.is(true, nc, nil) }),
		natsgo.ReconnectHandler(func(nc *natsgo.Conn) { k.is(true, nc, nil) }),
		natsgo.DisconnectErrHandler(func(nc *natsgo.Conn, err error) { k.is(false, nc, err) }),
		natsgo.ErrorHandler(k.failed),
		natsgo.ClosedHandler(func(*natsgo.Conn) { close(k.closed) }),
	)
	var err error
	if k.nc, err = natsgo.Connect(c.URL, options...); err != nil {
		return nil, fmt.Errorf("nats: connect to %s: %w", redacted(c.URL), err)
	}
	if k.nc.IsConnected() {
		k.health.Set(true) // its handler may come later
	}
	return k, nil
}

// redacted is a server's URL without its password.
func redacted(text string) string {
	if u, err := url.Parse(text); err == nil {
		return u.Redacted()
	}
	return "the server"
}

// is is told by nc, which may be faster than its maker.
func (k *connection) is(available bool, nc *natsgo.Conn, err error) {
	k.health.Set(available)
	if available {
		k.config.logger().Info("nats: connected", "url", nc.ConnectedUrlRedacted())
	} else if err != nil {
		k.config.logger().Warn("nats: connection lost", "error", err)
	}
}

// failed is told what the server or the client thinks of us, such as that a subscriber
// is too slow.
func (k *connection) failed(_ *natsgo.Conn, s *natsgo.Subscription, err error) {
	subject := ""
	if s != nil {
		subject = s.Subject
	}
	k.config.logger().Error("nats: error", "subject", subject, "error", err)
}

func (k *connection) close() {
	k.nc.Close()
	<-k.closed
}

// flush waits until the server has all that was said to it.
func (k *connection) flush(ctx context.Context) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
	}
	return k.nc.FlushWithContext(ctx)
}

// publisher is a function as a Watermill publisher.
type publisher func(ctx context.Context, subject string, m *wmessage.Message) error

func (p publisher) Publish(subject string, messages ...*wmessage.Message) error {
	for _, m := range messages {
		if err := p(m.Context(), subject, m); err != nil {
			return err
		}
	}
	return nil
}

func (publisher) Close() error { return nil }

var (
	errTooLarge = message.Errorf(message.CodeTooLarge, "message is too large for the engine")
	errTopic    = message.Errorf(message.CodeDenied, "the engine does not allow the topic")
)

// refusal is what is wrong with a message, or with the server.
func refusal(err error) error {
	if errors.Is(err, natsgo.ErrMaxPayload) || errors.Is(err, jetstream.ErrStreamMessageExceedsMaximum) {
		return errTooLarge.WithCause(err)
	}
	return err
}

// What the server says that it does not allow.
const (
	publishing  = "Publish to "
	subscribing = "Subscription to "
)

// denied is what the server said since before, which was its last error, against doing that
// with a subject. It says so before it answers a flush, and to nobody in particular: of what it
// denies to two at the same time the last is known alone.
func (k *connection) denied(before error, doing, subject string) error {
	err := k.nc.LastError()
	if errors.Is(err, natsgo.ErrPermissionViolation) && err != before && strings.Contains(err.Error(), doing+strconv.Quote(subject)) {
		return errTopic.WithCause(err)
	}
	return nil
}
