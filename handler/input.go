package handler

import (
	"encoding/json"
	"errors"
	"reflect"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/codec"
)

// InputError is what is wrong with the input of an endpoint: a payload that
// cannot be read or is not valid, a header field that is missing, a value that
// does not convert. It wraps a [message.Error] with CodeInvalid, whose text names
// the field and the type wanted, for the client.
type InputError struct {
	// Part is the part of the message: "payload", "header" or "path".
	Part string
	// Field is the field of the payload with dots between levels, the name of
	// the header field, or the variable of the path. Empty means the payload as
	// a whole.
	Field string
	// Want is the Go type that was wanted.
	Want string
	err  error
}

// Error returns the text of the error that e wraps.
func (e *InputError) Error() string { return e.err.Error() }

// Unwrap returns the [message.Error], whose cause is the error behind it.
func (e *InputError) Unwrap() error { return e.err }

// Payload reads the payload of a call as a T, by the content type of the
// message and with the router's codecs. See [codec.Decode] for what a T takes
// without a content type; a []byte is the payload untouched. What was read is
// valid if neither Config.Validate nor its own method Validate() error, where it
// has one, return an error. A []byte is not
// looked at. Errors are of type *[InputError].
//
// Config.Validate is given a pointer to what was read. What a validation returns
// is shown to the client if it is a [message.Error], and is the cause of one that
// says nothing more otherwise.
func Payload[T any](c *Call) (T, error) {
	var v, none T
	if err := c.read(&v); err != nil {
		return none, err
	}
	return v, nil
}

// read reads the payload into what p points to.
func (c *Call) read(p any) error {
	if err := codec.DecodeTo(c.config.Codecs, c.Header.Get(message.HeaderContentType), c.Raw.Payload, p); err != nil {
		return unreadable(reflect.TypeOf(p).Elem(), err)
	}
	if _, ok := p.(*[]byte); ok {
		return nil
	}
	return c.validate(p)
}

func unreadable(t reflect.Type, err error) error {
	e := &InputError{Part: "payload", Want: t.String(), err: err}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && wrong.Field != "" {
		e.Field, e.Want = wrong.Field, wrong.Type.String()
	}
	return e
}

type validator interface{ Validate() error }

// validate checks what p points to, or what that points to if it is a pointer
// itself; nil was read from an empty payload.
func (c *Call) validate(p any) (err error) {
	t := reflect.TypeOf(p).Elem()
	if t.Kind() == reflect.Pointer {
		inner := reflect.ValueOf(p).Elem()
		if inner.IsNil() {
			return nil
		}
		p = inner.Interface()
	}
	if c.config.Validate != nil {
		err = c.config.Validate(p)
	}
	if own, ok := p.(validator); ok && err == nil {
		err = own.Validate()
	}
	if err == nil {
		return nil
	}
	if _, authored := errors.AsType[*message.Error](err); !authored {
		err = message.Errorf(message.CodeInvalid, "payload is not valid for type %s", t).WithCause(err)
	}
	return &InputError{Part: "payload", Want: t.String(), err: err}
}
