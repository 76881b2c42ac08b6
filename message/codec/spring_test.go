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
