package handler

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/headrace/headrace/message"
)

// Live makes what an [OnSubscribe] answers the beginning of a stream: the
// subscriber gets the answer first, as a snapshot, and then what is sent to
// destination, on the same subscription and without a gap.
//
//	handler.OnSubscribe(node.Router, "/positions", positions, handler.Live("/topic/positions"))
//
// The router subscribes the session to destination at the broker, by a message of
// KindSubscribe that goes where replies go, under the subscription's own id; when
// the broker has it, the endpoint is called. What comes meanwhile is held and goes
// out behind the snapshot; both together may have half of what may wait for the
// session ([message.SessionInfo.Budget]). An error of the broker, of the
// endpoint or of the delivery, also because more came than can be held
// (CodeFull), ends the subscription and goes to the error handlers, as always;
// otherwise the client ends it by unsubscribing. The snapshot goes to the
// subscriber, whatever destination a [Reply] names. An endpoint that returns
// [ErrNoReply] has none: the stream begins when it returns.
//
// Whoever changes his data before he sends the change loses none: each is in the
// snapshot, comes behind it, or both. [Newer] leaves out what came twice.
//
// The destination may have variables of the endpoint's pattern, as that of
// [SendTo], and wildcards, as that of any subscription; values of variables may
// not, nor the "#" and ">" of brokers behind a relay, so that nobody is sent what is
// not for him. OnSubscribe panics when the router has no Outbound, and when a SendTo
// is given as well.
func Live(destination string, opts ...LiveOption) SubscribeOption {
	l := &live{destination: destination, source: callSite(0)}
	mustWire(destination != "", "empty stream at "+l.source)
	for _, o := range opts {
		o(l)
	}
	return subscribeOption(func(o *options) { o.live = l })
}

// LiveOption shapes a [Live]: [Newer].
type LiveOption func(*live)

// Newer leaves updates out that a snapshot contains already: those that were held
// for it and for which newer returns false. An update is read like the input of an
// endpoint (see [Call]: a message.Raw is the message itself); one that cannot be
// read is sent. So a client sees every change once
//
//	handler.Live("/topic/count", handler.Newer(func(snapshot, update int) bool { return update > snapshot }))
//
// if the program changes its data and sends the change under one lock, under which
// it takes the snapshot too; without the lock a change may be on its way while
// the snapshot, which contains it, is taken, and come behind that. Where several nodes
// change the data, one lock of all of them is meant. newer is called
// while the snapshot is delivered; the longer it takes, the more must be held.
// OnSubscribe panics when S is
// not the type of the payload that its endpoint returns.
func Newer[S, U any](newer func(snapshot S, update U) bool) LiveOption {
	source := callSite(0)
	mustWire(newer != nil, "nil function at "+source)
	bind := binder((*U)(nil), source)
	return func(l *live) {
		l.snapshot = reflect.TypeFor[S]()
		l.newer = func(snapshot any, c *Call) bool {
			s, _ := snapshot.(S)
			if p, ok := snapshot.(*S); ok { // see output
				s = *p
			}
			var update U
			return bind(c, &update) != nil || newer(s, update)
		}
	}
}

type subscribeOption func(*options)

func (o subscribeOption) apply(to *options) { o(to) }

// live is what [Live] says.
type live struct {
	destination string
	source      string
	snapshot    reflect.Type                     // nil: any
	newer       func(snapshot any, c *Call) bool // nil: all are
}

// follower is a route whose answers begin a stream.
type follower struct {
	*route
	live
	stream address
}

func (rt *route) follower(l *live) *follower {
	stream, err := parseAddress(l.destination, rt.names)
	if err != nil {
		panic(fmt.Sprintf("handler: stream %q at %s: %v", l.destination, l.source, err))
	}
	if l.snapshot != nil && l.snapshot != rt.out {
		panic(fmt.Sprintf("handler: the stream at %s compares with snapshots of type %v, and the endpoint at %s returns %v", l.source, l.snapshot, rt.Source, rt.out))
	}
	return &follower{route: rt, live: *l, stream: stream}
}

type holdKey struct{}

// held is what an endpoint's snapshot goes to: a subscription that is held, and what it
// follows.
type held struct {
	*message.Hold
	destination string
}

// around subscribes the session to the stream, and back if the endpoint, which
// sends the snapshot, fails.
func (f *follower) around(endpoint func(context.Context, message.Raw) error) func(context.Context, message.Raw) error {
	return func(ctx context.Context, m message.Raw) (err error) {
		dest, err := f.from(ctx, m)
		if err != nil {
			return err
		}
		hold, err := m.Session.Hold(m.Subscription)
		if err != nil {
			return err
		}
		defer hold.Cancel()
		ask := message.Raw{
			Kind: message.KindSubscribe, Destination: dest, Subscription: m.Subscription, Session: m.Session,
			Header: m.Header.Without(message.HeaderOffset, message.HeaderEpoch), // the snapshot has what was missed
		}
		err = await(ctx, f.router.replies, ask, message.Stored)
		if err != nil && ctx.Err() == nil {
			// There is no subscription, or an older one of this id.
			return errors.Join(err, hold.Release(ctx))
		}
		follows := false
		defer func() { // also when the endpoint panics
			if follows {
				return
			}
			ask.Kind = message.KindUnsubscribe
			if failed := f.router.replies.Handle(context.WithoutCancel(ctx), ask); failed != nil {
				err = errors.Join(err, failed)
			}
		}()
		if err == nil {
			err = endpoint(context.WithValue(ctx, holdKey{}, held{hold, dest}), m)
		}
		follows = noReply(err) == nil
		return err
	}
}

// from returns the destination that a subscription follows.
func (f *follower) from(ctx context.Context, m message.Raw) (string, error) {
	var c Call
	if m.Session == nil {
		return "", errNoSession
	}
	if err := f.call(ctx, m, &c); err != nil {
		return "", err
	}
	for _, name := range f.stream.vars {
		// The last two are wildcards to brokers behind a relay.
		if v := c.PathValue(name); strings.ContainsAny(v, "*?{}#>") {
			return "", message.Errorf(message.CodeInvalid, "path %.80q: want no wildcard, got %.80q", name, v)
		}
	}
	return f.stream.fill(&c, ""), nil
}

// begin delivers a snapshot, ready to be sent, and with it what was held. out is
// what the endpoint returned.
func (f *follower) begin(ctx context.Context, c *Call, out any, m message.Raw) error {
	var skip func(message.Raw) bool
	if f.newer != nil {
		skip = func(m message.Raw) bool {
			return !f.newer(out, &Call{Raw: m, ctx: ctx, config: c.config})
		}
	}
	m.Session, m.Subscription, m.Destination = c.Session, c.Subscription, c.Destination
	hold := ctx.Value(holdKey{}).(held)
	if catchUp := f.router.config.CatchUp; catchUp != nil && skip != nil {
		if err := catchUp(ctx, hold.destination); err != nil {
			return err
		}
	}
	return await(hold.Opening(ctx, skip), f.router.config.Outbound, m, message.Handled)
}

var errSessionEnded = message.Errorf(message.CodeUnavailable, "the session has ended")

// await hands m over and waits until it got as far as level, as long as ctx and
// the session last.
func await(ctx context.Context, to message.RawHandler, m message.Raw, level message.Level) error {
	outcome := make(chan error, 1)
	m.Done = message.NewCompletion(level, func(err error) { outcome <- err })
	m.Done.Release(to.Handle(ctx, m))
	select {
	case err := <-outcome:
		return err
	default:
	}
	select {
	case err := <-outcome:
		return err
	case <-m.Session.Done():
		return errSessionEnded
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
