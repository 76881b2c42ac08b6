package codec

import (
	"reflect"

	"github.com/headrace/headrace/internal/typename"
	"github.com/headrace/headrace/message"
)

// Encode returns the payload for v and its content type. An empty contentType
// leaves it to v: a string, a type made of one, or a pointer to either becomes
// "text/plain;charset=utf-8", a []byte "application/octet-stream", anything
// else "application/json".
//
// A []byte is a payload already: it is returned as it is, without a copy,
// whatever the content type. An unknown content type is an error with
// CodeInvalid, a value that its codec cannot write one with CodeInternal.
func Encode(s *Set, contentType string, v any) (payload []byte, writtenAs string, err error) {
	if p, ok := v.([]byte); ok {
		if contentType == "" {
			contentType = typeBytes
		}
		return p, contentType, nil
	}
	if contentType == "" {
		contentType = defaultType(reflect.TypeOf(v))
		if contentType == typeText {
			contentType = typeUTF8
		}
	}
	c, mediaType, err := s.find(contentType)
	if err != nil {
		return nil, "", err
	}
	payload, err = c.Marshal(v)
	if err != nil {
		return nil, "", message.Errorf(message.CodeInternal, "cannot write type %s as %.80s", typename.Of(reflect.TypeOf(v)), mediaType).WithCause(err)
	}
	return payload, contentType, nil
}
