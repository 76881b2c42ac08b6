// Package messagetest is a test kit: suites that hold what others build to the
// contracts of headrace's rooms.
//
// [Adapter] checks an adapter, whatever its protocol: the author says how a
// client of it connects, sends and receives, and the suite plays the
// application behind it.
//
//	func TestConformance(t *testing.T) {
//		messagetest.Adapter(t, func(t *testing.T, inbound message.RawHandler) messagetest.AdapterServer {
//			...
//		})
//	}
package messagetest
