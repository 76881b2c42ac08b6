package jsonadapter

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/headrace/headrace/message"
)

// object is what client and server send each other.
type object struct {
	Type        string            `json:"type"`
	Session     string            `json:"session,omitempty"`
	User        string            `json:"user,omitempty"`
	ID          string            `json:"id,omitempty"`
	Destination string            `json:"destination,omitempty"`
	Header      map[string]string `json:"header,omitempty"`
	Payload     json.RawMessage   `json:"payload,omitempty"`
	Encoding    string            `json:"encoding,omitempty"`
	Receipt     *string           `json:"receipt,omitempty"`
	Code        message.Code      `json:"code,omitempty"`
	Message     string            `json:"message,omitempty"`
}

// parse reads an object. The error is errNoObject where there is none.
func parse(p []byte) (o object, err error) {
	err = json.Unmarshal(p, &o)
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && utf8.Valid(p) {
		return o, invalid("%s cannot be a JSON %s", e.Field, e.Value)
	}
	if err != nil || !utf8.Valid(p) {
		return o, errNoObject
	}
	return o, nil
}

// content returns the header and the payload that go on.
func (o *object) content() (h message.Header, payload []byte, err error) {
	var fields []message.Field
	for _, name := range slices.Sorted(maps.Keys(o.Header)) {
		if !message.Reserved(name) {
			fields = append(fields, message.Field{Name: name, Value: o.Header[name]})
		}
	}
	h = message.NewHeader(fields...)
	kind := h.Get(message.HeaderContentType)
	var text *string
	if json.Unmarshal(o.Payload, &text) != nil {
		text = nil // the payload is no string
	}
	switch {
	case o.Encoding == "base64" && text != nil:
		if payload, err = base64.StdEncoding.DecodeString(*text); err != nil {
			err = invalid("the payload is not base64")
		}
	case o.Encoding != "":
		err = invalid("the only encoding is base64, of a string")
	case o.Payload == nil:
	case isJSON(kind):
		payload = o.Payload
	case text != nil:
		payload = []byte(*text)
	case kind == "":
		h, payload = h.With(message.HeaderContentType, "application/json"), o.Payload
	default:
		err = invalid("the payload must be a string unless its content-type is JSON")
	}
	return h, payload, err
}

// setContent is the reverse of content.
func (o *object) setContent(h message.Header, payload []byte) {
	o.Header = make(map[string]string, h.Len())
	for name := range h.All() {
		o.Header[name] = h.Get(name)
	}
	embedded := isJSON(h.Get(message.HeaderContentType))
	switch {
	case len(payload) == 0:
	case embedded && json.Valid(payload):
		o.Payload = payload
	case !embedded && utf8.Valid(payload):
		o.Payload = encode(string(payload))
	default:
		o.Payload, o.Encoding = encode(base64.StdEncoding.EncodeToString(payload)), "base64"
	}
}

func isJSON(contentType string) bool {
	kind, _, _ := strings.Cut(contentType, ";")
	kind = strings.ToLower(strings.TrimSpace(kind))
	return kind == "application/json" || strings.HasSuffix(kind, "+json")
}

// encode returns v as JSON. What is encoded here always can be.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// splitter finds where objects begin and end in what comes split anywhere.
type splitter struct {
	limit           int64 // of an object's octets; negative means none
	part            []byte
	depth           int
	quoted, escaped bool
}

// next takes p up to the end of an object, which is nil when it is not in p.
func (s *splitter) next(p []byte) (octets, rest []byte, err error) {
	for i, c := range p {
		switch {
		case s.depth == 0 && strings.IndexByte(" \t\r\n", c) >= 0:
			continue
		case s.depth == 0 && c != '{':
			return nil, nil, errNoObject
		case s.escaped:
			s.escaped = false
		case s.quoted:
			s.escaped, s.quoted = c == '\\', c != '"'
		case c == '"':
			s.quoted = true
		case c == '{' || c == '[':
			s.depth++
		case c == '}' || c == ']':
			s.depth--
		}
		s.part = append(s.part, c)
		if s.limit >= 0 && int64(len(s.part)) > s.limit {
			return nil, nil, errTooLarge
		}
		if s.depth == 0 {
			octets, s.part = s.part, nil // an idle session holds none
			return octets, p[i+1:], nil
		}
	}
	return nil, nil, nil
}
