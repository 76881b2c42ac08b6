package broker

import (
	"slices"
	"time"
)

// peer is another node, with the sessions that it told of. A [cluster] guards it.
type peer struct {
	life     string
	number   uint64 // of its last delta
	heard    time.Time
	sessions map[string]*remote   // by id; they are replaced, not changed
	users    map[string][]*remote // by user
}

// add takes a session in, or what is new of one.
func (p *peer) add(s *remote) {
	p.remove(s.id)
	p.sessions[s.id] = s
	if s.user != "" {
		p.users[s.user] = append(p.users[s.user], s)
	}
}

func (p *peer) remove(id string) {
	s := p.sessions[id]
	if s == nil {
		return
	}
	delete(p.sessions, id)
	left := slices.DeleteFunc(slices.Clone(p.users[s.user]), func(o *remote) bool { return o == s })
	if len(left) == 0 {
		delete(p.users, s.user)
	} else {
		p.users[s.user] = left
	}
}

// take changes p as a delta or a snapshot says, whose parts are all there.
func (p *peer) take(n *notice) {
	p.number = n.number
	for _, id := range n.gone {
		p.remove(id)
	}
	for i := 0; i < len(n.sessions); {
		s := n.sessions[i]
		for i++; i < len(n.sessions) && n.sessions[i].id == s.id; i++ {
			s.subscriptions = append(s.subscriptions, n.sessions[i].subscriptions...)
		}
		p.add(&s)
	}
}

func (s *remote) view(node string) SessionView {
	v := SessionView{ID: s.id, User: s.user, Node: node}
	for _, h := range s.subscriptions {
		v.Subscriptions = append(v.Subscriptions, s.subscription(node, h))
	}
	return v
}

func (s *remote) subscription(node string, h held) SubscriptionView {
	return SubscriptionView{ID: h.id, Destination: h.destination, SessionID: s.id, User: s.user, Node: node}
}
