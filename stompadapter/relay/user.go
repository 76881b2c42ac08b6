package relay

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"github.com/headrace/headrace/message"
)

// directExchange is where the queues of users' own destinations are bound.
const directExchange = "/exchange/amq.direct/"

// ownDestination returns where RabbitMQ has the queue of one session for a destination
// that begins with the prefix of users: a queue of the subscription's own, which ends
// with the connection, bound by a name that has the session's id in it. Nobody can guess
// it, and no pattern matches it.
func (b *Broker) ownDestination(destination, session string) (string, error) {
	return b.boundTo(strings.TrimPrefix(destination, b.config.UserPrefix), destination, session)
}

func (b *Broker) boundTo(rest, destination, session string) (string, error) {
	if b.config.Dialect != RabbitMQ {
		return "", errUsers
	}
	kind, key, ok := strings.Cut(strings.TrimPrefix(rest, "/"), "/")
	exchange := directExchange
	if kind == "exchange" {
		name, rest, ok := strings.Cut(key, "/")
		if !ok || name == "" {
			return "", errUserDestination(b.config.UserPrefix, destination)
		}
		exchange, key = "/exchange/"+url.PathEscape(name)+"/", rest
	} else {
		key = kind + "." + key
	}
	if !ok || kind == "" || strings.HasSuffix(key, ".") || key == "" {
		return "", errUserDestination(b.config.UserPrefix, destination)
	}
	return exchange + url.PathEscape(key) + "-user" + session, nil
}

func errUserDestination(prefix, destination string) error {
	return message.Errorf(message.CodeInvalid, "%.200q is not a destination of a user: it needs %s/queue/... or %s/exchange/...", destination, prefix, prefix)
}

// sendToUser sends a message for a user to each of his sessions, over the relay's own
// connection. A message to a user without one is counted and is no error.
func (b *Broker) sendToUser(ctx context.Context, m message.Raw) error {
	rest, _ := strings.CutPrefix(m.Destination, b.config.UserPrefix+"/")
	escaped, dest, ok := strings.Cut(rest, "/")
	name, err := url.PathUnescape(escaped)
	if !ok || err != nil || name == "" {
		return message.Errorf(message.CodeInvalid, "%.200q is not a user's destination: it needs %s/{name}/...", m.Destination, b.config.UserPrefix)
	}
	ids := b.sessionsOf(name)
	if len(ids) == 0 {
		b.counts.unresolved.Add(1)
		return nil
	}
	for i, id := range ids {
		to, err := b.boundTo("/"+dest, m.Destination, id)
		if err == nil {
			err = b.system.sendTo(ctx, m, to)
		}
		if err != nil && i == 0 {
			return err
		}
		if err != nil {
			b.logFailure(ctx, "a message did not get to all sessions of its user", err)
		}
	}
	return nil
}

// sessionsOf returns the ids of the sessions of a user, on all nodes as far as they are
// known, or of the one session that has this id: nobody may take one's messages by naming
// himself like it.
func (b *Broker) sessionsOf(name string) (ids []string) {
	b.mu.RLock()
	_, one := b.byID[name]
	for _, s := range b.byUser[name] {
		ids = append(ids, s.session.ID())
	}
	b.mu.RUnlock()
	if one {
		return []string{name}
	}
	if b.config.Sessions != nil {
		ids = append(ids, b.config.Sessions(name)...)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
