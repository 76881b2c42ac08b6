package watermilladapter

import (
	"context"

	wmessage "github.com/ThreeDotsLabs/watermill/message"

	"github.com/headrace/headrace/message"
)

var (
	errPublish = message.Errorf(message.CodeUnavailable, "message could not be published")
	errTopic   = message.Errorf(message.CodeInvalid, "message has no topic to be published to")
	errKind    = message.Errorf(message.CodeInvalid, "only data can be published")
)

// To returns a handler that publishes every message. topic names the topic of a
// message; nil means its destination. It runs on the sender's goroutine, from
// any number of them at once.
//
// Handle blocks as long as Publish does; Watermill finds ctx in the message.
// When Publish returned, the message has reached [message.Stored]. Errors: with
// [message.CodeUnavailable] and the engine's error as its cause when Publish
// failed; with [message.CodeInvalid] when the topic is empty or the message is
// not of [message.KindData]. The publisher stays its maker's to close. To panics
// when pub is nil.
func To(pub wmessage.Publisher, topic func(message.Raw) string) message.RawHandler {
	if pub == nil {
		panic("watermilladapter: To needs a publisher")
	}
	if topic == nil {
		topic = func(m message.Raw) string { return m.Destination }
	}
	return message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
		if m.Kind != message.KindData {
			return errKind
		}
		name := topic(m)
		if name == "" {
			return errTopic
		}
		out := fromRaw(m)
		out.SetContext(ctx)
		if err := pub.Publish(name, out); err != nil {
			return errPublish.WithCause(err)
		}
		m.Done.Reached(message.Stored)
		return nil
	})
}
