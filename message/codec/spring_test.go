package codec_test

import (
	"testing"

	"github.com/headrace/headrace/message/codec"
)

// What own codecs claim the built-in ones never see: a set that claims all
// there is leaves them nothing.
func TestOwnCodecsInPlaceOfTheBuiltIn(t *testing.T) {
	set := codec.NewSet(reversed{[]string{"application/*", "text/*"}})
	for _, contentType := range []string{"application/json", "application/vnd.trade+json", "application/octet-stream", "text/plain", "text/csv"} {
		if got, err := codec.Decode[string](set, contentType, []byte("cba")); err != nil || got != "abc" {
			t.Errorf("%s: got %q, %v", contentType, got, err)
		}
		if p, _, err := codec.Encode(set, contentType, "abc"); err != nil || string(p) != "cba" {
			t.Errorf("%s: encoded %q, %v", contentType, p, err)
		}
	}
	if _, err := codec.Decode[Trade](set, "", []byte(`{"symbol":"ACME"}`)); err == nil {
		t.Error("the built-in JSON was asked where the Go type decides")
	}
	if p, _, err := codec.Encode(set, "", Trade{Symbol: "ACME"}); err == nil {
		t.Errorf("the built-in JSON wrote %s where the Go type decides", p)
	}
}

// A field that the Go type has not is ignored, unless the codec is strict.
func TestUnknownFieldsAreIgnored(t *testing.T) {
	const payload = `{"symbol":"ACME","colour":{"r":1},"legs":[{"price":2,"x":null}]}`
	got, err := codec.Decode[Trade](nil, "application/json", []byte(payload))
	if err != nil || got.Symbol != "ACME" || len(got.Legs) != 1 || got.Legs[0].Price != 2 {
		t.Errorf("got %+v, %v", got, err)
	}
}

// A set that insists on content types writes them: what it wrote for a value
// that named none, it reads.
func TestStrictSetWritesWithoutAContentType(t *testing.T) {
	strict := (*codec.Set)(nil).Strict()
	payload, writtenAs, err := codec.Encode(strict, "", Trade{Symbol: "ACME"})
	if err != nil || writtenAs != "application/json" {
		t.Fatalf("written as %q, %v", writtenAs, err)
	}
	if got, err := codec.Decode[Trade](strict, writtenAs, payload); err != nil || got.Symbol != "ACME" {
		t.Errorf("read %+v, %v", got, err)
	}
	if _, err := codec.Decode[Trade](strict, "", payload); err == nil {
		t.Error("read without a content type")
	}
}

// JSON between systems is UTF-8 (RFC 8259, section 8.1). Another charset is
// refused both ways, and by name.
func TestJSONIsUTF8(t *testing.T) {
	const contentType, want = "application/json;charset=UTF-16BE", `charset "utf-16be" is not supported, want utf-8`
	_, err := codec.Decode[int](nil, contentType, []byte("\x007"))
	if got := invalid(t, err); got != "payload for type int: "+want {
		t.Errorf("decode: %s", got)
	}
	_, _, err = codec.Encode(nil, contentType, 7)
	if got := invalid(t, err); got != want {
		t.Errorf("encode: %s", got)
	}
}

// A codec may take whatever comes; one that would never be asked is a mistake
// in the wiring.
func TestCodecOfEverything(t *testing.T) {
	set := codec.NewSet(reversed{[]string{"*/*"}})
	for _, contentType := range []string{"text/plain", "application/json", "image/png;q=1"} {
		if got, err := codec.Decode[string](set, contentType, []byte("cba")); err != nil || got != "abc" {
			t.Errorf("%s: %q, %v", contentType, got, err)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("a codec that serves nothing was taken")
		}
	}()
	codec.NewSet(reversed{})
}
