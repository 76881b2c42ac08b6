// Package typename says of a Go type what a client may learn.
package typename

import (
	"reflect"
	"strings"
)

// Of returns the name of a type and of its type arguments, without packages and
// without the insides of a type that has no name: Trade, []Trade, Page[Trade],
// struct. A pointer goes by what it points to.
func Of(t reflect.Type) string {
	switch {
	case t == nil:
		return "nil"
	case t.Name() != "":
		return bare(t.Name())
	case t.Kind() == reflect.Pointer:
		return Of(t.Elem())
	case t.Kind() == reflect.Slice:
		return "[]" + Of(t.Elem())
	default:
		return t.Kind().String()
	}
}

// bare takes the packages out of a name: reflect writes type arguments with
// their import paths. Those that are types without a name have insides to hide:
// the name goes without any arguments then.
func bare(name string) string {
	generic, args, _ := strings.Cut(name, "[")
	if strings.ContainsAny(args, "({") {
		return generic
	}
	var b strings.Builder
	for name != "" {
		end := strings.IndexAny(name, "[],* ")
		if end < 0 {
			end = len(name)
		}
		word := name[:end]
		word = word[strings.LastIndexByte(word, '.')+1:]
		word, _, _ = strings.Cut(word, "·") // a type within a function has a number
		b.WriteString(word)
		if end == len(name) {
			break
		}
		b.WriteByte(name[end])
		name = name[end+1:]
	}
	return b.String()
}
