package message

import (
	"iter"
	"slices"
)

// Header is an ordered list of name/value pairs. Names are case sensitive and
// may be repeated; of repeated names the first one wins. A Header is immutable:
// With and Without return a changed copy, so it may be shared by any number of
// messages and goroutines. The zero value is an empty header.
type Header struct {
	fields []Field
}

// Field is one name/value pair of a [Header].
type Field struct {
	// Name is the field's name, such as "content-type".
	Name string
	// Value is the field's value; it may be empty.
	Value string
}

// NewHeader makes a header of fields in their order. The slice belongs to the
// header afterwards and must not be written to.
func NewHeader(fields ...Field) Header { return Header{fields: slices.Clip(fields)} }

// Len returns the number of fields, repeated ones counted.
func (h Header) Len() int { return len(h.fields) }

// Get returns the first value of name, or "" when there is none.
func (h Header) Get(name string) string {
	v, _ := h.Lookup(name)
	return v
}

// Lookup returns the first value of name and whether there is one.
func (h Header) Lookup(name string) (string, bool) {
	for i := range h.fields {
		if h.fields[i].Name == name {
			return h.fields[i].Value, true
		}
	}
	return "", false
}

// All yields every field in order, repeated ones too.
func (h Header) All() iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		for i := range h.fields {
			if !yield(h.fields[i].Name, h.fields[i].Value) {
				return
			}
		}
	}
}

// With returns a copy in which name has exactly this value: the first field of
// that name changes in its place and later ones go; a new name is appended.
func (h Header) With(name, value string) Header {
	fields := make([]Field, 0, len(h.fields)+1)
	found := false
	for _, f := range h.fields {
		switch {
		case f.Name != name:
			fields = append(fields, f)
		case !found:
			found = true
			fields = append(fields, Field{name, value})
		}
	}
	if !found {
		fields = append(fields, Field{name, value})
	}
	return NewHeader(fields...)
}

// WithAll is [Header.With] for several fields at once, whose names differ. It makes
// one copy.
func (h Header) WithAll(fields ...Field) Header {
	out := make([]Field, 0, len(h.fields)+len(fields))
	for _, f := range h.fields {
		if !slices.ContainsFunc(fields, func(o Field) bool { return o.Name == f.Name }) {
			out = append(out, f)
		}
	}
	return NewHeader(append(out, fields...)...)
}

// Without returns a copy that has no field of these names. It returns h itself
// when there is nothing to take away.
func (h Header) Without(names ...string) Header {
	drop := func(f Field) bool { return slices.Contains(names, f.Name) }
	if !slices.ContainsFunc(h.fields, drop) {
		return h
	}
	return NewHeader(slices.DeleteFunc(slices.Clone(h.fields), drop)...)
}

// Same reports whether h and o are one and the same list, not merely equal
// ones. Caches of encoded messages use it as identity: it costs two
// comparisons, and because a header never changes, same means equal.
func (h Header) Same(o Header) bool {
	return len(h.fields) == len(o.fields) && (len(h.fields) == 0 || &h.fields[0] == &o.fields[0])
}
