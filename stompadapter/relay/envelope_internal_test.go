package relay

import (
	"bytes"
	"testing"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
)

// FuzzDecode: whatever comes is an envelope, which comes back as it is, or an error.
func FuzzDecode(f *testing.F) {
	f.Add([]byte{})
	f.Add(encode(broker.Envelope{
		ID: "1", Origin: "a", Destination: "/topic/a",
		Header: message.NewHeader(message.Field{Name: "x", Value: "y"}, message.Field{}), Payload: []byte("z"),
	}))
	f.Add([]byte{0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, octets []byte) {
		e, err := decode(octets)
		if err != nil {
			return
		}
		again, err := decode(encode(e))
		if err != nil || again.ID != e.ID || again.Origin != e.Origin || again.Destination != e.Destination ||
			again.Header.Len() != e.Header.Len() || !bytes.Equal(again.Payload, e.Payload) {
			t.Errorf("%+v came back as %+v, %v", e, again, err)
		}
	})
}
