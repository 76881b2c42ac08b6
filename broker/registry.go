package broker

import (
	"cmp"
	"context"
	"iter"
	"maps"
	"slices"
	"sync"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/destination"
)

// User is a user who has sessions, as of one moment.
type User struct {
	// Name is the name of the principal to whom the sessions belonged when they
	// connected.
	Name string
	// Sessions are all of the user's: those of this node in the order in which they
	// connected, then those of others.
	Sessions []SessionView
}

// SessionView is a connected session with what it holds, as of one moment.
type SessionView struct {
	// ID is the session's id.
	ID string
	// User is the name of the user it belongs to, and empty if that is nobody.
	User string
	// Node is the id of the node at which it is connected; empty without a
	// [Backplane].
	Node string
	// Session is the session itself; nil if it is connected at another node, of which
	// no more is known than stands here.
	Session *message.Session
	// Subscriptions are all that the session has, in the order of their ids.
	Subscriptions []SubscriptionView
}

// SubscriptionView is a subscription of a connected session.
type SubscriptionView struct {
	// ID tells it from the others of its session.
	ID string
	// Destination is what the client subscribed to, as it wrote it.
	Destination string
	// SessionID is the id of the session whose it is.
	SessionID string
	// User, Node and Session are those of the session, see [SessionView].
	User string
	// Node is the id of the session's node.
	Node string
	// Session is nil if the session is connected at another node.
	Session *message.Session
}

// Observe learns from an event which subscriptions a session has, be they to
// destinations of users, at a broker, or answered by the program: it is a handler
// of events, to be wired to where all of them are told. Which sessions there are,
// Users knows from the messages that it handles: an event of a session that is not
// connected, or not any more, changes nothing, and one that comes again changes
// nothing either. Observe never fails.
func (u *Users) Observe(_ context.Context, m message.Message[Event]) error {
	e := m.Payload
	if e.Session == nil {
		return nil
	}
	us := u.connected(e.Session.ID())
	if us == nil {
		return nil
	}
	switch e.Kind {
	case Subscribed:
		us.holds.add(e.Subscription, e.Destination)
	case Unsubscribed:
		us.holds.remove(e.Subscription)
	default:
		return nil
	}
	u.cluster.changed(e.Session.ID())
	return nil
}

// All yields the users who have sessions, each once, in no order. Like the other
// sequences of Users it holds no lock while it yields, and sessions may come and
// go meanwhile: those that do may be missing.
func (u *Users) All() iter.Seq[User] {
	return func(yield func(User) bool) {
		names := keys(u, u.users)
		for name := range u.cluster.users() {
			if !u.knows(name) {
				names = append(names, name)
			}
		}
		for _, name := range names {
			if user, ok := u.User(name); ok && !yield(user) {
				return
			}
		}
	}
}

// User returns the user of this name. It is false if he has no session.
func (u *Users) User(name string) (User, bool) {
	u.mu.RLock()
	sessions := u.users[name] // which is not changed, only added to behind its end
	u.mu.RUnlock()
	user := User{Name: name}
	for _, us := range sessions {
		user.Sessions = append(user.Sessions, u.view(us))
	}
	user.Sessions = append(user.Sessions, u.cluster.views(name)...)
	return user, len(user.Sessions) > 0
}

// Sessions yields the connected sessions, those of nobody known as well, in no
// order.
func (u *Users) Sessions() iter.Seq[SessionView] {
	return func(yield func(SessionView) bool) {
		for _, id := range append(keys(u, u.sessions), u.cluster.ids()...) {
			if s, ok := u.Session(id); ok && !yield(s) {
				return
			}
		}
	}
}

// Session returns the connected session of this id.
func (u *Users) Session(id string) (SessionView, bool) {
	if us := u.connected(id); us != nil {
		return u.view(us), true
	}
	if s, node := u.cluster.session(id); s != nil {
		return s.view(node), true
	}
	return SessionView{}, false
}

// SessionsOf returns the ids of the sessions that a message for name reaches: that of the
// session whose id it is, or those of all the sessions of the user of this name.
func (u *Users) SessionsOf(name string) (ids []string) {
	if _, ok := u.Session(name); ok {
		return []string{name}
	}
	user, _ := u.User(name)
	for _, s := range user.Sessions {
		ids = append(ids, s.ID)
	}
	return ids
}

// Subscriptions yields the subscriptions whose destinations p matches. One that is
// a pattern itself counts as text: "/topic/?" matches "/topic/a" and "/topic/*". It
// looks at all subscriptions there are, in no order.
func (u *Users) Subscriptions(p destination.Pattern) iter.Seq[SubscriptionView] {
	return func(yield func(SubscriptionView) bool) {
		for s := range u.Sessions() {
			for _, sub := range s.Subscriptions {
				if p.Match(sub.Destination) && !yield(sub) {
					return
				}
			}
		}
	}
}

// Subscription returns the subscription of this id that a session has.
func (u *Users) Subscription(session, id string) (SubscriptionView, bool) {
	if us := u.connected(session); us != nil {
		dest, ok := us.holds.get(id)
		if !ok {
			return SubscriptionView{}, false
		}
		return u.subscriptionView(us, id, dest), true
	}
	if s, node := u.cluster.session(session); s != nil {
		for _, h := range s.subscriptions {
			if h.id == id {
				return s.subscription(node, h), true
			}
		}
	}
	return SubscriptionView{}, false
}

// Close ends the session of this id, see [message.Session.Close], and reports
// whether there is one. An authored [message.Error] as reason is shown to the
// client. Close does not wait until the session is gone. One that is connected at
// another node is ended there, with what the client is shown of the reason; a node
// that cannot be reached does not learn of it, and with 1,024 messages to nodes on
// their way already, Close is false.
func (u *Users) Close(session string, reason error) bool {
	if us := u.connected(session); us != nil {
		us.session.Close(reason)
		return true
	}
	if _, node := u.cluster.session(session); node != "" {
		return u.dismissAt(node, session, reason)
	}
	return false
}

// connected returns the session of this id, or nil.
func (u *Users) connected(id string) *userSession {
	u.mu.RLock()
	defer u.mu.RUnlock()
	return u.sessions[id]
}

// keys returns those of a map of u.
func keys[V any](u *Users, m map[string]V) []string {
	u.mu.RLock()
	defer u.mu.RUnlock()
	return slices.Collect(maps.Keys(m))
}

// knows reports whether a user has sessions at this node.
func (u *Users) knows(name string) bool {
	u.mu.RLock()
	defer u.mu.RUnlock()
	return len(u.users[name]) > 0
}

// node returns the id of this node among others.
func (u *Users) node() string {
	if u.cluster == nil {
		return ""
	}
	return u.cluster.link.node
}

func (u *Users) view(us *userSession) SessionView {
	v := SessionView{ID: us.session.ID(), User: us.user, Node: u.node(), Session: us.session}
	for _, h := range us.holds.all() {
		v.Subscriptions = append(v.Subscriptions, u.subscriptionView(us, h.id, h.destination))
	}
	return v
}

func (u *Users) subscriptionView(us *userSession, id, dest string) SubscriptionView {
	return SubscriptionView{ID: id, Destination: dest, SessionID: us.session.ID(), User: us.user, Node: u.node(), Session: us.session}
}

// holdings are the subscriptions of a session, destinations by id. They have a
// lock of their own: who subscribes to a topic does not hold up what is sent to
// users. What is told too late of a session that has left goes with it.
type holdings struct {
	mu   sync.Mutex
	byID map[string]string
}

func (h *holdings) add(id, dest string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.byID == nil {
		h.byID = make(map[string]string)
	}
	h.byID[id] = dest
}

func (h *holdings) remove(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.byID, id)
}

func (h *holdings) get(id string) (dest string, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	dest, ok = h.byID[id]
	return dest, ok
}

// all returns them in the order of their ids.
func (h *holdings) all() []held {
	h.mu.Lock()
	all := make([]held, 0, len(h.byID))
	for id, dest := range h.byID {
		all = append(all, held{id, dest})
	}
	h.mu.Unlock()
	slices.SortFunc(all, func(a, b held) int { return cmp.Compare(a.id, b.id) })
	return all
}
