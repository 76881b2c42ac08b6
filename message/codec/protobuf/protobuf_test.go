package protobuf_test

import (
	"errors"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/codec"
	"github.com/headrace/headrace/message/codec/protobuf"
)

const mediaType = "application/x-protobuf"

var set = codec.NewSet(protobuf.Codec{})

func TestRoundTrip(t *testing.T) {
	payload, contentType, err := codec.Encode(set, mediaType, wrapperspb.String("grüß"))
	if err != nil || contentType != mediaType {
		t.Fatalf("encoded as %q, %v", contentType, err)
	}
	got, err := codec.Decode[*wrapperspb.StringValue](set, mediaType, payload)
	if err != nil || got.GetValue() != "grüß" {
		t.Fatalf("got %v, %v", got, err)
	}
	for _, other := range []string{"application/protobuf", "application/vnd.google.protobuf", "Application/X-Protobuf; proto=x"} {
		if got, err := codec.Decode[*wrapperspb.StringValue](set, other, payload); err != nil || got.GetValue() != "grüß" {
			t.Errorf("%s: got %v, %v", other, got, err)
		}
	}
}

func TestBadInput(t *testing.T) {
	for _, tt := range []struct {
		name   string
		decode func() error
	}{
		{"truncated", func() error {
			_, err := codec.Decode[*wrapperspb.StringValue](set, mediaType, []byte{0x0a, 0x05, 'a'})
			return err
		}},
		{"not a message", func() error {
			_, err := codec.Decode[int](set, mediaType, []byte{0x08, 1})
			return err
		}},
		{"pointer to something else", func() error {
			_, err := codec.Decode[*int](set, mediaType, []byte{0x08, 1})
			return err
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.decode()
			if e, ok := errors.AsType[*message.Error](err); !ok || e.Code != message.CodeInvalid {
				t.Errorf("error is %v, want an authored one with code invalid", err)
			}
		})
	}
	if _, _, err := codec.Encode(set, mediaType, 7); err == nil {
		t.Error("an int was written as a protocol buffer")
	}
}

func TestUnknownFieldsAreKept(t *testing.T) {
	payload := protowire.AppendVarint(protowire.AppendTag(nil, 9, protowire.VarintType), 1)
	v, err := codec.Decode[*wrapperspb.StringValue](set, mediaType, payload)
	if err != nil {
		t.Fatal(err)
	}
	if again, _, err := codec.Encode(set, mediaType, v); err != nil || string(again) != string(payload) {
		t.Errorf("%x became %x, %v", payload, again, err)
	}
}

// FuzzDecode holds that no payload makes the codec panic, and that what is
// taken can be written again.
func FuzzDecode(f *testing.F) {
	f.Add([]byte{0x0a, 0x01, 'a'})
	f.Add([]byte{0x0a, 0x05, 'a'})
	f.Fuzz(func(t *testing.T, payload []byte) {
		v, err := codec.Decode[*wrapperspb.StringValue](set, mediaType, payload)
		if err != nil || v == nil {
			return
		}
		again, _, err := codec.Encode(set, mediaType, v)
		if err != nil {
			t.Fatal(err)
		}
		w, err := codec.Decode[*wrapperspb.StringValue](set, mediaType, again)
		if err != nil || len(again) > 0 && !proto.Equal(v, w) {
			t.Fatalf("%v became %v, %v", v, w, err)
		}
	})
}
