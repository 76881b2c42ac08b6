package handler

import (
	"errors"
	"fmt"
	"reflect"
	"sync"

	"github.com/headrace/headrace/internal/typename"
	"github.com/headrace/headrace/message"
)

type validator interface{ Validate() error }

// rules is what there is to validate about the payloads of one Go type.
type rules struct {
	of        reflect.Type
	untouched bool // a []byte: nothing
	pointer   bool // what it points to is validated, if it is not nil
	elements  bool // they have a method for it
}

// allRules has the rules of the types that were asked for, by the types of
// pointers to them.
var allRules sync.Map

// rulesOf returns the rules for what a pointer of type t points to.
func rulesOf(t reflect.Type) *rules {
	if r, ok := allRules.Load(t); ok {
		return r.(*rules)
	}
	r := &rules{of: t.Elem(), untouched: t.Elem() == reflect.TypeFor[[]byte]()}
	whole := r.of
	if r.pointer = whole.Kind() == reflect.Pointer; r.pointer {
		whole = whole.Elem()
	}
	switch whole.Kind() {
	case reflect.Slice, reflect.Array, reflect.Map:
		v := reflect.TypeFor[validator]()
		r.elements = whole.Elem().Implements(v) || reflect.PointerTo(whole.Elem()).Implements(v)
	}
	allRules.Store(t, r)
	return r
}

// validate checks what p points to, or what that points to if it is a pointer
// itself; nil was read from an empty payload. General is Config.Validate.
func (r *rules) validate(general func(payload any) error, p any) error {
	if r.pointer {
		inner := reflect.ValueOf(p).Elem()
		if inner.IsNil() {
			return nil
		}
		p = inner.Interface()
	}
	if general != nil {
		if err := general(p); err != nil {
			return r.invalid("", r.of, err)
		}
	}
	if own, ok := p.(validator); ok {
		if err := own.Validate(); err != nil {
			return r.invalid("", r.of, err)
		}
	}
	if r.elements {
		return r.validateElements(reflect.ValueOf(p).Elem())
	}
	return nil
}

func (r *rules) validateElements(whole reflect.Value) error {
	for key, e := range whole.Seq2() {
		if err := validateElement(e); err != nil {
			return r.invalid(fmt.Sprintf("[%v]", key), e.Type(), err)
		}
	}
	return nil
}

// validateElement calls the method of e or of a pointer to it.
func validateElement(e reflect.Value) error {
	if e.Kind() == reflect.Pointer || e.Kind() == reflect.Interface {
		if e.IsNil() {
			return nil
		}
		return e.Interface().(validator).Validate()
	}
	if !e.CanAddr() { // it is a map's
		copied := reflect.New(e.Type()).Elem()
		copied.Set(e)
		e = copied
	}
	return e.Addr().Interface().(validator).Validate()
}

// invalid words what a validation returned about an element, or, at "", about the
// payload as a whole. What the program wrote for the client stays as it is,
// behind the place of the element.
func (r *rules) invalid(at string, wanted reflect.Type, err error) error {
	field := fieldOf(err)
	if at != "" && field != "" {
		field = "." + field
	}
	field = at + field
	authored, ok := errors.AsType[*message.Error](err)
	switch {
	case !ok && field == "":
		err = message.Errorf(message.CodeInvalid, "payload is not valid for type %s", typename.Of(r.of)).WithCause(err)
	case !ok:
		err = message.Errorf(message.CodeInvalid, "payload is not valid for type %s: field %.80q", typename.Of(r.of), field).WithCause(err)
	case at != "":
		err = message.Errorf(authored.Code, "%.80s: %s", at, authored.Message).WithCause(err)
	}
	return &InputError{Part: "payload", Field: field, Want: wanted.String(), err: err}
}
