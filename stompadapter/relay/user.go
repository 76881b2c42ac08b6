package relay

import (
	"cmp"
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
// it, and no pattern matches it. No other destination has the same.
func (b *Broker) ownDestination(destination, session string) (string, error) {
	return b.boundTo(strings.TrimPrefix(destination, b.config.UserPrefix), destination, session)
}

func (b *Broker) boundTo(rest, destination, session string) (string, error) {
	if b.config.Dialect != RabbitMQ {
		return "", errUsers
	}
	key, ok := strings.CutPrefix(rest, directExchange)
	if ok {
		ok, key = key != "", unslashed.Replace(key) // so that it is none of the others
	} else {
		var kind, name string
		key = strings.TrimPrefix(rest, "/")
		kind, name, ok = strings.Cut(key, "/")
		ok = ok && kind != "" && kind != "exchange" && name != "" // another exchange would tell others
	}
	if !ok {
		return "", errUserDestination(b.config.UserPrefix, destination)
	}
	return directExchange + url.PathEscape(key) + "-user" + session, nil
}

// unslashed takes the slashes out of keys, no two of which become one.
var unslashed = strings.NewReplacer("%", "%25", "/", "%2F")

func errUserDestination(prefix, destination string) error {
	return message.Errorf(message.CodeInvalid, "%.200q is not a destination of a user: it needs %s/queue/... or %s"+directExchange+"...", destination, prefix, prefix)
}

// sendToUser sends a message for a user to each of his sessions: a client's over its own
// connection, that of the application over the relay's. A message to a user without one is
// counted and is no error. It is confirmed when it is for all, and failed when it is for one.
func (b *Broker) sendToUser(ctx context.Context, m message.Raw) (err error) {
	rest, _ := strings.CutPrefix(m.Destination, b.config.UserPrefix+"/")
	escaped, dest, ok := strings.Cut(rest, "/")
	name, bad := url.PathUnescape(escaped)
	if !ok || bad != nil || name == "" {
		return message.Errorf(message.CodeInvalid, "%.200q is not a user's destination: it needs %s/{name}/...", m.Destination, b.config.UserPrefix)
	}
	send := b.system.send
	if m.Session != nil {
		s := b.session(m.Session)
		if s == nil {
			return errNotConnected
		}
		send = s.send
	}
	ids := b.sessionsOf(name)
	if len(ids) == 0 {
		b.counts.unresolved.Add(1)
		return nil
	}
	m.Done = together(m.Done)
	for _, id := range ids {
		to, wrong := b.boundTo("/"+dest, m.Destination, id)
		if wrong == nil {
			one := m
			one.Destination = to
			wrong = send(ctx, one)
		}
		err = cmp.Or(err, wrong)
	}
	m.Done.Release(err)
	return err
}

// together returns a completion for several messages, whose outcome done is told. It is
// held by the caller.
func together(done *message.Completion) *message.Completion {
	if done == nil {
		return nil
	}
	done.Hold()
	return message.NewCompletion(message.Handled, func(err error) {
		if err == nil {
			done.Reached(message.Stored)
		}
		done.Release(err)
	})
}

// sessionsOf returns the ids of the sessions of a user, on all nodes as far as they are
// known, or of the one session, on whichever node, that has this id: nobody may take one's
// messages by naming himself like it.
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
		all := b.config.Sessions(name)
		if slices.Contains(all, name) {
			return []string{name}
		}
		ids = append(ids, all...)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
