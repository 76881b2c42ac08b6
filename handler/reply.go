package handler

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/codec"
)

// ErrNoReply is returned by an endpoint or error handler that has nothing to
// send. The message counts as handled.
var ErrNoReply = errors.New("handler: no reply")

// SendTo sends what an endpoint returns to these destinations. They may hold
// variables of the endpoint's pattern, as in "/topic/trades.{symbol}". Without
// any it names the default: the destination of the message with ReplyPrefix in
// place of Prefix.
func SendTo(destinations ...string) ReplyOption { return replyOption(toAll, destinations) }

// SendToUser sends what an endpoint returns to these destinations of the user
// who sent the message, in all his sessions; a sender without a user has only
// the one session. Clients receive it by a subscription to UserPrefix and
// destination, "/user/queue/trades". Without any destination it is "/queue" and
// the destination of the message without Prefix.
func SendToUser(destinations ...string) ReplyOption { return replyOption(toUser, destinations) }

// SendToSession is [SendToUser] for the sending session alone.
func SendToSession(destinations ...string) ReplyOption { return replyOption(toSession, destinations) }

// audience says who gets a reply.
type audience uint8

const (
	toAll audience = iota
	toUser
	toSession
)

// replyTo is what one reply option says. No destinations mean the default.
type replyTo struct {
	audience     audience
	destinations []string
}

func replyOption(to audience, destinations []string) ReplyOption {
	return func(o *options) { o.replies = append(o.replies, replyTo{to, destinations}) }
}

// plan is where the replies of one endpoint go.
type plan struct {
	router  *Router
	targets []target // senders before everybody
}

type target struct {
	audience audience
	address  address
}

// newPlan compiles reply options for an endpoint whose pattern has variables of
// these names.
func (r *Router) newPlan(replies []replyTo, names []string, source string) *plan {
	if len(replies) == 0 {
		replies = []replyTo{{audience: toAll}}
	}
	p := &plan{router: r}
	for _, to := range replies {
		if len(to.destinations) == 0 {
			p.targets = append(p.targets, target{to.audience, r.defaultAddress(to.audience)})
		}
		for _, d := range to.destinations {
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

// octets is the header of replies that are a []byte.
var octets = message.NewHeader(message.Field{Name: message.HeaderContentType, Value: "application/octet-stream"})

// reply sends what an endpoint returned, encoded once for all destinations.
func reply[Out any](ctx context.Context, p *plan, c *Call, out Out) error {
	if payload, ok := any(&out).(*[]byte); ok { // without boxing it
		return p.send(ctx, c, message.Raw{Header: octets, Payload: *payload})
	}
	payload, contentType, err := codec.Encode(c.codecs, "", out)
	if err != nil {
		return err
	}
	header := message.NewHeader(message.Field{Name: message.HeaderContentType, Value: contentType})
	return p.send(ctx, c, message.Raw{Header: header, Payload: payload})
}

// send hands m to every target; one that fails does not keep it from the rest.
func (p *plan) send(ctx context.Context, c *Call, m message.Raw) error {
	var failed []error
	for _, t := range p.targets {
		var err error
		if m.Destination, err = p.resolve(t, c); err == nil {
			err = p.router.replies.Handle(ctx, m)
		}
		if err != nil {
			failed = append(failed, err)
		}
	}
	if len(failed) == 1 {
		return failed[0]
	}
	return errors.Join(failed...)
}

var errNoSession = errors.New("handler: a reply is for the sender, but the message has no session")

func (p *plan) resolve(t target, c *Call) (string, error) {
	config := &p.router.config
	dest := t.address.fill(c, config.Prefix)
	if t.audience == toAll {
		return dest, nil
	}
	if c.Session == nil {
		return "", errNoSession
	}
	name := c.Session.ID()
	if user := c.User(); user != nil && t.audience == toUser {
		name = user.Name()
	}
	return userDestination(config.UserPrefix, name, dest), nil
}
