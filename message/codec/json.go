package codec

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strconv"
	"strings"

	"github.com/headrace/headrace/internal/typename"
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
	if len(payload) == 0 {
		return empty(v, "JSON")
	}
	if err := c.unmarshal(payload, v); err != nil {
		return explain(err, payload, reflect.TypeOf(v).Elem())
	}
	return nil
}

// empty is what becomes of an empty payload: nothing, if v points to a pointer,
// which is there for that.
func empty(v any, wanted string) error {
	if reflect.TypeOf(v).Elem().Kind() == reflect.Pointer {
		return nil
	}
	return message.Errorf(message.CodeInvalid, "payload is empty, want %s for type %s", wanted, pointee(v))
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

// unknownField is the only error of encoding/json for [JSON.Strict]. There it
// has no type; here it says, as those of validators do, which field it is about.
type unknownField struct {
	error
	name string
}

func (e unknownField) Field() string { return e.name }
func (e unknownField) Unwrap() error { return e.error }

func asUnknownField(err error) (e unknownField, ok bool) {
	quoted, ok := strings.CutPrefix(err.Error(), "json: unknown field ")
	if !ok {
		return e, false
	}
	name, bad := strconv.Unquote(quoted)
	return unknownField{err, name}, bad == nil
}

// explain words err for the client, who wanted a payload of this type. What a
// custom UnmarshalJSON says is shown if it was authored for it and kept as the
// cause otherwise.
func explain(err error, payload []byte, t reflect.Type) error {
	if _, authored := errors.AsType[*message.Error](err); authored {
		return err
	}
	wrong := func(format string, args ...any) error {
		args = append([]any{typename.Of(t)}, args...)
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
	}
	if e, ok := asUnknownField(err); ok {
		err = e
		return wrong(": unknown field %.80s", strconv.Quote(e.name))
	}
	if field, of := locate(payload, t, locateLevels); field != "" {
		e := wrongField{err, field, of}
		err = e
		return wrong(": field %.80q: want %s", field, e.want())
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
