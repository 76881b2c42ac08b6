package broker

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/headrace/headrace/message"
)

// Users delivers to users: a session that subscribes to "/user/queue/x" gets
// what is sent to "/user/kim/queue/x" when it belongs to kim, and what is sent
// to "/user/{its id}/queue/x" whoever it belongs to. A name in a destination is
// percent-encoded where it has a "/" or "%".
//
// The subscriptions have an index of their own: they have no name under which
// another session could subscribe to them or send to them, and no pattern
// matches them.
//
// It takes the kinds that [Memory] takes, and answers KindConnect with nothing.
//
// Users also knows who is there: sessions, their users, and, as far as
// [Users.Observe] is told of them, all subscriptions. A session without a
// principal, or with one whose name is empty, is nobody's.
//
// # Several nodes
//
// With [UsersConfig].Backplane the Users of several nodes tell each other of their
// sessions, and each knows all: what has changed at once, everything every 10 s and when a
// node asks for it, as a new one does. Names and ids are told, principals and attributes
// are not; events tell of this node's sessions alone. The sessions of a node that is
// stopped are gone with it; those of one that is not heard of any more, after 30 s.
//
// A message for a user is delivered to his sessions here and sent to the nodes that have
// others of his. If nobody is known to have him, it is sent to all nodes, once, unless
// NoBroadcast says not to; none sends that on. A node that he has left sends it after him,
// once; what is in vain then is counted. Each session gets a message once. What one
// goroutine sends to a user reaches each of his sessions in that order where the engine
// keeps one, also if he has several at several nodes; but what is sent to all nodes, or
// after him, may be overtaken by what comes next. To let no client of the engine's pass for
// a node is the engine's matter.
type Users struct {
	config     UsersConfig
	rules      rules
	delivery   delivery
	store      store
	unresolved atomic.Uint64
	closed     atomic.Bool
	parting    parting
	cluster    *cluster // nil without a Backplane
	forwards   forwards

	mu       sync.RWMutex
	sessions map[string]*userSession   // by session id
	users    map[string][]*userSession // by user name
}

var _ message.RawHandler = (*Users)(nil)

// userSession is a connected session and its subscriptions to user destinations.
type userSession struct {
	session   *message.Session
	user      string
	byID      map[string]userEntry
	byDest    map[string][]subscription // by destination without the prefix
	holds     holdings                  // all of its subscriptions, see Observe
	unsettled *unsettled                // nil until a subscription acknowledges
}

// userEntry is a subscription of a session.
type userEntry struct {
	destination string    // without the prefix
	consumer    *consumer // of its own queue, if it acknowledges
}

// NewUsers returns a resolver of user destinations that delivers to outbound. It does
// not wait for the Backplane, if there is one.
func NewUsers(outbound message.RawHandler, config UsersConfig) *Users {
	u := &Users{
		config:   config.withDefaults(),
		sessions: make(map[string]*userSession),
		users:    make(map[string][]*userSession),
	}
	u.rules = newRules(config.Separator, config.Rules)
	u.delivery.init(outbound, config.Events, config.Logger)
	u.store.init(&u.delivery, config.Separator, u.config.MaxBytes, config.DeadLetters)
	if config.Backplane != nil {
		u.join(newLink(config.Backplane, config.NodeID, u.delivery.log))
	}
	return u
}

// Stop refuses what comes later, gives up what is not settled, and returns when no
// timer runs any more, so the outbound handler must not call it. With a Backplane it
// tells the other nodes that the sessions are gone, for which the engine has 2 s, and
// waits for the two goroutines that u has then; [Users.Shutdown] gives it less.
func (u *Users) Stop() { <-u.part() }

// part begins the end of u.
func (u *Users) part() (over <-chan struct{}) {
	u.closed.Store(true)
	return u.parting.begin(u.close)
}

func (u *Users) close() {
	if u.cluster != nil {
		u.cluster.close()
	}
	u.store.close()
}

// Handle takes a message of any kind. It never blocks unless the outbound
// handler does. A message for a user who has no session is counted and is no error.
//
// With a Backplane a message that other nodes have to get is delivered here first, and
// then Handle waits for the engine, 10 s at most; when it does not take the message, for
// one of the nodes or all, the error has CodeUnavailable, or CodeFull with very many on
// their way. [message.Stored] is reached when the engine has it.
func (u *Users) Handle(ctx context.Context, m message.Raw) error {
	switch {
	case m.Kind == message.KindDisconnect && m.Session != nil:
		u.disconnect(m.Session)
		return nil
	case u.closed.Load():
		return errClosed
	case m.Kind == message.KindData:
		return u.send(ctx, m)
	case m.Session == nil:
		return errNoSession
	}
	switch m.Kind {
	case message.KindConnect:
		return u.connect(m.Session)
	case message.KindSubscribe:
		return u.subscribe(ctx, m)
	case message.KindUnsubscribe:
		u.unsubscribe(ctx, m)
	case message.KindAck, message.KindNack:
		return u.settle(m)
	default:
		return errUnsupported(m.Kind)
	}
	return nil
}

func (u *Users) connect(s *message.Session) error {
	us := &userSession{session: s, byID: make(map[string]userEntry), byDest: make(map[string][]subscription)}
	if p := s.User(); p != nil {
		us.user = p.Name()
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.sessions[s.ID()] != nil {
		return errConnected
	}
	u.sessions[s.ID()] = us
	if us.user != "" {
		u.users[us.user] = append(u.users[us.user], us)
	}
	u.cluster.changed(s.ID())
	return nil
}

// disconnect forgets a session. The queues of its subscriptions end with it.
func (u *Users) disconnect(s *message.Session) {
	us := u.forget(s)
	if us == nil || us.unsettled == nil {
		return
	}
	var consumers []*consumer
	for _, e := range us.byID {
		if e.consumer != nil {
			consumers = append(consumers, e.consumer)
		}
	}
	us.unsettled.lose(consumers)
}

// forget takes a session out of the maps; nobody changes it any more.
func (u *Users) forget(s *message.Session) *userSession {
	u.mu.Lock()
	defer u.mu.Unlock()
	us := u.sessions[s.ID()]
	if us == nil {
		return nil
	}
	delete(u.sessions, s.ID())
	u.cluster.changed(s.ID())
	left := slices.DeleteFunc(slices.Clone(u.users[us.user]), func(o *userSession) bool { return o == us })
	if len(left) == 0 {
		delete(u.users, us.user)
	} else {
		u.users[us.user] = left
	}
	return us
}

func (u *Users) subscribe(ctx context.Context, m message.Raw) error {
	u.delivery.tell(ctx, Event{Kind: Subscribe, Session: m.Session, Destination: m.Destination, Subscription: m.Subscription})
	dest, ok := strings.CutPrefix(m.Destination, u.config.Prefix)
	if !ok || len(dest) < 2 || dest[0] != '/' {
		return message.Errorf(message.CodeInvalid, "%.200q is not a destination of the user's own: it needs %s/...", m.Destination, u.config.Prefix)
	}
	if strings.ContainsAny(dest, "*?{}") {
		return message.Errorf(message.CodeDenied, "patterns are not allowed in user destinations")
	}
	mode, err := message.AckModeOf(m.Header)
	if err != nil {
		return err
	}
	j := &join{to: subscription{session: m.Session, id: m.Subscription}}
	if err := j.readResume(m.Header); err != nil {
		return err
	}
	if m.Header.Get(message.HeaderSelector) != "" {
		return errSelector
	}
	if err := u.keep(m, dest, mode); err != nil {
		return err
	}
	if j.resume { // nothing is kept
		_ = u.delivery.to(ctx, j.answer(m.Destination, false)) // it is counted
	}
	m.Done.Reached(message.Stored)
	u.delivery.tell(ctx, Event{Kind: Subscribed, Session: m.Session, Destination: m.Destination, Subscription: m.Subscription})
	return nil
}

func (u *Users) keep(m message.Raw, dest string, mode message.AckMode) error {
	if m.Subscription == "" {
		return errNoID
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	us := u.sessions[m.Session.ID()]
	if us == nil {
		return errNotConnected
	}
	if _, ok := us.byID[m.Subscription]; ok {
		return errDuplicate
	}
	if limit := u.config.MaxSubscriptions; limit >= 0 && len(us.byID) >= limit {
		return errTooMany(limit)
	}
	e, s := userEntry{destination: dest}, subscription{session: m.Session, id: m.Subscription}
	if mode != message.AckAuto {
		if us.unsettled == nil {
			us.unsettled = new(unsettled)
		}
		e.consumer = &consumer{subscription: s, mode: mode, unsettled: us.unsettled}
		q, err := u.store.single(u.rules.of(m.Destination), e.consumer)
		if err != nil {
			return err
		}
		s.queue = q
	}
	us.byID[m.Subscription] = e
	us.byDest[dest] = append(slices.Clone(us.byDest[dest]), s)
	return nil
}

func (u *Users) settle(m message.Raw) error {
	if _, ok := m.Header.Lookup(message.HeaderTransaction); ok {
		return errTransaction
	}
	u.mu.RLock()
	us := u.sessions[m.Session.ID()]
	var unsettled *unsettled
	if us != nil {
		unsettled = us.unsettled
	}
	u.mu.RUnlock()
	switch {
	case us == nil:
		return errNotConnected
	case unsettled == nil:
		return ErrUnknownAck
	}
	return unsettled.settle(m, &u.delivery)
}

func (u *Users) unsubscribe(ctx context.Context, m message.Raw) {
	e, ok := u.remove(m)
	if !ok {
		return
	}
	if e.consumer != nil {
		e.consumer.queue.detach(false, e.consumer)
		e.consumer.queue.run()
	}
	u.delivery.tell(ctx, Event{Kind: Unsubscribed, Session: m.Session, Destination: u.config.Prefix + e.destination, Subscription: m.Subscription})
}

func (u *Users) remove(m message.Raw) (e userEntry, ok bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	us := u.sessions[m.Session.ID()]
	if us == nil {
		return e, false
	}
	if e, ok = us.byID[m.Subscription]; !ok {
		return e, false
	}
	delete(us.byID, m.Subscription)
	left := slices.DeleteFunc(slices.Clone(us.byDest[e.destination]), func(s subscription) bool { return s.id == m.Subscription })
	if len(left) == 0 {
		delete(us.byDest, e.destination)
	} else {
		us.byDest[e.destination] = left
	}
	return e, true
}

// send delivers "/user/{name}/dest" to every subscription to "/user/dest" of the
// session or the user of that name, and sends it to the other nodes that have such.
func (u *Users) send(ctx context.Context, m message.Raw) error {
	if _, ok := m.Header.Lookup(message.HeaderTransaction); ok {
		return errTransaction
	}
	name, dest, err := u.parse(m.Destination)
	if err != nil {
		return err
	}
	targets, here, topics := u.route(name, dest)
	if len(topics) == 0 && !here && u.cluster != nil && !u.config.NoBroadcast {
		topics = []string{topicUsers}
	}
	if len(targets)+len(topics) == 0 {
		u.unresolved.Add(1)
		return nil
	}
	out := u.delivery.prepare(m)
	if m.Session != nil && (len(topics) > 0 || slices.ContainsFunc(targets, func(t subscription) bool { return t.queue != nil })) {
		out = owned(out)
	}
	u.deliver(ctx, out, dest, targets)
	if len(topics) > 0 {
		if here { // the message needs not come back
			u.forwards.seen.add(out.Header.Get(message.HeaderMessageID))
		}
		out.Session = m.Session
		if err := u.forward(ctx, out, topics); err != nil {
			return err
		}
	}
	m.Done.Reached(message.Stored)
	return nil
}

// parse reads a destination of a user.
func (u *Users) parse(destination string) (name, dest string, err error) {
	rest, ok := strings.CutPrefix(destination, u.config.Prefix+"/")
	escaped, dest, ok2 := strings.Cut(rest, "/")
	name, err = url.PathUnescape(escaped)
	if !ok || !ok2 || err != nil || name == "" || dest == "" {
		return "", "", message.Errorf(message.CodeInvalid, "%.200q is not a user's destination: it needs %s/{name}/...", destination, u.config.Prefix)
	}
	return name, "/" + dest, nil
}

// deliver delivers what is ready to be to subscriptions of this node.
func (u *Users) deliver(ctx context.Context, m message.Raw, dest string, targets []subscription) {
	m.Destination = u.config.Prefix + dest
	for _, t := range targets {
		u.store.hand(ctx, m, t)
	}
}

// resolve finds the subscriptions to dest of a session, or of all the sessions of a user,
// and whether there is such a session here. Session ids come first: nobody may take one's
// messages by naming himself like it.
func (u *Users) resolve(name, dest string) (found []subscription, here bool) {
	u.mu.RLock()
	defer u.mu.RUnlock()
	sessions := u.users[name]
	if one := u.sessions[name]; one != nil {
		sessions = []*userSession{one}
	}
	for _, us := range sessions {
		found = append(found, us.byDest[dest]...)
	}
	return found, len(sessions) > 0
}
