package codec

import (
	"errors"
	"reflect"

	"github.com/headrace/headrace/internal/typename"
	"github.com/headrace/headrace/message"
)

const (
	typeJSON  = "application/json"
	typeText  = "text/plain"
	typeUTF8  = "text/plain;charset=utf-8"
	typeBytes = "application/octet-stream"
)

// Decode reads a payload as a T with the codec for contentType. An empty
// contentType leaves it to T: a string, a type made of one, or a pointer to either
// is UTF-8 text, anything else is JSON.
//
// A T of []byte takes any payload untouched, without a copy and whatever its
// content type; a T of struct{} takes an empty one, for handlers that expect
// none. For any other type [JSON] and [Text] refuse an empty payload, except for
// a pointer, which is nil then. Errors have CodeInvalid.
func Decode[T any](s *Set, contentType string, payload []byte) (T, error) {
	var v T
	if done, err := take(s, contentType, payload, &v); done {
		return v, err
	}
	return decode[T](s, contentType, payload)
}

// decode is apart because its value escapes to the heap.
func decode[T any](s *Set, contentType string, payload []byte) (T, error) {
	var v, none T
	if err := DecodeTo(s, contentType, payload, &v); err != nil {
		return none, err
	}
	return v, nil
}

// take reads what needs no codec, and reports whether it did.
func take(s *Set, contentType string, payload []byte, v any) (done bool, err error) {
	switch p := v.(type) {
	case *[]byte:
		*p = payload
		return true, nil
	case *string:
		if contentType == "" && !s.isStrict() && len(payload) > 0 {
			*p, err = text(payload)
			return true, err
		}
	case *struct{}:
		return len(payload) == 0, nil
	}
	return false, nil
}

// DecodeTo is [Decode] into what v points to, for code that does not know its
// type; v is a pointer that is not nil. After an error what it points to may
// hold a part of the payload.
func DecodeTo(s *Set, contentType string, payload []byte, v any) error {
	if done, err := take(s, contentType, payload, v); done {
		return err
	}
	if contentType == "" {
		if s.isStrict() {
			return message.Errorf(message.CodeInvalid, "payload has no content type, want one for type %s", pointee(v))
		}
		contentType = defaultType(reflect.TypeOf(v).Elem())
	}
	c, mediaType, err := s.find(contentType)
	if err != nil {
		return unread(err, v)
	}
	if err := c.Unmarshal(payload, v); err != nil {
		if _, authored := errors.AsType[*message.Error](err); authored {
			return err
		}
		return message.Errorf(message.CodeInvalid, "payload is not valid %.80s for type %s", mediaType, pointee(v)).WithCause(err)
	}
	return nil
}

// unread adds to what is wrong with a content type what was wanted.
func unread(err error, v any) error {
	if e, ok := errors.AsType[*message.Error](err); ok {
		return message.Errorf(e.Code, "payload for type %s: %s", pointee(v), e.Message).WithCause(e.Unwrap())
	}
	return err
}

// pointee names the type of what v points to.
func pointee(v any) string { return typename.Of(reflect.TypeOf(v).Elem()) }

// defaultType is the content type of a Go type when nobody names one. A pointer
// goes by what it points to: it is there for what may be missing.
func defaultType(t reflect.Type) string {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t != nil && t.Kind() == reflect.String {
		return typeText
	}
	return typeJSON
}
