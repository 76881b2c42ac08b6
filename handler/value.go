package handler

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"time"

	"github.com/headrace/headrace/message"
)

// Carrier is a *[Call], or a [Request], which has one.
type Carrier interface{ carried() *Call }

// Var returns what a variable of the pattern matched as a T: a string, bool,
// number, [time.Duration], a type made of one, or a type that implements
// [encoding.TextUnmarshaler], such as [time.Time]. What does not convert is an
// *[InputError].
//
//	id, err := handler.Var[int](req, "id")
func Var[T any](from Carrier, name string) (T, error) {
	c := from.carried()
	text, ok := c.vars.Get(name)
	return value[T]("path", name, text, ok)
}

// HeaderValue returns the first header field of this name as a T, see [Var]. A
// field that is missing is an *[InputError], unless T is a pointer: it is nil
// then.
//
//	wait, err := handler.HeaderValue[time.Duration](req, "wait")
func HeaderValue[T any](from Carrier, name string) (T, error) {
	c := from.carried()
	text, ok := c.Header.Lookup(name)
	return value[T]("header", name, text, ok)
}

func value[T any](part, name, text string, found bool) (T, error) {
	var v, none T
	if err := parse(part, name, text, found, reflect.ValueOf(&v).Elem()); err != nil {
		return none, err
	}
	return v, nil
}

var errUnsupported = errors.New("handler: text does not convert to the type")

// parse stores a value of the message in v and words what is wrong with it.
func parse(part, name, text string, found bool, v reflect.Value) error {
	t := v.Type()
	if !found {
		if t.Kind() == reflect.Pointer {
			return nil
		}
		return &InputError{part, name, t.String(), message.Errorf(message.CodeInvalid, "%s %.80q is missing, want %s", part, name, t)}
	}
	err := setText(v, text)
	if err == nil || errors.Is(err, errUnsupported) {
		return err
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return &InputError{part, name, t.String(), message.Errorf(message.CodeInvalid, "%s %.80q: want %s, got %.80q", part, name, t, text).WithCause(err)}
}

func setText(v reflect.Value, text string) error {
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return u.UnmarshalText([]byte(text))
	}
	if d, ok := v.Addr().Interface().(*time.Duration); ok {
		var err error
		*d, err = time.ParseDuration(text)
		return err
	}
	switch kind := v.Kind(); kind {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return setText(v.Elem(), text)
	case reflect.String:
		v.SetString(text)
		return nil
	case reflect.Bool:
		b, err := strconv.ParseBool(text)
		v.SetBool(b)
		return err
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n, err := strconv.ParseInt(text, 10, v.Type().Bits())
		v.SetInt(n)
		return err
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		n, err := strconv.ParseUint(text, 10, v.Type().Bits())
		v.SetUint(n)
		return err
	case reflect.Float32, reflect.Float64:
		x, err := strconv.ParseFloat(text, v.Type().Bits())
		v.SetFloat(x)
		return err
	default:
		return fmt.Errorf("%w %v", errUnsupported, v.Type())
	}
}
