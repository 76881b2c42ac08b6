package handler

import (
	"container/list"
	"context"
	"time"

	"github.com/headrace/headrace/message"
)

// group is what an [Aggregator] has of one message to come.
type group[T any] struct {
	key     string
	ctx     context.Context
	members []message.Message[T] // never empty
	due     time.Time
	place   *list.Element // among all open groups, by age
}

// session returns the session that all members have, or nil: what several
// clients sent belongs to none of them.
func (g *group[T]) session() *message.Session {
	s := g.members[0].Session
	for i := range g.members {
		if g.members[i].Session != s {
			return nil
		}
	}
	return s
}

// unwatched returns how many members have no Done.
func (g *group[T]) unwatched() (n int) {
	for i := range g.members {
		if g.members[i].Done == nil {
			n++
		}
	}
	return n
}

// done returns what tells all members the outcome of the group, or nil when
// none wants to know.
func (g *group[T]) done() *message.Completion {
	if g.unwatched() == len(g.members) {
		return nil
	}
	return message.NewCompletion(message.Handled, func(err error) {
		for i := range g.members {
			g.members[i].Done.Release(err)
		}
	})
}
