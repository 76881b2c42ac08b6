package transport

import (
	"fmt"
	"strings"

	"github.com/headrace/headrace/message"
)

// Doors returns what c opens to strangers beyond the defaults, and who is let in
// without a name. at is where c stands, such as "Config.Transport".
func (c Config) Doors(at string) message.Doors {
	doors := message.Doors(nil).
		If(c.Handshake.NoOriginCheck, at+".Handshake.NoOriginCheck", "pages of every origin may connect, with the cookies of whoever visits them")
	for _, origin := range c.Handshake.AllowedOrigins {
		doors = doors.If(strings.Contains(origin, "*") && !c.Handshake.NoOriginCheck, at+".Handshake.AllowedOrigins",
			fmt.Sprintf("pages of every host like %s may connect", origin))
	}
	return doors.
		If(c.Handshake.Principal == nil, at+".Handshake.Principal", "who is not logged in may connect, unless an interceptor refuses it").
		If(c.MaxConnections < 0, at+".MaxConnections", "any number of connections may be open")
}

// Doors returns what c opens to strangers beyond the defaults. at is where c stands,
// such as "Config.WebSocket".
func (c WebSocketConfig) Doors(at string) message.Doors {
	return message.Doors(nil).
		If(c.Compression, at+".Compression", "clients may compress what they send").
		If(c.MessageBytes < 0, at+".MessageBytes", "messages may be of any size").
		If(c.IdleTimeout < 0, at+".IdleTimeout", "clients that are silent, or gone, stay")
}
