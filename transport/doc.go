// Package transport is what every network adapter shares: who may connect, the
// endpoints, the way out to each client and the end of it all.
//
//	                 ┌ Handshake: origin, principal, hooks
//	client ──HTTP──► │
//	                 └ WebSocket ─► reader ──── Receive ─► Protocol (an adapter)
//	client ──TCP, TLS─► Serve ────► reader ─── Receive ──────┘  │ Send
//	                                                            │
//	client ◄── one write a round ── flusher ◄──── outbox ◄──────┘
//	                                               │ what the socket does not take
//	client ◄── blocking, with a deadline ── spill ◄┘
//
// An adapter makes one [Server], mounts its endpoints and puts a [Protocol] on
// each connection:
//
//	server := transport.NewServer(transport.Config{
//		Handshake: transport.Handshake{AllowedOrigins: []string{"https://shop.example"}},
//	})
//	open := func(c *transport.Conn) transport.Protocol { return &protocol{conn: c} }
//	http.Handle("/ws", server.WebSocket(transport.WebSocketConfig{}, open))
//	go server.Serve(listener, transport.StreamConfig{}, open)
//	...
//	err := server.Shutdown(ctx)
//
// # Kinds of connections
//
//   - [Server.WebSocket]: RFC 6455. Frames are read as strictly as it asks, and
//     no compression is agreed on unless WebSocketConfig.Compression is set.
//   - [Server.Serve]: byte streams over TCP, TLS and Unix sockets, or whatever
//     else a listener accepts.
//   - [Server.Carry]: connections that are no socket: requests carry them, one
//     after the other. [Carried] is the adapter's end.
//
// They share limits, table, counters and end. What a protocol sends is encoded
// once for all connections of the same [Framing].
//
// # Who may connect
//
// A browser sends a user's cookies along with the handshake of any page, so the
// origin of the page is checked, on every endpoint of HTTP, unless
// [Handshake].NoOriginCheck says otherwise: it must be the request's own or one
// that is listed. A refused one is logged with the line of configuration that
// would allow it. [Config] bounds how many connections there are at once: in
// all, of one address, of one user. The time until a handshake is complete is the http.Server's
// matter (ReadHeaderTimeout), or StreamConfig's for TLS, the time until a login
// the adapter's.
//
// # Concurrency
//
// A connection costs one goroutine, which reads and calls its protocol; a plain
// socket waits there without a buffer. A second one lives while its socket does
// not take what waits, or, on connections that cannot be written without
// blocking (TLS, pipes), while anything waits. A carried connection costs none.
// Methods of [Server] and [Conn] may be called from any goroutine. [Conn.Send]
// and [Conn.Close] never block: at most they yield.
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
// frame; [Conn.Close] has the table of close codes. What is refused is counted
// in [Stats] and logged at debug level with its reason; refused origins are a
// warning, panics of protocols an error.
package transport
