package stompadapter

import (
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/frame"
	"github.com/headrace/headrace/transport"
)

// state is where a session stands as far as its client's frames are concerned.
type state uint8

const (
	stateNew    state = iota // the connection is up
	stateAuth                // CONNECT was taken, CONNECTED not yet sent
	stateOpen                // CONNECTED was sent
	stateDrain               // the server shuts down: what was accepted ends
	stateClosed              // nothing more is read
)

// verdict is what becomes of a frame.
type verdict uint8

const (
	refuse   verdict = iota // ERROR, close
	login                   // begin the session
	hold                    // keep it until the session is open
	dispatch                // send it on
	leave                   // answer what is under way, then close
	drop                    // nothing
)

// verdicts says for each command what becomes of it in each state up to
// stateDrain; in stateClosed every frame is dropped. Commands of servers are
// not in it: they are refused in every state.
var verdicts = map[frame.Command][stateClosed]verdict{
	frame.Connect:     {login, refuse, refuse, refuse},
	frame.Stomp:       {login, refuse, refuse, refuse},
	frame.Send:        {refuse, hold, dispatch, refuse},
	frame.Subscribe:   {refuse, hold, dispatch, refuse},
	frame.Unsubscribe: {refuse, hold, dispatch, dispatch},
	frame.Ack:         {refuse, refuse, dispatch, dispatch},
	frame.Nack:        {refuse, refuse, dispatch, dispatch},
	frame.Begin:       {refuse, refuse, dispatch, refuse},
	frame.Commit:      {refuse, refuse, dispatch, dispatch},
	frame.Abort:       {refuse, refuse, dispatch, dispatch},
	frame.Disconnect:  {leave, leave, leave, leave},
}

// verdict says what becomes of a frame of command c in state s.
func (s state) verdict(c frame.Command) verdict {
	if s == stateClosed {
		return drop
	}
	return verdicts[c][s]
}

// refusal says why a frame of command c was refused in state s.
func (s state) refusal(c frame.Command) error {
	_, ofClients := verdicts[c]
	switch {
	case !ofClients:
		return invalid("only servers send %s frames", c)
	case s == stateNew:
		return invalid("the first frame must be CONNECT or STOMP, not %s", c)
	case c == frame.Connect || c == frame.Stomp:
		return message.Errorf(message.CodeConflict, "the session has begun already")
	case s == stateAuth:
		return invalid("%s frames are not taken before CONNECTED", c)
	}
	return transport.ErrShutdown
}
