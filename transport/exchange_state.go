package transport

import "github.com/headrace/headrace/message"

// sessionState is where a session stands as far as its client's requests are
// concerned.
type sessionState uint8

const (
	stateNew    sessionState = iota // the connection is up
	stateAuth                       // KindConnect was sent, KindConnected has not come
	stateOpen                       // KindConnected has come
	stateDrain                      // the server shuts down: what was accepted ends
	stateClosed                     // nothing more is read
)

// verdict is what becomes of a request.
type verdict uint8

const (
	toRefuse   verdict = iota // an error is the answer
	toLogin                   // begins the session
	toHold                    // waits until the session is open
	toDispatch                // goes to inbound
	toLeave                   // what is under way is answered, then the session ends
	toDrop                    // nothing
)

// verdicts says for each kind what becomes of it in each state up to
// stateDrain; in stateClosed every request is dropped. Kinds that only servers
// send are not in it: they are refused.
var verdicts = map[message.Kind][stateClosed]verdict{
	message.KindConnect:     {toLogin, toRefuse, toRefuse, toRefuse},
	message.KindData:        {toRefuse, toHold, toDispatch, toRefuse},
	message.KindSubscribe:   {toRefuse, toHold, toDispatch, toRefuse},
	message.KindUnsubscribe: {toRefuse, toHold, toDispatch, toDispatch},
	message.KindAck:         {toRefuse, toRefuse, toDispatch, toDispatch},
	message.KindNack:        {toRefuse, toRefuse, toDispatch, toDispatch},
	message.KindBegin:       {toRefuse, toRefuse, toDispatch, toRefuse},
	message.KindCommit:      {toRefuse, toRefuse, toDispatch, toDispatch},
	message.KindAbort:       {toRefuse, toRefuse, toDispatch, toDispatch},
	message.KindDisconnect:  {toLeave, toLeave, toLeave, toLeave},
}

// verdict says what becomes of r. A session that would survive a refusal holds
// everything until it is open: answers before that would overtake the one to
// the login.
func (s *session) verdict(r Request) verdict {
	switch {
	case s.state == stateClosed:
		return toDrop
	case r.Broken:
		return toRefuse
	case s.state == stateAuth && s.exchange.config.Tolerant:
		return toHold
	}
	return verdicts[r.Message.Kind][s.state]
}

// refusal says why r was refused.
func (s *session) refusal(r Request) error {
	switch {
	case r.Broken:
		return r.Err
	case s.state == stateNew:
		return message.Errorf(message.CodeInvalid, "%s, not %s", s.exchange.config.First, r.Name)
	case r.Message.Kind == message.KindConnect:
		return message.Errorf(message.CodeConflict, "the session has begun already")
	case s.state == stateAuth:
		return message.Errorf(message.CodeInvalid, "%s is not taken before the session is connected", r.Name)
	}
	return s.parting
}
