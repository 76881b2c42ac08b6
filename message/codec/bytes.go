package codec

import (
	"encoding"
	"fmt"
	"reflect"

	"github.com/headrace/headrace/internal/typename"
	"github.com/headrace/headrace/message"
)

// Bytes serves application/octet-stream for types made of a []byte, untouched
// and without a copy, and for types that implement [encoding.BinaryMarshaler]
// and [encoding.BinaryUnmarshaler]. An empty payload is nil for a pointer.
type Bytes struct{}

// MediaTypes implements [Codec].
func (Bytes) MediaTypes() []string { return []string{typeBytes} }

// Marshal implements [Codec].
func (Bytes) Marshal(v any) ([]byte, error) {
	rv := reflect.ValueOf(v)
	if rv.Kind() == reflect.Pointer && rv.IsNil() {
		return nil, nil // what an empty payload is read as
	}
	if m, ok := v.(encoding.BinaryMarshaler); ok {
		return m.MarshalBinary()
	}
	switch {
	case isBytes(reflect.TypeOf(v)):
		return rv.Bytes(), nil
	case rv.Kind() == reflect.Pointer:
		return Bytes{}.Marshal(rv.Elem().Interface())
	}
	return nil, fmt.Errorf("%T is neither a []byte nor an encoding.BinaryMarshaler", v)
}

// Unmarshal implements [Codec].
func (Bytes) Unmarshal(payload []byte, v any) error {
	p := reflect.ValueOf(v)
	if len(payload) == 0 && p.Elem().Kind() == reflect.Pointer {
		return nil
	}
	return setBinary(p, payload)
}

// setBinary is to Bytes what setText is to Text.
func setBinary(p reflect.Value, payload []byte) error {
	if u, ok := p.Interface().(encoding.BinaryUnmarshaler); ok {
		return u.UnmarshalBinary(payload)
	}
	v := p.Elem()
	switch {
	case isBytes(v.Type()):
		v.SetBytes(payload)
		return nil
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return setBinary(v, payload)
	default:
		return message.Errorf(message.CodeInvalid, "%s cannot be read as type %s", typeBytes, typename.Of(v.Type()))
	}
}

func isBytes(t reflect.Type) bool {
	return t != nil && t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8
}
