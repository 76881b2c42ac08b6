package codec_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/codec"
)

type (
	Trade struct {
		Symbol string  `json:"symbol"`
		Shares int     `json:"shares"`
		Legs   []Leg   `json:"legs,omitempty"`
		Note   *string `json:"note,omitempty"`
		Seal   []byte  `json:"seal,omitempty"`
	}
	Leg struct {
		Price uint8 `json:"price"`
	}
	Symbol      string
	Blob        []byte
	Page[T any] struct{ Items []T }

	// Even is read by its own rules, and says in words for the client what is
	// wrong.
	Even int
	// Visit has fields that read themselves.
	Visit struct {
		At    time.Time `json:"at"`
		Stops []struct {
			By *Visit `json:"by"`
		} `json:"stops"`
		Closed *Closed
		_      int
	}
	// Closed is read by its own rules and speaks to the log only.
	Closed int
)

func (e *Even) UnmarshalJSON(p []byte) error {
	return message.Errorf(message.CodeInvalid, "want an even number")
}

func (c *Closed) UnmarshalJSON(p []byte) error { return errors.New("db password is hunter2") }

// decoder lets tables hold calls of Decode for different types.
type decoder func(s *codec.Set, contentType, payload string) (any, error)

func as[T any](s *codec.Set, contentType, payload string) (any, error) {
	v, err := codec.Decode[T](s, contentType, []byte(payload))
	return v, err
}

func invalid(t *testing.T, err error) string {
	t.Helper()
	e, ok := errors.AsType[*message.Error](err)
	if !ok || e.Code != message.CodeInvalid {
		t.Fatalf("error is %v, want an authored one with code invalid", err)
	}
	return e.Message
}

// reversed is a codec of an application: text backwards.
type reversed struct{ types []string }

func (r reversed) MediaTypes() []string { return r.types }

func (reversed) Marshal(v any) ([]byte, error) {
	s, ok := v.(string)
	if !ok {
		return nil, errors.New("not a string")
	}
	return []byte(flip(s)), nil
}

func (reversed) Unmarshal(p []byte, v any) error {
	s, ok := v.(*string)
	if !ok {
		return errors.New("internal detail")
	}
	*s = flip(string(p))
	return nil
}

func flip(s string) string {
	var b strings.Builder
	for i := len(s) - 1; i >= 0; i-- {
		b.WriteByte(s[i])
	}
	return b.String()
}

func TestEncode(t *testing.T) {
	when := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, tt := range []struct {
		name        string
		contentType string
		v           any
		want        string
		writtenAs   string
	}{
		{"string", "", "grüß", "grüß", "text/plain;charset=utf-8"},
		{"made of a string", "", Symbol("ACME"), "ACME", "text/plain;charset=utf-8"},
		{"bytes", "", []byte{0xff, 1}, "\xff\x01", "application/octet-stream"},
		{"encoded already", "application/json", []byte(`{"a":`), `{"a":`, "application/json"},
		{"struct", "", Trade{Symbol: "ACME", Shares: 2}, `{"symbol":"ACME","shares":2}`, "application/json"},
		{"map", "", map[string]int{"a": 1}, `{"a":1}`, "application/json"},
		{"slice", "", []int{1, 2}, `[1,2]`, "application/json"},
		{"number", "", 1.5, `1.5`, "application/json"},
		{"nil", "", nil, `null`, "application/json"},
		{"string as JSON", "application/json", "a", `"a"`, "application/json"},
		{"structured suffix", "application/vnd.trade+json", 1, `1`, "application/vnd.trade+json"},
		{"content type with parameters", "application/json; charset=UTF-8", 1, `1`, "application/json; charset=UTF-8"},
		{"text marshaler", "text/plain", when, "2026-01-02T03:04:05Z", "text/plain"},
		{"text marshaler without content type", "", when, `"2026-01-02T03:04:05Z"`, "application/json"},
		{"pointer to text", "text/plain", ptr("a"), "a", "text/plain"},
		{"no text", "text/plain", (*netip.Addr)(nil), "", "text/plain"},
		{"binary marshaler", "application/octet-stream", netip.MustParseAddr("1.2.3.4"), "\x01\x02\x03\x04", "application/octet-stream"},
		{"pointer to string", "", ptr("a"), "a", "text/plain;charset=utf-8"},
		{"no string", "", (*string)(nil), "", "text/plain;charset=utf-8"},
		{"pointer to bytes", "application/octet-stream", ptr(Blob("x")), "x", "application/octet-stream"},
		{"no bytes", "application/octet-stream", (*netip.Addr)(nil), "", "application/octet-stream"},
		{"made of bytes", "application/octet-stream", Blob("x"), "x", "application/octet-stream"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			payload, writtenAs, err := codec.Encode(nil, tt.contentType, tt.v)
			if err != nil {
				t.Fatal(err)
			}
			if string(payload) != tt.want || writtenAs != tt.writtenAs {
				t.Errorf("got %q as %q, want %q as %q", payload, writtenAs, tt.want, tt.writtenAs)
			}
		})
	}
}

func TestEncodeErrors(t *testing.T) {
	for _, tt := range []struct {
		name        string
		contentType string
		v           any
		want        message.Error
	}{
		{"unknown content type", "image/png", 1, message.Error{Code: message.CodeInvalid, Message: `content type "image/png" is not supported`}},
		{"malformed content type", "text/plain; =", "a", message.Error{Code: message.CodeInvalid, Message: `content type "text/plain; =" is malformed`}},
		{"no JSON", "", make(chan int), message.Error{Code: message.CodeInternal, Message: "cannot write type chan as application/json"}},
		{"no text", "text/plain", Trade{}, message.Error{Code: message.CodeInternal, Message: "cannot write type Trade as text/plain"}},
		{"nil is no text", "text/plain", nil, message.Error{Code: message.CodeInternal, Message: "cannot write type nil as text/plain"}},
		{"not UTF-8", "", "\xff", message.Error{Code: message.CodeInternal, Message: "cannot write type string as text/plain"}},
		{"no bytes", "application/octet-stream", 1, message.Error{Code: message.CodeInternal, Message: "cannot write type int as application/octet-stream"}},
		{"nil is no bytes", "application/octet-stream", nil, message.Error{Code: message.CodeInternal, Message: "cannot write type nil as application/octet-stream"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := codec.Encode(nil, tt.contentType, tt.v)
			if got := message.Public(err); got == nil || *got != tt.want {
				t.Errorf("got %v, want %v", got, &tt.want)
			}
		})
	}
}

func TestSetAsksOwnCodecsFirst(t *testing.T) {
	set := codec.NewSet(reversed{[]string{"text/plain", "application/x-*"}}, codec.JSON{Strict: true})
	for _, contentType := range []string{"text/plain", "TEXT/Plain; charset=utf-8", "application/x-reversed"} {
		got, err := codec.Decode[string](set, contentType, []byte("cba"))
		if err != nil || got != "abc" {
			t.Errorf("%s: got %q, %v", contentType, got, err)
		}
	}
	if p, _, err := codec.Encode(set, "application/x-reversed", "abc"); err != nil || string(p) != "cba" {
		t.Errorf("encode: got %q, %v", p, err)
	}
	if got, err := codec.Decode[string](set, "text/csv", []byte("abc")); err != nil || got != "abc" {
		t.Errorf("built-in codec behind the own ones: got %q, %v", got, err)
	}
	_, err := codec.Decode[int](set, "application/x-reversed", nil)
	if got, want := invalid(t, err), "payload is not valid application/x-reversed for type int"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if _, err := codec.Decode[Leg](set, "", []byte(`{"x":1}`)); err == nil {
		t.Error("strict JSON does not replace the built-in one without a content type")
	}
}

func TestZeroSetServesBuiltIns(t *testing.T) {
	for _, set := range []*codec.Set{nil, {}, codec.NewSet()} {
		if got, err := codec.Decode[int](set, "application/json", []byte("7")); err != nil || got != 7 {
			t.Errorf("got %d, %v", got, err)
		}
	}
}

func TestNewSetPanicsOnMalformedMediaType(t *testing.T) {
	for _, mediaType := range []string{"", "json", "/json", "text/", "Text/plain", "*/json", "text/*a*", "text/plain;charset=utf-8", "a/b c"} {
		t.Run(mediaType, func(t *testing.T) {
			defer func() {
				if v, _ := recover().(string); !strings.Contains(v, "codec_test.reversed serves") {
					t.Errorf("panic is %q", v)
				}
			}()
			codec.NewSet(reversed{[]string{mediaType}})
		})
	}
}
