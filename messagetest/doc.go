// Package messagetest is a test kit, for applications and for those who extend
// headrace.
//
// [Connect] begins a session without a network and lets a test play the client
// of a node:
//
//	func TestGreeting(t *testing.T) {
//		node := headrace.New(headrace.Config{})
//		t.Cleanup(node.Close)
//		handler.Handle(node.Router, "/hello", greet)
//
//		c := messagetest.Connect(t, node, messagetest.User("kim"))
//		c.Subscribe("/topic/hello")
//		c.Send("/app/hello", Hello{Name: "kim"})
//		greeting := messagetest.Payload[Greeting](t, c.Next(t))
//		...
//		c.Refute(t) // nothing else came
//	}
//
// [Record] notes what passes a channel, and [Frozen] finds who changes a
// payload after it was sent.
//
// [Adapter] holds an adapter to the contract of its kind, whatever its
// protocol: the author says how a client of it connects, sends and receives,
// and the suite plays the application behind it.
//
//	func TestConformance(t *testing.T) {
//		messagetest.Adapter(t, func(t *testing.T, inbound message.RawHandler) messagetest.AdapterServer {
//			...
//		})
//	}
//
// [Broker] does the same for brokers, which say what of it they can do, and
// [Backplane] for the drivers that join their nodes. [NewBackplane] makes a
// backplane for tests of several nodes in one process.
package messagetest
