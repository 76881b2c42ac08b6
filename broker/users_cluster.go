package broker

// join makes u one of several nodes.
func (u *Users) join(l *link) {
	u.cluster = &cluster{
		link: l, log: u.delivery.log, own: u.entry, all: u.entries, inbox: u.inbox, unknown: u.unknown,
	}
	u.cluster.start()
}

// entry returns what other nodes are told of a session of this one.
func (u *Users) entry(id string) (remote, bool) {
	us := u.connected(id)
	if us == nil {
		return remote{}, false
	}
	return us.told(), true
}

// entries returns what they are told of all.
func (u *Users) entries() []remote {
	var all []remote
	for _, id := range keys(u, u.sessions) {
		if s, ok := u.entry(id); ok {
			all = append(all, s)
		}
	}
	return all
}

func (us *userSession) told() remote {
	return remote{id: us.session.ID(), user: us.user, subscriptions: us.holds.all()}
}
