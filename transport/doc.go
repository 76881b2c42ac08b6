// Package transport is what every network adapter shares: who may connect, the
// WebSocket endpoint, the way out to each client and the end of it all.
//
//	                 ┌ Handshake: origin, principal, hooks
//	client ──HTTP──► │
//	                 └ upgrade ─► reader ─── Receive ──► Protocol (an adapter)
//	                                                        │ Send
//	client ◄── one write a round ── flusher ◄── outbox ◄────┘
//	                                               │ what the socket does not take
//	client ◄── blocking, with a deadline ── spill ◄┘
//
// An adapter makes one [Server], mounts its endpoints and puts a [Protocol] on
// each connection:
//
//	server := transport.NewServer(transport.Config{
//		Handshake: transport.Handshake{AllowedOrigins: []string{"https://shop.example"}},
//	})
//	http.Handle("/ws", server.WebSocket(transport.WebSocketConfig{}, func(c *transport.Conn) transport.Protocol {
//		return &protocol{conn: c}
//	}))
//	...
//	err := server.Shutdown(ctx)
//
// # Who may connect
//
// A browser sends a user's cookies along with the handshake of any page, so the
// origin of the page is checked, on every endpoint, unless
// [Handshake].NoOriginCheck says otherwise: it must be the request's own or one
// that is listed. A refused one is logged with the line of configuration that
// would allow it. The time until a handshake is complete is the http.Server's
// matter (ReadHeaderTimeout), the time until a login the adapter's.
//
// # Concurrency
//
// A connection costs one goroutine, which reads and calls its protocol; a
// second one lives while its socket does not take what waits, or, on
// connections that cannot be written without blocking (TLS, pipes), while
// anything waits. Methods of [Server] and [Conn] may be called from any
// goroutine. [Conn.Send] and [Conn.Close] never block: at most they yield.
//
// # Ordering
//
// What is sent to a connection goes out in the order of the calls, pongs and
// the close frame included. What a client sends reaches Receive in its order.
//
// # Errors
//
// Nobody waits for a slow client. Who lets more than Config.OutboxBytes pile
// up, or takes nothing for Config.WriteTimeout, is cut with [ErrSlow]. Clients
// are shown the text of authored errors only, in the HTTP answer or the close
// frame; [Conn.Close] has the table of close codes.
package transport
