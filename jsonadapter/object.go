package jsonadapter

import (
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/codec"
)

// object is what client and server send each other.
type object struct {
	Type        string `json:"type"`
	Session     string `json:"session,omitempty"`
	User        string `json:"user,omitempty"`
	ID          string `json:"id,omitempty"`
	Destination string `json:"destination,omitempty"`
	codec.Envelope
	Receipt *string      `json:"receipt,omitempty"`
	Code    message.Code `json:"code,omitempty"`
	Message string       `json:"message,omitempty"`
}

// parse reads an object. The error is errNoObject where there is none.
func parse(p []byte) (o object, err error) {
	err = json.Unmarshal(p, &o)
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && utf8.Valid(p) {
		return o, invalid("%s cannot be a JSON %s", strings.TrimPrefix(e.Field, "Envelope."), e.Value)
	}
	if err != nil || !utf8.Valid(p) {
		return o, errNoObject
	}
	return o, nil
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
