package codec

import (
	"reflect"
	"strings"
)

// typeName is what a client may learn of a Go type: package and name, without
// the import paths of type arguments and without the insides of a type that has
// no name.
func typeName(t reflect.Type) string {
	switch {
	case t == nil:
		return "nil"
	case t.Name() != "":
		name, _, _ := strings.Cut(t.String(), "[")
		return name
	case t.Kind() == reflect.Pointer:
		return typeName(t.Elem())
	case t.Kind() == reflect.Slice:
		return "[]" + typeName(t.Elem())
	default:
		return t.Kind().String()
	}
}
