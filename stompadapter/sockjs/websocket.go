package sockjs

import (
	"net/http"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/transport"
)

// webSocket returns the handler of sessions over WebSocket. Ids mean nothing
// there: a connection is a session.
func (e *endpoint) webSocket() http.Handler {
	c := e.config.WebSocket
	c.Framing = framingWebSocket
	c.Transport = "sockjs/websocket"
	c.Goodbye = goodbye
	open := transport.NewFrame(transport.FramingWebSocket, openFrame)
	beat := transport.NewFrame(transport.FramingWebSocket, heartbeatFrame)
	// Beats come a tenth early, and this one answers no promise.
	every := e.config.Heartbeat * 10 / 9
	return e.server.WebSocket(c, func(conn *transport.Conn) transport.Protocol {
		conn.Send(open)
		if every > 0 {
			conn.Heartbeat(every, 0, beat)
		}
		return &unpacker{conn: conn, protocol: e.open(conn), limit: e.config.MaxMessages}
	})
}

// unpacker is the protocol of WebSocket sessions: it takes the messages out of
// the arrays for the protocol inside.
type unpacker struct {
	conn     *transport.Conn
	protocol transport.Protocol
	limit    int
	array    []byte // what has come of it; bounded by WebSocketConfig.MessageBytes
}

// Receive gathers the array: its messages are handed on once it is known to be
// one.
func (u *unpacker) Receive(p []byte) error {
	u.array = append(u.array, p...)
	return nil
}

// EndMessage hands on the messages of the array.
func (u *unpacker) EndMessage() error {
	array := u.array
	u.array = nil // an idle session holds no buffer
	if len(array) == 0 {
		return nil
	}
	messages, err := parseMessages(array, u.limit)
	if err != nil {
		return message.Errorf(message.CodeInvalid, "Broken JSON encoding.").WithCause(err)
	}
	ender, _ := u.protocol.(transport.MessageEnder)
	for _, m := range messages {
		if err := u.protocol.Receive(m); err != nil {
			return err
		}
		if ender != nil {
			if err := ender.EndMessage(); err != nil {
				return err
			}
		}
	}
	return nil
}

// Drain passes on that the server shuts down.
func (u *unpacker) Drain(reason error) {
	if d, ok := u.protocol.(transport.Drainer); ok {
		d.Drain(reason)
		return
	}
	u.conn.Close(reason)
}

// Closed passes on that the connection has ended.
func (u *unpacker) Closed(reason error) { u.protocol.Closed(reason) }
