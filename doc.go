// Package headrace wires the rooms of this module into a [Node]: a typed
// application behind any number of network adapters.
//
//	client ─► adapter ─► Inbound ─┬─ /app/**        ─► Router ─► your function ─► reply ─┐
//	                              ├─ /user/**       ─► users ◄──────────────────────────┤
//	                              └─ /topic, /queue ─► broker ◄── BrokerChannel ◄───────┴─ Template
//	client ◄─ adapter ◄─ Outbound ◄── one message per subscription
//
// A node is made of public parts only; whoever needs another shape builds it
// from the same parts: see examples/pipeline.
package headrace
