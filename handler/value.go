package handler

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"time"

	"github.com/headrace/headrace/internal/typename"
	"github.com/headrace/headrace/message"
)

// Carrier is a *[Call], or a [Request], which has one.
type Carrier interface{ carried() *Call }

// Var returns what a variable of the pattern matched as a T: a string, bool,
// number, [time.Duration], or a type that implements [encoding.TextUnmarshaler],
// such as [time.Time]; also a type made of a string, bool or number, and a
// pointer to one of all these, which takes reflection. What does not convert is
// an *[InputError]. A variable that the pattern has not is a mistake of the
// program: the client is told of an internal error, the log where the route is.
//
//	id, err := handler.Var[int](req, "id")
func Var[T any](from Carrier, name string) (T, error) {
	c := from.carried()
	text, ok := c.vars.Get(name)
	if !ok {
		var none T
		return none, c.noVariable(name)
	}
	return value[T]("path", name, text)
}

func (c *Call) noVariable(name string) error {
	if c.route == nil {
		return fmt.Errorf("handler: no variable %q: no route matched %.200s", name, c.Destination)
	}
	return fmt.Errorf("handler: no variable %q in pattern %q at %s", name, c.route.Pattern, c.route.Source)
}

// HeaderValue returns the first header field of this name as a T, see [Var]. A
// field that is missing is an *[InputError], unless T is a pointer: it is nil
// then.
//
//	wait, err := handler.HeaderValue[time.Duration](req, "wait")
func HeaderValue[T any](from Carrier, name string) (T, error) {
	c := from.carried()
	text, ok := c.Header.Lookup(name)
	if !ok {
		var none T
		return none, missing(name, reflect.TypeFor[T]())
	}
	return value[T]("header", name, text)
}

func missing(name string, t reflect.Type) error {
	if t.Kind() == reflect.Pointer {
		return nil
	}
	return &InputError{"header", name, t.String(), message.Errorf(message.CodeInvalid, "header %.80q is missing, want %s", name, typename.Of(t))}
}

func value[T any](part, name, text string) (T, error) {
	var v, none T
	if err := convert(&v, text); err != nil {
		return none, unconverted(part, name, text, reflect.TypeFor[T](), err)
	}
	return v, nil
}

var errUnsupported = errors.New("handler: text does not convert to the type")

// unconverted words for the client why a value of the message is no t.
func unconverted(part, name, text string, t reflect.Type, err error) error {
	if errors.Is(err, errUnsupported) {
		return err
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return &InputError{part, name, t.String(), message.Errorf(message.CodeInvalid, "%s %.80q: want %s, got %.80q", part, name, typename.Of(t), text).WithCause(err)}
}

// convert stores text in what p points to.
func convert(p any, text string) (err error) {
	switch p := p.(type) {
	case *string:
		*p = text
	case *bool:
		*p, err = strconv.ParseBool(text)
	case *time.Duration:
		*p, err = time.ParseDuration(text)
	case *int:
		err = signed(p, text, strconv.IntSize)
	case *int8:
		err = signed(p, text, 8)
	case *int16:
		err = signed(p, text, 16)
	case *int32:
		err = signed(p, text, 32)
	case *int64:
		err = signed(p, text, 64)
	case *uint:
		err = unsigned(p, text, strconv.IntSize)
	case *uint8:
		err = unsigned(p, text, 8)
	case *uint16:
		err = unsigned(p, text, 16)
	case *uint32:
		err = unsigned(p, text, 32)
	case *uint64:
		err = unsigned(p, text, 64)
	case *float32:
		var x float64
		x, err = strconv.ParseFloat(text, 32)
		*p = float32(x)
	case *float64:
		*p, err = strconv.ParseFloat(text, 64)
	case encoding.TextUnmarshaler:
		err = p.UnmarshalText([]byte(text))
	default:
		err = convertMade(reflect.ValueOf(p).Elem(), text)
	}
	return err
}

func signed[N int | int8 | int16 | int32 | int64](p *N, text string, bits int) error {
	n, err := strconv.ParseInt(text, 10, bits)
	*p = N(n)
	return err
}

func unsigned[N uint | uint8 | uint16 | uint32 | uint64](p *N, text string, bits int) error {
	n, err := strconv.ParseUint(text, 10, bits)
	*p = N(n)
	return err
}

// convertMade is [convert] for types that are made of those it knows: it hands it
// a pointer to the one behind v.
func convertMade(v reflect.Value, text string) error {
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		return convert(v.Interface(), text)
	}
	basic, ok := basics[v.Kind()]
	if !ok {
		return fmt.Errorf("%w %v", errUnsupported, v.Type())
	}
	return convert(v.Addr().Convert(basic).Interface(), text)
}

// basics has the pointers to the types that others are made of, by the kind of
// these.
var basics = func() map[reflect.Kind]reflect.Type {
	all := make(map[reflect.Kind]reflect.Type)
	for _, p := range []any{
		(*string)(nil), (*bool)(nil), (*float32)(nil), (*float64)(nil),
		(*int)(nil), (*int8)(nil), (*int16)(nil), (*int32)(nil), (*int64)(nil),
		(*uint)(nil), (*uint8)(nil), (*uint16)(nil), (*uint32)(nil), (*uint64)(nil),
	} {
		t := reflect.TypeOf(p)
		all[t.Elem().Kind()] = t
	}
	return all
}()
