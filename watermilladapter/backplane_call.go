package watermilladapter

import (
	"context"
	"errors"
	"time"

	wmessage "github.com/ThreeDotsLabs/watermill/message"

	"github.com/headrace/headrace/message"
)

// leaver is a subscriber that hands out nothing more once it was told to leave, and still
// takes what becomes of the rest.
type leaver interface{ Leave() }

// caller is a subscriber that calls handle with what comes, one message after the other,
// until ctx ends or over is closed. What handle has returned from is done with.
type caller interface {
	Call(ctx context.Context, topic string, handle func(*wmessage.Message)) (over <-chan struct{}, err error)
}

func (c *connection) begin(ctx context.Context, s *subscription, handle handleFunc) (err error) {
	if sub, ok := c.sub.(caller); ok && s.group == "" {
		c.over, err = sub.Call(ctx, s.topic, func(m *wmessage.Message) { s.insist(ctx, m, handle) })
		return err
	}
	if c.source, err = subscribe(ctx, c.sub, s.topic, s.config, handle); err == nil {
		c.over = c.source.idle
	}
	return err
}

// insist handles a message until that succeeds, or the subscription ends.
func (s *subscription) insist(ctx context.Context, m *wmessage.Message, handle handleFunc) {
	for err := handle(ctx, m, nil); err != nil && err != errEnded && !errors.Is(err, message.ErrDropped); err = handle(ctx, m, nil) {
		logMessage(ctx, s.config.logger(), s.topic, m, "message failed", err)
		select {
		case <-time.After(s.config.NackDelay):
		case <-ctx.Done():
			return
		}
	}
}
