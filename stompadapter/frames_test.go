package stompadapter_test

import (
	"context"
	"reflect"
	"testing"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter"
	"github.com/headrace/headrace/stompadapter/frame"
)

// Frames are counted by their commands, as they came and as they were written, over
// sockets and over what is written by a goroutine of its own. Heart-beats, what is no
// frame and the close of the WebSocket are not.
func TestFramesAreCountedByCommand(t *testing.T) {
	for name, tcp := range map[string][]bool{"pipes": nil, "TCP": {true}} {
		t.Run(name, func(t *testing.T) {
			in, late := new(inbound), make(chan message.Raw, 1)
			in.on = func(ctx context.Context, m message.Raw) error {
				switch {
				case m.Kind == message.KindData:
					return m.Session.Deliver(ctx, message.Raw{Destination: "/topic/a", Subscription: "1", Payload: m.Payload})
				case m.Header.Get("late") != "":
					late <- m
					return nil
				}
				return accept(ctx, m)
			}
			s := serve(t, in, stompadapter.Config{}, tcp...)
			c := s.connect()
			c.send("SUBSCRIBE\nid:1\ndestination:/topic/a\nreceipt:r\n\n\x00\n\n", "BEGIN\ntransaction:t\n\n\x00", "COMMIT\ntransaction:t\n\n\x00",
				"BEGIN\ntransaction:t\n\n\x00", "ABORT\ntransaction:t\n\n\x00", "ACK\nid:1\n\n\x00", "NACK\nid:1\n\n\x00")
			c.want(frame.Receipt)
			for range 3 {
				c.send("SEND\ndestination:/app/a\n\nhello\x00")
				c.want(frame.Message)
			}
			c.send("UNSUBSCRIBE\nid:1\n\n\x00", "DISCONNECT\nreceipt:bye\n\n\x00")
			c.receipts(1)
			c.wantClosed()

			c = s.dial()
			c.send("STOMP\naccept-version:1.2\nhost:h\n\n\x00")
			c.want(frame.Connected)
			c.send("NONSENSE\n\n\x00")
			c.wantError("unknown command")
			c = s.connect()
			c.send("SEND\n\nto nowhere\x00") // a SEND all the same
			c.wantError("needs the header destination")

			c = s.dial()
			c.send("CONNECT\naccept-version:1.2\nhost:h\nlate:1\n\n\x00SEND\ndestination:/app/a\n\nhello\x00")
			m := <-late
			eventually(t, "what is held is counted", func() bool { return s.adapter.Stats().Transport.Received["SEND"] == 5 })
			if err := accept(context.Background(), m); err != nil {
				t.Fatal(err)
			}
			c.want(frame.Connected)
			c.want(frame.Message)

			s.adapter.Close() // so that all is counted
			st := s.adapter.Stats().Transport
			if want := map[string]uint64{"CONNECT": 3, "STOMP": 1, "SUBSCRIBE": 1, "SEND": 5, "BEGIN": 2, "COMMIT": 1, "ABORT": 1,
				"ACK": 1, "NACK": 1, "UNSUBSCRIBE": 1, "DISCONNECT": 1}; !reflect.DeepEqual(st.Received, want) {
				t.Errorf("received %v, want %v", st.Received, want)
			}
			if want := map[string]uint64{"CONNECTED": 4, "RECEIPT": 2, "MESSAGE": 4, "ERROR": 2}; !reflect.DeepEqual(st.Sent, want) {
				t.Errorf("sent %v, want %v", st.Sent, want)
			}
		})
	}
}
