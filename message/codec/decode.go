package codec

import (
	"errors"
	"reflect"

	"github.com/headrace/headrace/message"
)

const (
	typeJSON  = "application/json"
	typeText  = "text/plain"
	typeUTF8  = "text/plain;charset=utf-8"
	typeBytes = "application/octet-stream"
)

// Decode reads a payload as a T with the codec for contentType. An empty
// contentType leaves it to T: a string, or a type made of one, is UTF-8 text,
// anything else is JSON.
//
// A T of []byte takes any payload untouched, without a copy and whatever its
// content type; a T of struct{} takes an empty one, for handlers that expect
// none. For any other type [JSON] and [Text] refuse an empty payload, except for
// a pointer, which is nil then. Errors have CodeInvalid.
func Decode[T any](s *Set, contentType string, payload []byte) (T, error) {
	var v T
	switch p := any(&v).(type) {
	case *[]byte:
		*p = payload
		return v, nil
	case *string:
		if contentType == "" && !s.isStrict() && len(payload) > 0 {
			text, err := text(payload)
			*p = text
			return v, err
		}
	case *struct{}:
		if len(payload) == 0 {
			return v, nil
		}
	}
	return decode[T](s, contentType, payload)
}

// decode is apart because its value escapes to the heap.
func decode[T any](s *Set, contentType string, payload []byte) (T, error) {
	var v, none T
	t := reflect.TypeFor[T]()
	if contentType == "" {
		if s.isStrict() {
			return none, message.Errorf(message.CodeInvalid, "payload has no content type, want one for type %s", typeName(t))
		}
		contentType = defaultType(t)
	}
	c, mediaType, err := s.find(contentType)
	if err != nil {
		return none, err
	}
	if err := c.Unmarshal(payload, &v); err != nil {
		if _, authored := errors.AsType[*message.Error](err); authored {
			return none, err
		}
		return none, message.Errorf(message.CodeInvalid, "payload is not valid %.80s for type %s", mediaType, typeName(t)).WithCause(err)
	}
	return v, nil
}

// defaultType is the content type of a Go type when nobody names one.
func defaultType(t reflect.Type) string {
	if t != nil && t.Kind() == reflect.String {
		return typeText
	}
	return typeJSON
}
