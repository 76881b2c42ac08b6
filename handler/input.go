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
	// the header field, or the variable of the path. An element of the payload
	// is in brackets: "[2].price". Empty means the payload as a whole.
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
// has one, return an error, nor the method of an element, where it is a slice, an
// array or a map of what has one. A []byte is not looked at. Errors are of type
// *[InputError].
//
// Config.Validate is given a pointer to what was read. What a validation returns
// is shown to the client if it is a [message.Error], and is the cause of one that
// says nothing more otherwise. An error in its chain that has a method Field()
// string names the field that is wrong, for InputError.Field and the client;
// codecs may return such errors too.
//
// What there is to validate is found out once for each T. Payload uses reflection
// to reach what a pointer points to and the elements that have a method, for no
// other type.
func Payload[T any](c *Call) (T, error) {
	var v, none T
	if err := c.read(&v); err != nil {
		return none, err
	}
	return v, nil
}

// read reads the payload into what p points to.
func (c *Call) read(p any) error {
	return c.readBy(rulesOf(reflect.TypeOf(p)), p)
}

func (c *Call) readBy(r *rules, p any) error {
	if err := codec.DecodeTo(c.config.Codecs, c.Header.Get(message.HeaderContentType), c.Raw.Payload, p); err != nil {
		return unreadable(r.of, err)
	}
	if r.untouched {
		return nil
	}
	return r.validate(c.config.Validate, p)
}

func unreadable(t reflect.Type, err error) error {
	e := &InputError{Part: "payload", Field: fieldOf(err), Want: t.String(), err: err}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && wrong.Field != "" {
		e.Field, e.Want = wrong.Field, wrong.Type.String()
	}
	if wrong, ok := errors.AsType[interface {
		error
		Type() reflect.Type
	}](err); ok { // of a field that reads itself
		e.Want = wrong.Type().String()
	}
	return e
}

// fieldOf returns the field that an error says it is about, or "". The codecs'
// errors do for fields that are unknown, and so do those of go-playground's
// validator.
func fieldOf(err error) string {
	type fielder interface {
		error
		Field() string
	}
	if e, ok := errors.AsType[fielder](err); ok {
		return e.Field()
	}
	return ""
}
