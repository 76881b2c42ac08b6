package transport

import (
	"errors"
	"io"

	"github.com/gorilla/websocket"

	"github.com/headrace/headrace/message"
)

// reader is the one goroutine of a connection.
type reader struct {
	conn *Conn
	ws   *websocket.Conn
	wire *wire
}

func newReader(c *Conn, ws *websocket.Conn, w *wire) *reader {
	r := &reader{conn: c, ws: ws, wire: w}
	ws.SetPingHandler(func(data string) error {
		c.Send(controlFrame(opPong, []byte(data))) // refused only while closing
		return nil
	})
	ws.SetCloseHandler(func(int, string) error { return nil }) // run answers
	return r
}

// run reads until there is nothing more to read, and ends the connection.
func (r *reader) run() {
	c := r.conn
	err := r.messages()
	var bye *websocket.CloseError
	switch violation := r.violation(err); {
	case errors.As(err, &bye) && bye.Code != websocket.CloseAbnormalClosure: // which is a bare EOF
		c.finish(byeReason(bye), closeFrame(echoCode(bye), ""))
		c.goodbye()
	case violation != nil:
		c.Close(violation)
		// What is unread when a socket closes makes the kernel take back what
		// was sent: the client would never see why.
		io.Copy(io.Discard, struct{ io.Reader }{r.wire.Conn})
		c.goodbye()
	case c.closing():
		c.goodbye()
	default:
		c.drop(lost(err), reset)
	}
	c.end()
}

// messages reads messages until the connection fails, and returns why.
func (r *reader) messages() error {
	for {
		kind, body, err := r.ws.NextReader()
		if err != nil {
			return err
		}
		if err := r.message(body, kind == websocket.TextMessage); err != nil {
			return err
		}
	}
}

// message hands one message to the protocol, piece by piece. It returns an
// error when the connection failed.
func (r *reader) message(body io.Reader, text bool) error {
	scratch := scratches.Get().(*[scratchBytes]byte)
	defer scratches.Put(scratch)
	c := r.conn
	var check utf8Check
	for {
		n, err := body.Read(scratch[:])
		end := err == io.EOF
		if text && !(check.next(scratch[:n]) && (!end || check.complete())) {
			c.Close(errBadUTF8)
		}
		if n > 0 && !c.closing() {
			c.receive(scratch[:n])
		}
		if end {
			if !c.closing() {
				c.endMessage()
			}
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// violation returns what the client did against the WebSocket protocol, or nil.
func (r *reader) violation(err error) error {
	if errors.Is(err, websocket.ErrReadLimit) {
		return errTooLarge
	}
	if r.wire.verdict != 0 {
		return message.Errorf(message.CodeInvalid, "WebSocket protocol error").WithCause(err)
	}
	return nil
}

// byeReason is why a connection ends whose client said goodbye.
func byeReason(bye *websocket.CloseError) error {
	switch bye.Code {
	case websocket.CloseNormalClosure, websocket.CloseGoingAway, websocket.CloseNoStatusReceived:
		return nil
	}
	return errLost.WithCause(bye)
}

// echoCode is the code in the answer to a goodbye (RFC 6455, section 5.5.1).
func echoCode(bye *websocket.CloseError) int {
	if bye.Code == websocket.CloseNoStatusReceived {
		return websocket.CloseNormalClosure
	}
	return bye.Code
}
