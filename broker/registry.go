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

// User is a user who has sessions here, as of one moment.
type User struct {
	// Name is the name of the principal to whom the sessions belonged when they
	// connected.
	Name string
	// Sessions are all of the user's, in the order in which they connected.
	Sessions []SessionView
}

// SessionView is a connected session with what it holds, as of one moment.
type SessionView struct {
	// Session is the session itself.
	*message.Session
	// Subscriptions are all that the session has, in the order of their ids.
	Subscriptions []SubscriptionView
}

// SubscriptionView is a subscription of a connected session.
type SubscriptionView struct {
	// Session is whose it is.
	Session *message.Session
	// ID tells it from the others of its session.
	ID string
	// Destination is what the client subscribed to, as it wrote it.
	Destination string
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
	switch {
	case us == nil:
	case e.Kind == Subscribed:
		us.holds.add(e.Subscription, e.Destination)
	case e.Kind == Unsubscribed:
		us.holds.remove(e.Subscription)
	}
	return nil
}

// All yields the users who have sessions, each once, in no order. Like the other
// sequences of Users it holds no lock while it yields, and sessions may come and
// go meanwhile: those that do may be missing.
func (u *Users) All() iter.Seq[User] {
	return func(yield func(User) bool) {
		for _, name := range keys(u, u.users) {
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
		user.Sessions = append(user.Sessions, us.view())
	}
	return user, len(sessions) > 0
}

// Sessions yields the connected sessions, those of nobody known as well, in no
// order.
func (u *Users) Sessions() iter.Seq[SessionView] {
	return func(yield func(SessionView) bool) {
		for _, id := range keys(u, u.sessions) {
			if s, ok := u.Session(id); ok && !yield(s) {
				return
			}
		}
	}
}

// Session returns the connected session of this id.
func (u *Users) Session(id string) (SessionView, bool) {
	us := u.connected(id)
	if us == nil {
		return SessionView{}, false
	}
	return us.view(), true
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
	us := u.connected(session)
	if us == nil {
		return SubscriptionView{}, false
	}
	dest, ok := us.holds.get(id)
	return SubscriptionView{us.session, id, dest}, ok
}

// Close ends the session of this id, see [message.Session.Close], and reports
// whether there is one. An authored [message.Error] as reason is shown to the
// client. Close does not wait until the session is gone.
func (u *Users) Close(session string, reason error) bool {
	us := u.connected(session)
	if us == nil {
		return false
	}
	us.session.Close(reason)
	return true
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

func (us *userSession) view() SessionView {
	v := SessionView{Session: us.session}
	us.holds.mu.Lock()
	for id, dest := range us.holds.byID {
		v.Subscriptions = append(v.Subscriptions, SubscriptionView{us.session, id, dest})
	}
	us.holds.mu.Unlock()
	slices.SortFunc(v.Subscriptions, func(a, b SubscriptionView) int { return cmp.Compare(a.ID, b.ID) })
	return v
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
