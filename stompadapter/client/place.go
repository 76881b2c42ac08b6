package client

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/headrace/headrace/message"
)

// spot is the place of a message in the history of its destination.
type spot struct {
	epoch  string
	offset uint64 // counts the messages of the epoch
}

// spotOf reads it. Messages of destinations without a history have none.
func spotOf(h message.Header) (s spot, ok bool) {
	offset, err := strconv.ParseUint(h.Get(message.HeaderOffset), 10, 64)
	return spot{h.Get(message.HeaderEpoch), offset}, err == nil
}

// place is where a subscription stands that resumes. The client's lock guards it.
type place struct {
	told   bool // the server has answered once
	at     spot // the application has all up to here
	beyond []arrival
}

// arrival is a message that came behind that, and is to be acknowledged, or was
// while one before it was not.
type arrival struct {
	offset  uint64
	done    bool
	refused time.Time // zero unless the server is to send it again
}

// givenUp is how long a message that was refused is waited for. One that does not
// come again is a dead letter: the subscription must not stand still because of it.
const givenUp = time.Minute

// ask adds to SUBSCRIBE from where it goes on.
func (p *place) ask(h message.Header) message.Header {
	return h.With(message.HeaderOffset, strconv.FormatUint(p.at.offset, 10)).With(message.HeaderEpoch, p.at.epoch)
}

// answered takes the server's answer. It reports whether messages may be missing.
func (p *place) answered(h message.Header) (missed bool) {
	if h.Get(message.HeaderRecovered) == "true" {
		return false
	}
	missed = p.told
	p.told, p.beyond = true, nil
	p.at, _ = spotOf(h)
	return missed
}

// passed says that the application has a message, as it has those before it.
func (p *place) passed(s spot) { p.at, p.beyond = s, nil }

// arrived says that a message came which is to be acknowledged. It is false if that
// says nothing of the place: the server sends again what was given up.
func (p *place) arrived(s spot, again bool) bool {
	switch {
	case again && (s.epoch != p.at.epoch || s.offset <= p.at.offset):
		return false
	case s.epoch != p.at.epoch: // another history has begun
		p.passed(spot{s.epoch, s.offset - 1})
	case s.offset <= p.at.offset: // it was acknowledged while the server was asked for it
		return true
	}
	i, found := p.find(s.offset)
	if !found {
		p.beyond = slices.Insert(p.beyond, i, arrival{offset: s.offset})
	}
	p.beyond[i].refused = time.Time{}
	return true
}

func (p *place) find(offset uint64) (int, bool) {
	return slices.BinarySearchFunc(p.beyond, offset, func(a arrival, offset uint64) int { return cmp.Compare(a.offset, offset) })
}

// has reports whether a message that arrived was acknowledged.
func (p *place) has(s spot) bool {
	i, found := p.find(s.offset)
	return s.epoch == p.at.epoch && (s.offset <= p.at.offset || found && p.beyond[i].done)
}

// done says that a message was acknowledged.
func (p *place) done(s spot) { p.settle(s, func(a *arrival) { a.done = true }) }

// refused says that a message was refused: the server sends it again.
func (p *place) refused(s spot) { p.settle(s, func(a *arrival) { a.refused = time.Now() }) }

func (p *place) settle(s spot, how func(*arrival)) {
	if i, found := p.find(s.offset); found && s.epoch == p.at.epoch {
		how(&p.beyond[i])
	}
	n := 0
	for ; n < len(p.beyond) && p.beyond[n].over(); n++ {
		p.at.offset = p.beyond[n].offset
	}
	p.beyond = slices.Delete(p.beyond, 0, n)
}

func (a *arrival) over() bool {
	return a.done || !a.refused.IsZero() && time.Since(a.refused) >= givenUp
}
