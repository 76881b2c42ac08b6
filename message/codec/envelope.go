package codec

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/headrace/headrace/message"
)

// Envelope is the JSON form of a header and a payload, for protocols that are
// JSON themselves. A payload whose content-type is JSON (application/json,
// …+json) is embedded, other text is a string, and other bytes are a string in
// base64 next to "encoding":"base64".
//
//	{"header":{"content-type":"application/json"}, "payload":{"price":7}}
type Envelope struct {
	// Header has the first value of each name.
	Header map[string]string `json:"header,omitempty"`
	// Payload is missing when it is empty.
	Payload json.RawMessage `json:"payload,omitempty"`
	// Encoding is "base64", or empty when Payload is the payload itself.
	Encoding string `json:"encoding,omitempty"`
}

// Seal returns the envelope of a header and a payload. Payloads that call
// themselves JSON and are not go as other bytes do.
func Seal(h message.Header, payload []byte) Envelope {
	e := Envelope{Header: make(map[string]string, h.Len())}
	for name := range h.All() {
		e.Header[name] = h.Get(name)
	}
	embedded := isJSON(h.Get(message.HeaderContentType))
	switch {
	case len(payload) == 0:
	case embedded && utf8.Valid(payload) && json.Valid(payload):
		e.Payload = payload
	case !embedded && utf8.Valid(payload):
		e.Payload = quote(string(payload))
	default:
		e.Payload, e.Encoding = quote(base64.StdEncoding.EncodeToString(payload)), "base64"
	}
	return e
}

// Open returns the header that a client put into a message of kind k, sorted by
// name and without the names that it may not set ([message.FromClient]), and the
// payload. A payload that is no string needs no
// content-type: it is application/json. The errors are authored and have
// [message.CodeInvalid].
func (e Envelope) Open(k message.Kind) (h message.Header, payload []byte, err error) {
	var fields []message.Field
	for _, name := range slices.Sorted(maps.Keys(e.Header)) {
		if message.FromClient(k, name) {
			fields = append(fields, message.Field{Name: name, Value: e.Header[name]})
		}
	}
	h = message.NewHeader(fields...)
	contentType := h.Get(message.HeaderContentType)
	var text *string
	if json.Unmarshal(e.Payload, &text) != nil {
		text = nil // the payload is no string
	}
	switch {
	case e.Encoding == "base64" && text != nil:
		if payload, err = base64.StdEncoding.DecodeString(*text); err != nil {
			err = message.Errorf(message.CodeInvalid, "the payload is not base64")
		}
	case e.Encoding != "":
		err = message.Errorf(message.CodeInvalid, "the only encoding is base64, of a string")
	case e.Payload == nil:
	case isJSON(contentType):
		payload = e.Payload
	case text != nil:
		payload = []byte(*text)
	case contentType == "":
		h, payload = h.With(message.HeaderContentType, typeJSON), e.Payload
	default:
		err = message.Errorf(message.CodeInvalid, "the payload must be a string unless its content-type is JSON")
	}
	return h, payload, err
}

func isJSON(contentType string) bool {
	kind, _, _ := strings.Cut(contentType, ";")
	kind = strings.ToLower(strings.TrimSpace(kind))
	return kind == typeJSON || strings.HasSuffix(kind, "+json")
}

// quote returns s as a JSON string.
func quote(s string) json.RawMessage {
	p, _ := Plain(s) // strings cannot fail
	return p
}

// Plain returns v as JSON on one line, as encoding/json writes it but with
// nothing escaped for the sake of HTML. The errors are those of [json.Marshal].
func Plain(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}
