package handler

import (
	"context"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/codec"
)

// TemplateConfig is what all messages of a [Template] share.
type TemplateConfig struct {
	// UserPrefix begins the destinations of [Template.SendToUser]. Zero means
	// "/user".
	UserPrefix string
	// Codecs write the payloads. Zero (nil) means the built-in ones.
	Codecs *codec.Set
}

// Template sends Go values from anywhere in the program: from HTTP handlers,
// timers, consumers of other systems. It may be used from any goroutine.
type Template struct {
	to     message.RawHandler
	config TemplateConfig
}

// NewTemplate returns a template that sends to a handler: a channel, a broker,
// a node's way in.
func NewTemplate(to message.RawHandler, c TemplateConfig) *Template {
	mustWire(to != nil, "a template needs a handler to send to")
	c.UserPrefix = prefixOr(c.UserPrefix, defaultUserPrefix)
	return &Template{to: to, config: c}
}

// Send sends a payload to a destination. A content-type in the header chooses
// the codec; without one a []byte goes as it is, a string as text and anything
// else as JSON. The message has the header given, and a content-type always.
// Send blocks as long as the handler it sends to, and returns its errors.
func (t *Template) Send(ctx context.Context, destination string, payload any, header ...message.Field) error {
	if destination == "" {
		return message.Errorf(message.CodeInvalid, "message has no destination")
	}
	h := message.NewHeader(header...)
	data, contentType, err := codec.Encode(t.config.Codecs, h.Get(message.HeaderContentType), payload)
	if err != nil {
		return err
	}
	return t.to.Handle(ctx, message.Raw{
		Destination: destination,
		Header:      h.With(message.HeaderContentType, contentType), // a copy: the caller keeps his
		Payload:     data,
	})
}

// SendToUser is [Template.Send] to a destination of one user, such as
// "/queue/position-updates": it reaches all his sessions. A session's id in
// place of the user's name reaches that session alone.
func (t *Template) SendToUser(ctx context.Context, user, destination string, payload any, header ...message.Field) error {
	if user == "" {
		return message.Errorf(message.CodeInvalid, "message has no user")
	}
	return t.Send(ctx, userDestination(t.config.UserPrefix, user, destination), payload, header...)
}
