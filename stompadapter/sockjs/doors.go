package sockjs

import "github.com/headrace/headrace/message"

// Doors returns what c opens to strangers beyond the defaults, but for c.WebSocket,
// which has doors of its own. at is where c stands, such as "Config.SockJS".
func (c MountConfig) Doors(at string) message.Doors {
	return message.Doors(nil).
		If(c.HTMLFile, at+".HTMLFile", "pages may listen by htmlfile, whose answers are documents with scripts").
		If(c.JSONP, at+".JSONP", "pages may listen and send by jsonp, whose answers are scripts").
		If(c.NoAddressCheck, at+".NoAddressCheck", "who knows the session of a client without a name may continue it from another address")
}
