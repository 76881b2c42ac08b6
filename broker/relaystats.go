package broker

// RelayStats is a snapshot of a broker that lets another one, a server, do the work.
type RelayStats struct {
	// Name says which one, such as "rabbitmq".
	Name string
	// Available says whether the server is there.
	Available bool
	// Sessions is how many sessions are known.
	Sessions int
	// Open is how many connections of clients are open.
	Open int
	// Connections counts the connections that were opened, the application's too.
	Connections uint64
	// Reconnects counts those of them that took the place of one that was lost.
	Reconnects uint64
	// Waiting is how many messages of the application the server has not confirmed.
	Waiting int
	// WaitingBytes is how many bytes these take.
	WaitingBytes int
	// Sent counts what the server has confirmed of the application's messages.
	Sent uint64
	// Resent counts messages of the application that were sent again.
	Resent uint64
	// Delivered counts deliveries that the outbound handler took.
	Delivered uint64
	// Failed counts deliveries that it did not take.
	Failed uint64
	// Refused counts the application's messages that the server refused.
	Refused uint64
	// Lost counts messages of the application that were given up unconfirmed.
	Lost uint64
	// Unresolved counts messages to users without a session.
	Unresolved uint64
}
