package nats

import (
	"bytes"
	"testing"

	wmessage "github.com/ThreeDotsLabs/watermill/message"
	natsgo "github.com/nats-io/nats.go"
)

// FuzzConvert: a message comes out as it went in, and no part of it leaves its line of
// the header.
func FuzzConvert(f *testing.F) {
	f.Add("id", "name", "value", []byte("text"))
	f.Add("a\r\nb", "na:me", "x\r\nevil: y", []byte{0})
	f.Add("id", "name", "x\r\nevil: y", []byte{0})
	f.Add("水 %", " ", " v ", []byte(nil))
	f.Fuzz(func(t *testing.T, id, name, value string, payload []byte) {
		in := wmessage.NewMessage(id, payload)
		in.Metadata[name] = value
		msg := toMsg("subject", in)
		for field, values := range msg.Header {
			if bytes.ContainsAny([]byte(field+values[0]), "\r\n\x00") {
				t.Errorf("%q: %q is in the header", field, values)
			}
		}
		out := fromMsg(msg.Header, msg.Data)
		if out.UUID != id || !bytes.Equal(out.Payload, payload) {
			t.Errorf("%q came, %q", out.UUID, out.Payload)
		}
		if got, ok := out.Metadata[name]; ok && got != value && name != headerID {
			t.Errorf("%q is %q, was %q", name, got, value)
		}
	})
}

// Metadata as envelopes have it is kept.
func TestMetadataIsKept(t *testing.T) {
	in := wmessage.NewMessage("id", nil)
	in.Metadata["hr-destination"] = "%2Ftopic%2Fx"
	if got := fromMsg(toMsg("s", in).Header, nil).Metadata["hr-destination"]; got != "%2Ftopic%2Fx" {
		t.Errorf("came %q", got)
	}
	if m := fromMsg(natsgo.Header{headerID: {"%zz"}}, nil); m.UUID != "" {
		t.Errorf("an id that is none came as %q", m.UUID)
	}
}
