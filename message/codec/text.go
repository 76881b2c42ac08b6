package codec

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"unicode/utf8"

	"github.com/headrace/headrace/internal/typename"
	"github.com/headrace/headrace/message"
)

// Text serves text/* for strings, types made of a string, and types that
// implement [encoding.TextMarshaler] and [encoding.TextUnmarshaler]. Text that
// is not UTF-8 is refused both ways. An empty payload is nil for a pointer and
// an error for any other type.
type Text struct{}

// MediaTypes implements [Codec].
func (Text) MediaTypes() []string { return []string{"text/*"} }

// Marshal implements [Codec].
func (Text) Marshal(v any) ([]byte, error) {
	p, err := marshalText(v)
	if err == nil && !utf8.Valid(p) {
		return nil, errors.New("text is not UTF-8")
	}
	return p, err
}

func marshalText(v any) ([]byte, error) {
	rv := reflect.ValueOf(v)
	if rv.Kind() == reflect.Pointer && rv.IsNil() {
		return nil, nil // what an empty payload is read as
	}
	if m, ok := v.(encoding.TextMarshaler); ok {
		return m.MarshalText()
	}
	switch rv.Kind() {
	case reflect.String:
		return []byte(rv.String()), nil
	case reflect.Pointer:
		return marshalText(rv.Elem().Interface())
	}
	return nil, fmt.Errorf("%T is neither a string nor an encoding.TextMarshaler", v)
}

// Unmarshal implements [Codec].
func (Text) Unmarshal(payload []byte, v any) error {
	if len(payload) == 0 {
		return empty(v, "text")
	}
	s, err := text(payload)
	if err != nil {
		return err
	}
	return setText(reflect.ValueOf(v), s)
}

// setText stores s in what p points to, and in a new value if that is a pointer
// itself.
func setText(p reflect.Value, s string) error {
	if u, ok := p.Interface().(encoding.TextUnmarshaler); ok {
		return u.UnmarshalText([]byte(s))
	}
	switch v := p.Elem(); v.Kind() {
	case reflect.String:
		v.SetString(s)
		return nil
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return setText(v, s)
	default:
		return message.Errorf(message.CodeInvalid, "text cannot be read as type %s", typename.Of(v.Type()))
	}
}

func text(payload []byte) (string, error) {
	if !utf8.Valid(payload) {
		return "", message.Errorf(message.CodeInvalid, "payload is not UTF-8 text")
	}
	return string(payload), nil
}
