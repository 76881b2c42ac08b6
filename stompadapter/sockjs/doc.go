// Package sockjs is a server of SockJS 0.3.3: sessions that look like
// WebSockets and fall back to HTTP where those do not get through.
//
//	client ── WebSocket, XHR, EventSource ... ──► one connection ──► Protocol, or serve(*Session)
//	                                               of a transport.Server
//
// It stands alone and serves any protocol:
//
//	echo := sockjs.New(sockjs.Config{}, func(s *sockjs.Session) {
//		for {
//			m, err := s.Receive(s.Context())
//			if err != nil {
//				return
//			}
//			s.Send(m)
//		}
//	})
//	defer echo.Close()
//	http.Handle("/echo/", echo)
//
// Adapters use [Mount], which puts their protocol onto the connections of a
// server that serves other endpoints too.
//
// Below its base an endpoint serves a greeting, /info, /iframe.html, WebSocket
// without SockJS at /websocket, and sessions at /SERVER/SESSION/TRANSPORT:
// websocket, xhr, xhr_streaming and eventsource, to which xhr_send belongs;
// and where they are turned on, htmlfile, jsonp and jsonp_send.
//
// # Text
//
// SockJS carries text. What is sent that is not valid UTF-8 arrives with U+FFFD
// in place of each byte that is not; [Session.Send] refuses it. All characters
// survive, NUL and lone control characters too, in both directions; what a
// client escapes as half of a surrogate pair arrives as U+FFFD.
//
// # Who is let in
//
// The server's origin policy holds for everything but the greeting. Pages may
// send credentials only from an origin that passed it. Where browsers send no
// Origin header because a page embeds what it asks for (the iframe page, jsonp,
// htmlfile), Sec-Fetch-Site and Referer tell it; who sends none of the three is
// refused unless all origins are let in.
//
// A session is continued by its principal alone. One without a principal is
// continued from the address it began at, unless NoAddressCheck says otherwise.
// For all others it does not exist. Ids are chosen by clients and prove
// nothing; the application sees an id of its own.
//
// # Concurrency
//
// Methods of [Handler] and [Session] may be called from any goroutine. A
// session over HTTP costs no goroutine while no request is under way; a request
// that receives holds one until there is something to tell.
//
// # Ordering
//
// What is sent arrives in order, whatever request carries it. What the client
// sends is received in order; the requests of one session that send are handled
// one after the other.
//
// # Errors
//
// A receiver that is cut by the network ends its session. One for which nobody
// comes for DisconnectDelay ends too. A client learns of the end by a close
// frame with the code and the text of [transport.CloseCode], also when it asks
// later, as long as the session is remembered.
//
// Of the protocol's public tests one fails: the WebSocket handshake of the
// drafts before RFC 6455 ("hixie-76") is not served.
package sockjs
