package codec_test

import (
	"encoding/json"
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/codec"
)

func ptr[T any](v T) *T { return &v }

func TestDecode(t *testing.T) {
	when := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, tt := range []struct {
		name        string
		decode      decoder
		contentType string
		payload     string
		want        any
	}{
		{"struct", as[Trade], "", `{"symbol":"ACME","shares":2}`, Trade{Symbol: "ACME", Shares: 2}},
		{"pointer", as[*Leg], "", `{"price":2}`, &Leg{2}},
		{"nothing into a pointer", as[*Leg], "", ``, (*Leg)(nil)},
		{"nothing into struct{}", as[struct{}], "", ``, struct{}{}},
		{"something into struct{}", as[struct{}], "", `{}`, struct{}{}},
		{"map", as[map[string]int], "", `{"a":1}`, map[string]int{"a": 1}},
		{"slice", as[[]int], "", `[1,2]`, []int{1, 2}},
		{"number", as[float64], "", `1.5`, 1.5},
		{"bytes in another charset", as[[]byte], "text/plain;charset=latin1", "\xe9", []byte("\xe9")},
		{"null is a zero value", as[Leg], "", `null`, Leg{}},
		{"raw JSON", as[json.RawMessage], "", `{"a": 1}`, json.RawMessage(`{"a": 1}`)},
		{"any", as[any], "", `[true]`, []any{true}},
		{"string", as[string], "", `"grüß"`, `"grüß"`},
		{"pointer to string without a content type", as[*string], "", "a", ptr("a")},
		{"pointer to what is made of a string", as[*Symbol], "", "ACME", ptr(Symbol("ACME"))},
		{"nothing into a pointer to string", as[*string], "", "", (*string)(nil)},
		{"nothing into a pointer to bytes", as[*Blob], "application/octet-stream", "", (*Blob)(nil)},
		{"nothing into a pointer to text", as[*string], "text/plain", ``, (*string)(nil)},
		{"made of a string", as[Symbol], "", `ACME`, Symbol("ACME")},
		{"string from JSON", as[string], "application/json", `"a"`, "a"},
		{"string from text", as[string], "text/html", `<p>`, "<p>"},
		{"text with charset", as[string], "text/plain;charset=UTF-8", `a`, "a"},
		{"ASCII is UTF-8", as[string], `text/plain; charset="us-ascii"`, `a`, "a"},
		{"spaces and capitals", as[int], " Application/JSON ; charset=utf-8", `1`, 1},
		{"structured suffix", as[int], "application/vnd.trade+json", `1`, 1},
		{"spaces around JSON", as[int], "", " 1\n", 1},
		{"bytes", as[[]byte], "", "\xff\x00", []byte("\xff\x00")},
		{"bytes of any content type", as[[]byte], "image/png", "\xff", []byte("\xff")},
		{"no bytes", as[[]byte], "", "", []byte{}},
		{"text unmarshaler", as[time.Time], "text/plain", "2026-01-02T03:04:05Z", when},
		{"pointer to text unmarshaler", as[*time.Time], "text/plain", "2026-01-02T03:04:05Z", &when},
		{"pointer to string", as[*string], "text/plain", "a", ptr("a")},
		{"binary unmarshaler", as[netip.Addr], "application/octet-stream", "\x01\x02\x03\x04", netip.MustParseAddr("1.2.3.4")},
		{"pointer to binary unmarshaler", as[*netip.Addr], "application/octet-stream", "\x01\x02\x03\x04", ptr(netip.MustParseAddr("1.2.3.4"))},
		{"made of bytes", as[Blob], "application/octet-stream", "x", Blob("x")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.decode(nil, tt.contentType, tt.payload)
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %#v, %v, want %#v", got, err, tt.want)
			}
		})
	}
}

func TestDecodeErrors(t *testing.T) {
	strict := codec.NewSet(codec.JSON{Strict: true})
	const trade, visit = "payload is not valid JSON for type Trade", "payload is not valid JSON for type Visit"
	for _, tt := range []struct {
		name        string
		set         *codec.Set
		decode      decoder
		contentType string
		payload     string
		want        string
	}{
		{"field", nil, as[Trade], "", `{"shares":"many"}`, trade + `: field "shares": want int, got string`},
		{"nested field", nil, as[Trade], "", `{"legs":[{"price":300}]}`, trade + `: field "legs.price": want uint8, got number 300`},
		{"pointer field", nil, as[Trade], "", `{"note":1}`, trade + `: field "note": want string, got number`},
		{"bytes field", nil, as[Trade], "", `{"seal":1}`, trade + `: field "seal": want base64 string, got number`},
		{"other value", nil, as[Trade], "", `[]`, trade + `: want object, got array`},
		{"want array", nil, as[[]Leg], "", `{}`, `payload is not valid JSON for type []Leg: want array, got object`},
		{"long number", nil, as[int], "", strings.Repeat("9", 500), `payload is not valid JSON for type int: want int, got number ` + strings.Repeat("9", 33)},
		{"syntax", nil, as[Trade], "", `{"a" 1}`, trade + `: invalid character '1' after object key at byte 6`},
		{"cut off", nil, as[Trade], "", `{"a":`, trade + `: unexpected end of JSON input at byte 5`},
		{"trailing", nil, as[Trade], "", `{} {}`, trade + `: invalid character '{' after top-level value at byte 4`},
		{"blank", nil, as[Trade], "", ` `, trade + `: unexpected end of JSON input at byte 1`},
		{"empty", nil, as[Trade], "", ``, `payload is empty, want JSON for type Trade`},
		{"empty number", nil, as[int], "application/json", ``, `payload is empty, want JSON for type int`},
		{"empty string", nil, as[string], "", ``, `payload is empty, want text for type string`},
		{"empty text", nil, as[Symbol], "text/plain", ``, `payload is empty, want text for type Symbol`},
		{"base64", nil, as[Trade], "", `{"seal":"%"}`, trade + `: field "seal": want base64 string`},
		{"field that reads itself", nil, as[Visit], "", `{"shares":1,"AT":"soon"}`, visit + `: field "at": want Time`},
		{"field of an element", nil, as[[]map[string]Visit], "", `[{},{"a":{"stops":[{"by":{"at":null}},{"by":{"at":"soon"}}]}}]`, `payload is not valid JSON for type []map: field "stops.by.at": want Time`},
		{"field that is embedded", nil, as[struct{ *Visit }], "", `{"at":"soon"}`, `payload is not valid JSON for type struct: field "at": want Time`},
		{"field that closes", nil, as[Visit], "", `{"Closed":1}`, visit + `: field "Closed": want Closed`},
		{"field far below", nil, as[Visit], "", strings.Repeat(`{"stops":[{"by":`, 2000) + `{"at":"soon"}` + strings.Repeat(`}]}`, 2000), visit + `: field "stops.by.stops.by.stops": want struct`},
		{"generic type", nil, as[Page[Trade]], "", `1`, `payload is not valid JSON for type Page[Trade]: want object, got number`},
		{"type without a name", nil, as[struct{ Password string }], "", `1`, `payload is not valid JSON for type struct: want object, got number`},
		{"pointer type", nil, as[*Trade], "", `1`, trade + `: want object, got number`},
		{"authored by the type", nil, as[Even], "", `1`, `want an even number`},
		{"not authored by the type", nil, as[Closed], "", `1`, `payload is not valid JSON for type Closed`},
		{"deep", nil, as[any], "", strings.Repeat("[", 10_001), `payload is not valid JSON for type interface: invalid character '[' exceeded max depth at byte 10001`},

		{"strict: unknown field", strict, as[Trade], "", `{"colour":1}`, trade + `: unknown field "colour"`},
		{"strict: trailing", strict, as[Trade], "", `{} {}`, trade + `: data after the JSON value`},
		{"strict: trailing garbage", strict, as[Trade], "", `{} x`, trade + `: data after the JSON value`},
		{"strict: cut off", strict, as[Trade], "", `{"a":`, trade + `: unexpected end of JSON input`},
		{"strict: blank", strict, as[Trade], "", ` `, trade + `: unexpected end of JSON input`},
		{"strict: field", strict, as[Trade], "", `{"shares":"many"}`, trade + `: field "shares": want int, got string`},

		{"no content type", strict.Strict(), as[Trade], "", `{}`, `payload has no content type, want one for type Trade`},
		{"no content type for text", (*codec.Set)(nil).Strict(), as[string], "", `a`, `payload has no content type, want one for type string`},
		{"no content type: still the codecs of the set", strict.Strict(), as[Trade], "application/json", `{"colour":1}`, trade + `: unknown field "colour"`},

		{"text into struct", nil, as[Trade], "text/plain", `{}`, `text cannot be read as type Trade`},
		{"not UTF-8", nil, as[string], "", "a\xff", `payload is not UTF-8 text`},
		{"not UTF-8 either", nil, as[Symbol], "text/plain", "a\xff", `payload is not UTF-8 text`},
		{"charset", nil, as[string], "text/plain;charset=ISO-8859-1", "a", `payload for type string: charset "iso-8859-1" is not supported, want utf-8`},
		{"bad text", nil, as[time.Time], "text/plain", "soon", `payload is not valid text/plain for type Time`},
		{"bytes into struct", nil, as[Trade], "application/octet-stream", "a", `application/octet-stream cannot be read as type Trade`},
		{"bad bytes", nil, as[netip.Addr], "application/octet-stream", "a", `payload is not valid application/octet-stream for type Addr`},
		{"unknown content type", nil, as[Trade], "image/png", "", `payload for type Trade: content type "image/png" is not supported`},
		{"no subtype", nil, as[Trade], "json", "{}", `payload for type Trade: content type "json" is not supported`},
		{"empty suffix", nil, as[Trade], "application/+json", "{}", `payload for type Trade: content type "application/+json" is not supported`},
		{"malformed content type", nil, as[Trade], "application/json;;=", "{}", `payload for type Trade: content type "application/json;;=" is malformed`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := tt.decode(tt.set, tt.contentType, tt.payload)
			if got := invalid(t, err); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestErrorShowsNoCause(t *testing.T) {
	_, err := codec.Decode[Closed](nil, "", []byte("1"))
	if !strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the log does not learn the cause: %v", err)
	}
	if public := message.Public(err); strings.Contains(public.Error(), "hunter2") {
		t.Errorf("the client learns the cause: %v", public)
	}
}

func TestNoValueWithAnError(t *testing.T) {
	got, err := codec.Decode[Trade](nil, "", []byte(`{"symbol":"ACME","shares":"x"}`))
	if err == nil || got.Symbol != "" {
		t.Errorf("got %+v, %v", got, err)
	}
}

// half takes what it is given before it finds it wrong.
type half string

func (h *half) UnmarshalText(p []byte) error {
	*h = half(p)
	return errors.New("wrong")
}

func TestNoValueWithAnErrorOfACodec(t *testing.T) {
	got, err := codec.Decode[half](nil, "text/plain", []byte("a"))
	if err == nil || got != "" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestBytesAreNotCopied(t *testing.T) {
	payload := []byte("abc")
	got, err := codec.Decode[[]byte](nil, "", payload)
	if err != nil || &got[0] != &payload[0] {
		t.Errorf("decode: %v, %v", got, err)
	}
	out, _, err := codec.Encode(nil, "", payload)
	if err != nil || &out[0] != &payload[0] {
		t.Errorf("encode: %v, %v", out, err)
	}
}

func FuzzDecode(f *testing.F) {
	strict := codec.NewSet(codec.JSON{Strict: true})
	for _, contentType := range []string{"", "application/json", "text/plain;charset=utf-8", "application/octet-stream", "a/b;c=\"d", "*"} {
		for _, payload := range []string{``, `{"shares":1}`, `{"shares":"1"} x`, `[[[[`, "\xff", `"\ud800"`, `1e999`, `nul`} {
			f.Add(contentType, []byte(payload))
		}
	}
	decoders := map[string]decoder{
		"struct": as[Trade], "pointer": as[*Trade], "string": as[string], "bytes": as[[]byte],
		"any": as[any], "time": as[time.Time], "addr": as[*netip.Addr], "empty": as[struct{}], "even": as[Even],
	}
	f.Fuzz(func(t *testing.T, contentType string, payload []byte) {
		for name, decode := range decoders {
			for _, set := range []*codec.Set{nil, strict} {
				v, err := decode(set, contentType, string(payload))
				if err != nil {
					if text := invalid(t, err); len(text) > 600 || text == "" {
						t.Errorf("%s: error text of %d bytes", name, len(text))
					}
					continue
				}
				if name == "empty" || name == "time" {
					continue // these read more than they write
				}
				if _, _, err := codec.Encode(set, contentType, v); err != nil {
					t.Errorf("%s: what was read cannot be written: %v", name, err)
				}
			}
		}
	})
}
