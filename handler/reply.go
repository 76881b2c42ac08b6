package handler

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/codec"
)

// ErrNoReply is returned, itself or wrapped, by an endpoint or error handler that
// has nothing to send. The message counts as handled. An error that is joined to
// it is an error all the same.
var ErrNoReply = errors.New("handler: no reply")

// Reply is the output of endpoints that say more about their reply than its
// payload.
type Reply[T any] struct {
	// Payload is what is sent.
	Payload T
	// Header is the header of the reply. A content type in it chooses the codec.
	Header message.Header
	// Destination is where this reply goes, in place of where the others of the
	// endpoint go. Empty means there.
	Destination string
}

// replyParts is implemented by every [Reply].
type replyParts interface {
	parts() (payload any, header message.Header, destination string)
}

func (r Reply[T]) parts() (any, message.Header, string) { return r.Payload, r.Header, r.Destination }

func (*Reply[T]) payloadType() reflect.Type { return reflect.TypeFor[T]() }

// SendTo sends what an endpoint returns to these destinations. They may hold
// variables of the endpoint's pattern, as in "/topic/trades.{symbol}". Without
// any it names the default: the destination of the message with ReplyPrefix in
// place of Prefix.
func SendTo(destinations ...string) ReplyOption { return replyOption(toAll, destinations) }

// SendToUser sends what an endpoint returns to these destinations of the user
// who sent the message, in all his sessions; a sender without a user has only
// the one session. Clients receive it by a subscription to UserPrefix and
// destination, "/user/queue/trades". Without any destination it is "/queue" and
// the destination of the message without Prefix. Where there is a SendTo too, the
// user is sent to first.
func SendToUser(destinations ...string) ReplyOption { return replyOption(toUser, destinations) }

// SendToSession is [SendToUser] for the sending session alone.
func SendToSession(destinations ...string) ReplyOption { return replyOption(toSession, destinations) }

// audience says who gets a reply.
type audience uint8

const (
	toAll audience = iota
	toUser
	toSession
	toSubscriber // directly, on the subscription that asked
)

var audienceNames = [...]string{"all", "user", "session", "subscriber"}

func (a audience) String() string { return audienceNames[a] }

// replyTo is what one reply option says. No destinations mean the default.
type replyTo struct {
	audience     audience
	destinations []string
}

func replyOption(to audience, destinations []string) ReplyOption {
	return func(o *options) { o.replies = append(o.replies, replyTo{to, destinations}) }
}

// plan is where the replies of one endpoint go and what they carry.
type plan struct {
	router  *Router
	targets []target // senders before everybody
	copies  []string
	stream  *follower // nil, or what replies are the beginning of
}

type target struct {
	audience audience
	address  address
}

// newPlan compiles reply options for an endpoint whose pattern has variables of
// these names, and whose replies are for otherwise when no option says more.
func (r *Router) newPlan(o options, otherwise audience, names []string, source string) *plan {
	p := &plan{router: r, copies: o.copies}
	if len(o.replies) == 0 {
		p.targets = []target{{otherwise, r.defaultAddress(otherwise)}}
	}
	for _, to := range o.replies {
		if len(to.destinations) == 0 {
			p.targets = append(p.targets, target{to.audience, r.defaultAddress(to.audience)})
		}
		for _, d := range to.destinations {
			mustWire(d != "", "empty reply destination at "+source)
			a, err := parseAddress(d, names)
			if err != nil {
				panic(fmt.Sprintf("handler: reply destination %q at %s: %v", d, source, err))
			}
			p.targets = append(p.targets, target{to.audience, a})
		}
	}
	slices.SortStableFunc(p.targets, func(a, b target) int { return cmp.Compare(b.audience, a.audience) })
	return p
}

func (r *Router) defaultAddress(to audience) address {
	prefix := "/queue"
	if to == toAll {
		prefix = r.config.ReplyPrefix
	}
	return address{text: []string{prefix, ""}, vars: []string{ownDestination}}
}

// Headers of replies that carry nothing but their content type.
var (
	octets   = contentType(octetStream)
	jsonOnly = contentType("application/json")
	textOnly = contentType("text/plain;charset=utf-8")
)

const octetStream = "application/octet-stream"

func contentType(name string) message.Header {
	return message.NewHeader(message.Field{Name: message.HeaderContentType, Value: name})
}

// output makes a value of what an endpoint returned, without a box for a []byte.
func output[Out any](out *Out) any {
	if payload, ok := any(out).(*[]byte); ok {
		return payload
	}
	return *out
}

// reply sends what an endpoint returned, encoded once for all destinations. out
// comes from [output].
func (p *plan) reply(ctx context.Context, c *Call, out any) error {
	var m message.Raw
	if r, ok := out.(replyParts); ok {
		out, m.Header, m.Destination = r.parts()
	}
	var writtenAs string
	var err error
	if payload, ok := out.(*[]byte); ok {
		m.Payload, writtenAs = *payload, octetStream
	} else if m.Payload, writtenAs, err = codec.Encode(p.router.config.Codecs, m.Header.Get(message.HeaderContentType), out); err != nil {
		return unsent(err)
	}
	m.Header = p.header(m.Header, c, writtenAs)
	if p.stream != nil {
		return unsent(p.stream.begin(ctx, c, out, m))
	}
	return unsent(p.send(ctx, c, m))
}

// unsent says of a reply that could not be written or sent that it is no mistake
// of the client, whatever was authored for the sender of the reply, and keeps
// what says that the server had no room or time for it.
func unsent(err error) error {
	if err == nil {
		return nil
	}
	switch message.Public(err).Code {
	case message.CodeInvalid, message.CodeNotFound, message.CodeConflict, message.CodeTooLarge:
		return message.Errorf(message.CodeInternal, "internal error").WithCause(err)
	}
	return err
}

// header adds to the header of a reply what it has not: the copied fields and
// the content type.
func (p *plan) header(h message.Header, c *Call, writtenAs string) message.Header {
	for _, name := range p.copies {
		if value, ok := c.Header.Lookup(name); ok {
			if _, has := h.Lookup(name); !has {
				h = h.With(name, value)
			}
		}
	}
	if h.Len() > 0 {
		if h.Get(message.HeaderContentType) != writtenAs {
			h = h.With(message.HeaderContentType, writtenAs)
		}
		return h
	}
	for _, known := range []*message.Header{&jsonOnly, &textOnly, &octets} {
		if known.Get(message.HeaderContentType) == writtenAs {
			return *known
		}
	}
	return contentType(writtenAs)
}

// send hands m to every target, or to its own destination; one that fails does
// not keep it from the rest.
func (p *plan) send(ctx context.Context, c *Call, m message.Raw) error {
	if m.Destination != "" {
		return p.router.replies.Handle(ctx, m)
	}
	var failed []error
	for _, t := range p.targets {
		if err := p.sendTo(ctx, t, c, m); err != nil {
			failed = append(failed, err)
		}
	}
	if len(failed) == 1 {
		return failed[0]
	}
	return errors.Join(failed...)
}

var errNoSession = errors.New("handler: a reply is for the sender, but the message has no session")

func (p *plan) sendTo(ctx context.Context, t target, c *Call, m message.Raw) error {
	config := &p.router.config
	if t.audience != toAll && c.Session == nil {
		return errNoSession
	}
	if t.audience == toSubscriber {
		m.Session, m.Subscription, m.Destination = c.Session, c.Subscription, c.Destination
		return config.Outbound.Handle(ctx, m)
	}
	m.Destination = t.address.fill(c, config.Prefix)
	if t.audience != toAll {
		name := c.Session.ID()
		if user := c.User(); user != nil && t.audience == toUser {
			name = user.Name()
		}
		m.Destination = userDestination(config.UserPrefix, name, m.Destination)
	}
	return p.router.replies.Handle(ctx, m)
}
