package codec

import (
	"cmp"
	"encoding"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/headrace/headrace/internal/typename"
)

// wrongField is what the UnmarshalJSON or UnmarshalText of a field returned, with
// the field, which encoding/json does not tell.
type wrongField struct {
	error
	name string
	of   reflect.Type
}

func (e wrongField) Field() string      { return e.name }
func (e wrongField) Type() reflect.Type { return e.of }
func (e wrongField) Unwrap() error      { return e.error }

// want names what the field takes.
func (e wrongField) want() string {
	if isBytes(e.of) {
		return jsonKind(e.of)
	}
	return typename.Of(e.of)
}

// locateLevels bounds how often a payload is read again.
const locateLevels = 8

// locate returns the field of a t that payload, which is valid JSON, does not fit,
// with dots between levels, and its type; of one that lies too deep, the field
// around it. It reads the payload again, level by level.
func locate(payload []byte, t reflect.Type, levels int) (path string, of reflect.Type) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if p := reflect.PointerTo(t); levels == 0 || p.Implements(reflect.TypeFor[json.Unmarshaler]()) || p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return "", t
	}
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		var members map[string]json.RawMessage
		_ = json.Unmarshal(payload, &members)
		for _, name := range slices.Sorted(maps.Keys(members)) {
			field, of := member(t, name)
			if of != nil && !fits(members[name], of) {
				below, of := locate(members[name], of, levels-1)
				return strings.Trim(field+"."+below, "."), of
			}
		}
	case reflect.Slice, reflect.Array:
		var elements []json.RawMessage
		_ = json.Unmarshal(payload, &elements)
		for _, e := range elements {
			if !fits(e, t.Elem()) {
				return locate(e, t.Elem(), levels-1)
			}
		}
	}
	return "", t
}

func fits(payload []byte, t reflect.Type) bool {
	return json.Unmarshal(payload, reflect.New(t).Interface()) == nil
}

// member returns the name and the type of what encoding/json reads the member of an
// object into. As in its errors an element of a map has no name.
func member(t reflect.Type, name string) (field string, of reflect.Type) {
	if t.Kind() == reflect.Map {
		return "", t.Elem()
	}
	for _, f := range reflect.VisibleFields(t) {
		tag, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if tag == "-" || !f.IsExported() || f.Anonymous && tag == "" || strings.Contains(options, "string") {
			continue
		}
		switch known := cmp.Or(tag, f.Name); {
		case known == name:
			return known, f.Type
		case strings.EqualFold(known, name):
			field, of = known, f.Type
		}
	}
	return field, of
}
