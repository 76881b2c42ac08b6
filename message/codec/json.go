package codec

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"

	"github.com/headrace/headrace/message"
)

// JSON serves application/json and application/*+json (RFC 8259, RFC 6839) with
// encoding/json. An empty payload is nil for a pointer and an error for any
// other type; so is anything behind the value. A null is the zero value of any
// type, as encoding/json has it: only a pointer tells it from a value.
type JSON struct {
	// Strict refuses an object that has a field which the Go struct has not.
	Strict bool
}

// MediaTypes implements [Codec].
func (JSON) MediaTypes() []string { return []string{typeJSON, "application/*+json"} }

// Marshal implements [Codec].
func (JSON) Marshal(v any) ([]byte, error) { return json.Marshal(v) }

// Unmarshal implements [Codec]. Its errors are authored and name the field.
func (c JSON) Unmarshal(payload []byte, v any) error {
	t := reflect.TypeOf(v).Elem()
	if len(payload) == 0 {
		return empty(t, "JSON")
	}
	if err := c.unmarshal(payload, v); err != nil {
		return explain(err, t)
	}
	return nil
}

// empty is what becomes of an empty payload: nothing, if that is what a pointer
// is for.
func empty(t reflect.Type, wanted string) error {
	if t.Kind() == reflect.Pointer {
		return nil
	}
	return message.Errorf(message.CodeInvalid, "payload is empty, want %s for type %s", wanted, typeName(t))
}

func (c JSON) unmarshal(payload []byte, v any) error {
	if !c.Strict {
		return json.Unmarshal(payload, v)
	}
	d := json.NewDecoder(bytes.NewReader(payload))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errTrailing
	}
	return nil
}

var errTrailing = errors.New("data after the JSON value")

// unknownField begins the only error of encoding/json for [JSON.Strict]; it has
// no type to be told by.
const unknownField = "json: unknown field "

// explain words err for the client. What a custom UnmarshalJSON says is shown
// if it was authored for it and kept as the cause otherwise.
func explain(err error, t reflect.Type) error {
	if _, authored := errors.AsType[*message.Error](err); authored {
		return err
	}
	wrong := func(format string, args ...any) error {
		args = append([]any{typeName(t)}, args...)
		return message.Errorf(message.CodeInvalid, "payload is not valid JSON for type %s"+format, args...).WithCause(err)
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		if e.Field == "" {
			return wrong(": want %s, got %.40s", jsonKind(e.Type), e.Value)
		}
		return wrong(": field %.80q: want %s, got %.40s", e.Field, jsonKind(e.Type), e.Value)
	}
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return wrong(": %s at byte %d", e.Error(), e.Offset)
	}
	switch {
	case err == errTrailing:
		return wrong(": %s", err.Error())
	case err == io.ErrUnexpectedEOF, err == io.EOF:
		return wrong(": unexpected end of JSON input")
	case strings.HasPrefix(err.Error(), unknownField):
		return wrong(": unknown field %.80s", err.Error()[len(unknownField):])
	}
	return wrong("")
}

// jsonKind names what JSON must hold for a Go type.
func jsonKind(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		return "object"
	case reflect.Slice, reflect.Array:
		if isBytes(t) {
			return "base64 string"
		}
		return "array"
	case reflect.Pointer:
		return jsonKind(t.Elem())
	default:
		return t.Kind().String()
	}
}
