package stompadapter_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/gorilla/websocket"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter"
	"github.com/headrace/headrace/stompadapter/frame"
)

// FuzzConversation sends anything, split in two, and hangs up.
func FuzzConversation(f *testing.F) {
	f.Add([]byte("\n"+connect12+"SUBSCRIBE\nid:1\ndestination:/a\nreceipt:1\n\n\x00"+send("/a", "2")+"UNSUBSCRIBE\nid:1\n\n\x00DISCONNECT\nreceipt:3\n\n\x00"), 40)
	f.Add([]byte("CONNECT\n\n\x00SUBSCRIBE\ndestination:/a\n\n\x00ACK\nmessage-id:1\n\n\x00BEGIN\ntransaction:t\n\n\x00"), 3)
	f.Add([]byte("CONNECT\naccept-version:1.1\nheart-beat:1,1\n\n\x00NACK\nmessage-id:1\nsubscription:2\n\n\x00CONNECT\n\n\x00"), 60)
	f.Add([]byte(connect12+"SEND\ndestination:/a\ncontent-length:5\nreceipt:\\c\n\na\x00"), 70)
	f.Add([]byte("STOMP\naccept-version:1.0,1.2\n\n\x00NONSENSE\n\n\x00"), 1)
	for _, cell := range cells {
		f.Add([]byte(connect12+cell.frame), len(connect12))
	}
	f.Fuzz(func(t *testing.T, octets []byte, split int) {
		synctest.Test(t, func(t *testing.T) {
			in := new(inbound)
			s := serve(t, in, stompadapter.Config{})
			c := s.dial()
			ended := make(chan struct{})
			var errors int
			go func() {
				defer close(ended)
				for reply, ok := c.next(); ok; reply, ok = c.next() {
					if errors > 0 {
						t.Errorf("%s after ERROR", reply.Command)
					}
					if reply.Command == frame.Error {
						errors++
					}
				}
			}()
			split = min(max(split, 0), len(octets))
			c.ws.WriteMessage(websocket.BinaryMessage, octets[:split])
			c.ws.WriteMessage(websocket.BinaryMessage, octets[split:])
			synctest.Wait()
			c.ws.NetConn().Close()
			<-ended
			s.adapter.Close()
			kinds := in.kinds()
			if kinds == "" {
				return
			}
			if !strings.HasPrefix(kinds, "connect") || !strings.HasSuffix(kinds, " disconnect") ||
				strings.Count(kinds, "disconnect") != 1 || strings.Count(kinds, "connect") != 2 {
				t.Errorf("inbound saw %q", kinds)
			}
			for _, m := range in.messages() {
				if m.Kind == message.KindData && m.Destination == "" {
					t.Error("a message without destination")
				}
			}
		})
	})
}
