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
	// Destination is where messages go that name no other. Zero (empty) means
	// that each must name one.
	Destination string
	// ContentType is how values are written whose header does not say. Zero
	// (empty) leaves it to the value, see [codec.Encode].
	ContentType string
	// ReplyTo is the destination at which answers to [Template.Request] come
	// in, and where [Template.Answer] takes them. Zero (empty) means that each
	// request names it in its header.
	ReplyTo string
	// PostProcess makes of every message, ready to be sent, the one that is sent.
	// It is called from any goroutine. Zero (nil) means that they stay as they
	// are.
	PostProcess func(ctx context.Context, m message.Raw) message.Raw
	// Codecs write the payloads. Zero (nil) means the built-in ones.
	Codecs *codec.Set
}

// Template sends Go values from anywhere in the program: from HTTP handlers,
// timers, consumers of other systems. It may be used from any goroutine.
type Template struct {
	to       message.RawHandler
	config   TemplateConfig
	requests requests
}

// NewTemplate returns a template that sends to a handler: a channel, a broker,
// a node's way in.
func NewTemplate(to message.RawHandler, c TemplateConfig) *Template {
	mustWire(to != nil, "a template needs a handler to send to")
	c.UserPrefix = prefixOr(c.UserPrefix, defaultUserPrefix)
	return &Template{to: to, config: c}
}

// Send sends a payload to a destination; an empty one means that of the
// template. A content-type in the header chooses the codec; without one, here or
// in the template's config, a []byte goes as it is, a string as text and anything
// else as JSON. The message has the header given, and a content-type always. A
// []byte is shared with all who receive it: do not change it afterwards.
// Send blocks as long as the handler it sends to, and returns its errors.
func (t *Template) Send(ctx context.Context, destination string, payload any, header ...message.Field) error {
	m, err := t.message(destination, payload, header)
	if err != nil {
		return err
	}
	return t.Publish(ctx, m)
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

// Publish sends a message that is ready, with its payload encoded; one without
// a destination goes to that of the template.
func (t *Template) Publish(ctx context.Context, m message.Raw) error {
	if m.Destination == "" {
		m.Destination = t.config.Destination
	}
	if m.Destination == "" {
		return message.Errorf(message.CodeInvalid, "message has no destination")
	}
	if t.config.PostProcess != nil {
		m = t.config.PostProcess(ctx, m)
	}
	return t.to.Handle(ctx, m)
}

func (t *Template) message(destination string, payload any, header []message.Field) (message.Raw, error) {
	h := message.NewHeader(header...)
	contentType, ok := h.Lookup(message.HeaderContentType)
	if !ok {
		contentType = t.config.ContentType
	}
	data, writtenAs, err := codec.Encode(t.config.Codecs, contentType, payload)
	if err != nil {
		return message.Raw{}, err
	}
	return message.Raw{
		Destination: destination,
		Header:      h.With(message.HeaderContentType, writtenAs), // a copy: the caller keeps his
		Payload:     data,
	}, nil
}
