package transport

import (
	"net/netip"

	"github.com/headrace/headrace/message"
)

// What those are told for whom there is no room.
var (
	errFull       error = message.Errorf(message.CodeUnavailable, "too many connections")
	errPerAddress error = message.Errorf(message.CodeFull, "too many connections from this address")
	errPerUser    error = message.Errorf(message.CodeFull, "too many connections of this user")
)

// place is what a connection, or a handshake that may become one, takes up of
// the limits of [Config]. Server.mu guards it.
type place struct {
	address netip.Addr // zero where none counts
	user    string     // "" where none counts
}

// shares counts the places of each address or user. The zero key is nobody's
// and not counted.
type shares[K comparable] map[K]int

func (h shares[K]) full(of K, limit int) bool { return limit > 0 && h[of] >= limit }

func (h shares[K]) add(n int, of K) {
	var nobody K
	if of == nobody {
		return
	}
	if h[of] += n; h[of] == 0 {
		delete(h, of)
	}
}

// counted returns what a client's address counts as, if it is one of IP. Who has
// one IPv6 address has all that begin with the same 64 bits.
func counted(addr string) netip.Addr {
	a, _ := parseAddr(addr)
	if a.Is6() {
		network, _ := a.Prefix(64)
		return network.Addr()
	}
	return a
}

// reserve admits one more connection, of a client at addr, whose place release
// gives back.
func (s *Server) reserve(addr string) (p place, err error) {
	if s.config.MaxPerAddress > 0 {
		p.address = counted(addr)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch limit := s.config.MaxConnections; {
	case s.draining:
		return p, ErrShutdown
	case limit > 0 && s.admitted >= limit:
		s.limited.Connections++
		return p, errFull
	case s.perAddress.full(p.address, s.config.MaxPerAddress):
		s.limited.PerAddress++
		return p, errPerAddress
	}
	s.start()
	s.admitted++
	s.perAddress.add(1, p.address)
	s.tasks.Add(1)
	return p, nil
}

// claim makes p a place of the user's, who may be nil, and of nobody's before.
func (s *Server) claim(p *place, user message.Principal) error {
	limit, name := s.config.MaxPerUser, ""
	if limit <= 0 {
		return nil
	}
	if user != nil {
		name = user.Name()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.user == name {
		return nil
	}
	if s.perUser.full(name, limit) {
		s.limited.PerUser++
		return errPerUser
	}
	s.perUser.add(-1, p.user)
	s.perUser.add(1, name)
	p.user = name
	return nil
}

func (s *Server) release(p *place) {
	s.mu.Lock()
	s.vacate(p)
	s.mu.Unlock()
	s.tasks.Done()
}

// vacate gives a place back. The lock is held.
func (s *Server) vacate(p *place) {
	s.admitted--
	s.perAddress.add(-1, p.address)
	s.perUser.add(-1, p.user)
	if s.draining && s.admitted == 0 {
		close(s.empty)
	}
}
