package codec_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/codec"
)

func TestEnvelope(t *testing.T) {
	typed := func(contentType string) message.Header {
		return message.NewHeader(message.Field{Name: message.HeaderContentType, Value: contentType})
	}
	for _, tt := range []struct {
		name    string
		header  message.Header
		payload string
		want    string
	}{
		{"nothing", message.Header{}, "", `{}`},
		{"text", message.Header{}, "grüß\n", `{"payload":"grüß\n"}`},
		{"JSON", typed("application/json"), `{"a":1}`, `{"header":{"content-type":"application/json"},"payload":{"a":1}}`},
		{"a suffix of JSON", typed("Application/X+JSON; a=b"), `[]`, `{"header":{"content-type":"Application/X+JSON; a=b"},"payload":[]}`},
		{"what calls itself JSON", typed("application/json"), `{`, `{"header":{"content-type":"application/json"},"payload":"ew==","encoding":"base64"}`},
		{"bytes", message.Header{}, "\xff", `{"payload":"/w==","encoding":"base64"}`},
		{"the first of two", message.NewHeader(message.Field{Name: "a", Value: "1"}, message.Field{Name: "a", Value: "2"}), "", `{"header":{"a":"1"}}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := json.Marshal(codec.Seal(tt.header, []byte(tt.payload)))
			if err != nil || string(got) != tt.want {
				t.Errorf("sealed as %s, %v, want %s", got, err, tt.want)
			}
		})
	}
}

func TestOpenEnvelope(t *testing.T) {
	for _, tt := range []struct{ name, envelope, header, payload, bad string }{
		{"sorted", `{"header":{"b":"2","a":"1"},"payload":"x"}`, "a=1 b=2", "x", ""},
		{"reserved names", `{"header":{"hr-user":"root","message-id":"7","a":"1"}}`, "a=1", "", ""},
		{"JSON by itself", `{"payload":{"a":1}}`, "content-type=application/json", `{"a":1}`, ""},
		{"JSON string", `{"header":{"content-type":"application/json"},"payload":"x"}`, "content-type=application/json", `"x"`, ""},
		{"number as text", `{"header":{"content-type":"text/plain"},"payload":7}`, "", "", "must be a string"},
		{"base64", `{"payload":"/w==","encoding":"base64"}`, "", "\xff", ""},
		{"bad base64", `{"payload":"?","encoding":"base64"}`, "", "", "not base64"},
		{"base64 of no string", `{"payload":7,"encoding":"base64"}`, "", "", "the only encoding"},
		{"another encoding", `{"payload":"x","encoding":"rot13"}`, "", "", "the only encoding"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var e codec.Envelope
			if err := json.Unmarshal([]byte(tt.envelope), &e); err != nil {
				t.Fatal(err)
			}
			h, payload, err := e.Open(message.KindData)
			if tt.bad != "" {
				if text := invalid(t, err); !strings.Contains(text, tt.bad) {
					t.Errorf("told %q, want %q in it", text, tt.bad)
				}
				return
			}
			var fields []string
			for name, value := range h.All() {
				fields = append(fields, name+"="+value)
			}
			if got := strings.Join(fields, " "); err != nil || got != tt.header || string(payload) != tt.payload {
				t.Errorf("got %s, %q, %v", got, payload, err)
			}
		})
	}
}

// FuzzEnvelope sends payloads out and takes them back in.
func FuzzEnvelope(f *testing.F) {
	f.Add("application/json", []byte(`{"a":1}`))
	f.Add("application/json", []byte(`{`))
	f.Add("text/plain", []byte("text"))
	f.Add("", []byte{0xff})
	f.Fuzz(func(t *testing.T, contentType string, payload []byte) {
		if !utf8.ValidString(contentType) {
			return
		}
		var sent bytes.Buffer
		encoder := json.NewEncoder(&sent)
		encoder.SetEscapeHTML(false)
		e := codec.Seal(message.NewHeader(message.Field{Name: message.HeaderContentType, Value: contentType}), payload)
		if err := encoder.Encode(e); err != nil {
			t.Fatal(err)
		}
		var back codec.Envelope
		if err := json.Unmarshal(sent.Bytes(), &back); err != nil {
			t.Fatal(err)
		}
		h, got, err := back.Open(message.KindData)
		if err != nil || h.Get(message.HeaderContentType) != contentType {
			t.Fatalf("%v, %v", h, err)
		}
		var compact bytes.Buffer // what is embedded loses its white space
		if embedded := len(payload) > 0 && bytes.Equal(e.Payload, payload); embedded && json.Compact(&compact, payload) == nil {
			payload = compact.Bytes()
		}
		if !bytes.Equal(got, payload) {
			t.Fatalf("%q came back as %q", payload, got)
		}
	})
}

// Clients are sent JSON: octets that are not UTF-8 would make it none.
func TestSealOfInvalidText(t *testing.T) {
	payload := []byte("{\"a\":\"\xff\"}")
	e := codec.Seal(message.NewHeader(message.Field{Name: message.HeaderContentType, Value: "application/json"}), payload)
	if e.Encoding != "base64" {
		t.Errorf("%s", e.Payload)
	}
	if _, got, err := e.Open(message.KindData); string(got) != string(payload) || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// What only a server may set is taken off what clients say, but for that by which a
// subscription asks to resume.
func TestEnvelopeOfAClient(t *testing.T) {
	e := codec.Envelope{Header: map[string]string{message.HeaderOffset: "7", message.HeaderAck: "1", "n": "v"}}
	for k, want := range map[message.Kind]string{message.KindData: "", message.KindSubscribe: "7"} {
		h, _, err := e.Open(k)
		if err != nil || h.Get(message.HeaderOffset) != want || h.Get(message.HeaderAck) != "" || h.Get("n") != "v" {
			t.Errorf("%s: %v, %v", k, h, err)
		}
	}
}
