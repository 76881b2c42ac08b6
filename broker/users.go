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
type Users struct {
	config     UsersConfig
	delivery   delivery
	unresolved atomic.Uint64

	mu       sync.RWMutex
	sessions map[string]*userSession   // by session id
	users    map[string][]*userSession // by user name
}

var _ message.RawHandler = (*Users)(nil)

// userSession is a connected session and its subscriptions to user destinations.
type userSession struct {
	session *message.Session
	user    string
	byID    map[string]string   // subscription id to destination
	byDest  map[string][]string // destination without the prefix to subscription ids
	holds   holdings            // all of its subscriptions, see Observe
}

// NewUsers returns a resolver of user destinations that delivers to outbound.
func NewUsers(outbound message.RawHandler, config UsersConfig) *Users {
	u := &Users{
		config:   config.withDefaults(),
		sessions: make(map[string]*userSession),
		users:    make(map[string][]*userSession),
	}
	u.delivery.init(outbound, config.Events, config.Logger)
	return u
}

// Handle takes a message of any kind. It never blocks unless the outbound
// handler does. A message for a user who has no session here is counted and is
// no error.
func (u *Users) Handle(ctx context.Context, m message.Raw) error {
	if m.Kind == message.KindData {
		return u.send(ctx, m)
	}
	if m.Session == nil {
		return errNoSession
	}
	switch m.Kind {
	case message.KindConnect:
		return u.connect(m.Session)
	case message.KindSubscribe:
		return u.subscribe(ctx, m)
	case message.KindUnsubscribe:
		u.unsubscribe(ctx, m)
	case message.KindDisconnect:
		u.disconnect(m.Session)
	default:
		return errUnsupported(m.Kind)
	}
	return nil
}

func (u *Users) connect(s *message.Session) error {
	us := &userSession{session: s, byID: make(map[string]string), byDest: make(map[string][]string)}
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
	return nil
}

func (u *Users) disconnect(s *message.Session) {
	u.mu.Lock()
	defer u.mu.Unlock()
	us := u.sessions[s.ID()]
	if us == nil {
		return
	}
	delete(u.sessions, s.ID())
	left := slices.DeleteFunc(slices.Clone(u.users[us.user]), func(o *userSession) bool { return o == us })
	if len(left) == 0 {
		delete(u.users, us.user)
	} else {
		u.users[us.user] = left
	}
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
	if err := u.store(m, dest); err != nil {
		return err
	}
	m.Done.Reached(message.Stored)
	u.delivery.tell(ctx, Event{Kind: Subscribed, Session: m.Session, Destination: m.Destination, Subscription: m.Subscription})
	return nil
}

func (u *Users) store(m message.Raw, dest string) error {
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
	us.byID[m.Subscription] = dest
	us.byDest[dest] = append(slices.Clone(us.byDest[dest]), m.Subscription)
	return nil
}

func (u *Users) unsubscribe(ctx context.Context, m message.Raw) {
	if dest, ok := u.remove(m); ok {
		u.delivery.tell(ctx, Event{Kind: Unsubscribed, Session: m.Session, Destination: u.config.Prefix + dest, Subscription: m.Subscription})
	}
}

func (u *Users) remove(m message.Raw) (dest string, ok bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	us := u.sessions[m.Session.ID()]
	if us == nil {
		return "", false
	}
	if dest, ok = us.byID[m.Subscription]; !ok {
		return "", false
	}
	delete(us.byID, m.Subscription)
	left := slices.DeleteFunc(slices.Clone(us.byDest[dest]), func(id string) bool { return id == m.Subscription })
	if len(left) == 0 {
		delete(us.byDest, dest)
	} else {
		us.byDest[dest] = left
	}
	return dest, true
}

// send delivers "/user/{name}/dest" to every subscription to "/user/dest" of the
// session or the user of that name.
func (u *Users) send(ctx context.Context, m message.Raw) error {
	rest, ok := strings.CutPrefix(m.Destination, u.config.Prefix+"/")
	escaped, dest, ok2 := strings.Cut(rest, "/")
	name, err := url.PathUnescape(escaped)
	if !ok || !ok2 || err != nil || name == "" || dest == "" {
		return message.Errorf(message.CodeInvalid, "%.200q is not a user's destination: it needs %s/{name}/...", m.Destination, u.config.Prefix)
	}
	targets := u.resolve(name, "/"+dest)
	if len(targets) == 0 {
		u.unresolved.Add(1)
		return nil
	}
	out := u.delivery.prepare(m)
	out.Destination = u.config.Prefix + "/" + dest
	for _, t := range targets {
		out.Session, out.Subscription = t.session, t.id
		_ = u.delivery.to(ctx, out) // it is counted
	}
	m.Done.Reached(message.Stored)
	return nil
}

// resolve finds the subscriptions to dest of a session, or of all the sessions
// of a user. Session ids come first: nobody may take one's messages by naming
// himself like it.
func (u *Users) resolve(name, dest string) []subscription {
	u.mu.RLock()
	defer u.mu.RUnlock()
	sessions := u.users[name]
	if one := u.sessions[name]; one != nil {
		sessions = []*userSession{one}
	}
	var found []subscription
	for _, us := range sessions {
		for _, id := range us.byDest[dest] {
			found = append(found, subscription{session: us.session, id: id})
		}
	}
	return found
}

// UsersStats is a snapshot of [Users].
type UsersStats struct {
	// Users is how many users have a session.
	Users int
	// Sessions is how many sessions are connected, anonymous ones counted.
	Sessions int
	// Delivered counts deliveries that the outbound handler took.
	Delivered uint64
	// Failed counts deliveries that it did not take.
	Failed uint64
	// Unresolved counts messages for which no session had a subscription.
	Unresolved uint64
}

// Stats returns a snapshot.
func (u *Users) Stats() UsersStats {
	u.mu.RLock()
	defer u.mu.RUnlock()
	return UsersStats{
		Users:      len(u.users),
		Sessions:   len(u.sessions),
		Delivered:  u.delivery.delivered.Load(),
		Failed:     u.delivery.failed.Load(),
		Unresolved: u.unresolved.Load(),
	}
}
