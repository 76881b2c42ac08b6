package broker

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headrace/headrace/message"
)

// link is a node's end of a [Backplane]. It sees to it that an engine which is slow
// or away costs whoever publishes some time, and not more: each call has a limit, so
// many may be under way, and after some failures in a row they fail at once for a
// while.
type link struct {
	engine Backplane
	node   string
	ids    string // begins those of what is published, and of nothing that others do
	log    func() *slog.Logger
	echo   func(Envelope) // told of what comes back; may be nil
	twin   sync.Once
	lastID atomic.Uint64
	flying atomic.Int64 // publications that are under way
	fuse   fuse
	begins fuse // of subscriptions: what a client may subscribe to is to stop no messages
}

const (
	linkPatience = 10 * time.Second // with one call
	linkFlights  = 1024             // publications under way
	slowEngine   = time.Second      // who gave it less did not learn anything of it
)

// What whoever publishes is told.
var (
	errAway      error = message.Errorf(message.CodeUnavailable, "the other nodes cannot be reached")
	errSaturated error = message.Errorf(message.CodeFull, "too much is on its way to the other nodes")
)

// newLink returns the end of a node, which gets a name if it has none. Engines know ids
// for minutes: those of a node that is started again by its old name are others.
func newLink(bp Backplane, node string, log func() *slog.Logger) *link {
	node = cmp.Or(node, strings.ToLower(rand.Text()))
	return &link{engine: bp, node: node, ids: node + "-" + strings.ToLower(rand.Text()[:12]) + "-", log: log}
}

// publish returns when the engine has e, which gets the node as its origin and an id
// if it has none. It waits as long as ctx says, 10 s at most. What the engine refuses
// with an authored error is refused with that; everything else is CodeUnavailable,
// and then nobody knows whether the engine has it.
func (l *link) publish(ctx context.Context, topic string, e Envelope) error {
	if err := ctx.Err(); err != nil {
		return away(err)
	}
	defer l.flying.Add(-1)
	if l.flying.Add(1) > linkFlights {
		return errSaturated
	}
	if !l.fuse.holds() {
		return errAway
	}
	e.Origin, e.Done = l.node, nil
	if e.ID == "" {
		e.ID = l.ids + strconv.FormatUint(l.lastID.Add(1), 36)
	}
	out := wentWrong // also when the driver panics
	defer func() { l.fuse.tell(out) }()
	bounded, cancel := context.WithTimeout(ctx, linkPatience)
	defer cancel()
	begun := time.Now()
	err := l.engine.Publish(bounded, topic, e)
	out = judge(ctx, begun, err)
	return away(err)
}

// subscribe calls receive with what is published to topic, see [Backplane]; without a
// group, not with what this node published. stop returns when receive is not called any
// more. The engine has 10 s. When it hung some times in a row it is not asked for a while.
// What it refuses soon holds up nobody and may be about the topic, which clients choose.
func (l *link) subscribe(ctx context.Context, topic, group string, receive func(context.Context, Envelope) error) (stop func(), err error) {
	if !l.begins.holds() {
		return nil, errAway
	}
	out := wentUntold
	defer func() { l.begins.tell(out) }()
	defer message.Recover(&err) // or who waits for the driver would wait for ever
	bounded, cancel := context.WithTimeout(ctx, linkPatience)
	defer cancel()
	if group == "" {
		all := receive
		receive = func(ctx context.Context, e Envelope) error {
			if !l.own(e) {
				return all(ctx, e)
			}
			if l.echo != nil {
				l.echo(e)
			}
			return nil
		}
	}
	begun := time.Now()
	stop, err = l.engine.Subscribe(bounded, topic, group, receive)
	if out = judge(ctx, begun, err); out == wentWrong && time.Since(begun) < slowEngine {
		out = wentUntold
	}
	return stop, away(err)
}

// own reports whether this node published e. What another one did by the same name is
// not: users are reached at one of the two, which is worth an error.
func (l *link) own(e Envelope) bool {
	if e.Origin != l.node {
		return false
	}
	if strings.HasPrefix(e.ID, l.ids) || !strings.HasPrefix(e.ID, l.node+"-") { // or it came with its id
		return true
	}
	l.twin.Do(func() {
		l.log().Error("another node has the NodeID of this one: messages for users get lost", "node", l.node)
	})
	return false
}

// away returns what the sender is told of an error of the engine.
func away(err error) error {
	if err == nil || authored(err) {
		return err
	}
	return errAway.(*message.Error).WithCause(err)
}

// authored reports whether the engine said what is wrong with the message: that it is
// not there is no fault of that.
func authored(err error) bool {
	e, ok := errors.AsType[*message.Error](err)
	return ok && e.Code != message.CodeUnavailable && e.Code != message.CodeTimeout
}

// fuse is a circuit breaker. After some failures in a row it is blown: everything
// fails at once, but for one at a time that tries, now and then.
type fuse struct {
	mu       sync.Mutex
	failures int       // in a row
	next     time.Time // when one may try
}

const (
	fuseFailures = 5
	fusePause    = time.Second
)

// holds reports whether one may go on. Whoever does tells how it went.
func (f *fuse) holds() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failures < fuseFailures {
		return true
	}
	now := time.Now()
	if now.Before(f.next) {
		return false
	}
	f.next = now.Add(linkPatience + fusePause) // for the others, unless it is told before
	return true
}

// outcome is what a call told of the engine.
type outcome uint8

const (
	wentWrong outcome = iota
	wentWell
	wentUntold
)

// judge returns what a call told that ended with err, of a caller who gave it ctx.
func judge(ctx context.Context, begun time.Time, err error) outcome {
	switch hasty := ctx.Err() != nil && time.Since(begun) < slowEngine; {
	case err == nil || authored(err):
		return wentWell
	case hasty:
		return wentUntold
	}
	return wentWrong
}

// tell notes how one went.
func (f *fuse) tell(how outcome) {
	f.mu.Lock()
	defer f.mu.Unlock()
	pause := fusePause
	switch how {
	case wentWell:
		f.failures = 0
		return
	case wentWrong:
		f.failures++
	case wentUntold: // the next one tries
		pause = 0
	}
	if f.failures >= fuseFailures {
		f.next = time.Now().Add(pause)
	}
}
