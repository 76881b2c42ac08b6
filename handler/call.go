package handler

import (
	"context"
	"fmt"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/codec"
	"github.com/headrace/headrace/message/destination"
)

// Call is a message at an endpoint: the message itself, the variables of the
// pattern that matched, and the way to its payload. The input of an endpoint is
// made from it:
//
//   - a type whose pointer is a [Binder] makes itself, as [Request] does,
//   - message.Raw is the message as it came,
//   - any other type is read from the payload, see [Payload].
//
// It belongs to one call of one endpoint.
type Call struct {
	// Raw is the message: its Header, Destination, Session and so on.
	message.Raw
	ctx    context.Context // the one in a struct that users see: Bind has no other way to it, and a Call lives as long as its call
	codecs *codec.Set
	vars   destination.Vars
}

// Binder is implemented by the pointers of types that endpoints take as input.
// Bind fills the value from the call. It runs on the goroutine that handles the
// message, before the endpoint; its error is the endpoint's.
type Binder interface {
	// Bind fills the receiver, which is zero, from c, which it may keep.
	Bind(c *Call) error
}

// Context returns the context in which the message is handled.
func (c *Call) Context() context.Context { return c.ctx }

// PathValue returns what the variable of this name matched, or "" when the
// pattern has no such variable.
func (c *Call) PathValue(name string) string {
	v, _ := c.vars.Get(name)
	return v
}

// User returns who sent the message, or nil when nobody is logged in.
func (c *Call) User() message.Principal {
	if c.Session == nil {
		return nil
	}
	return c.Session.User()
}

// Payload reads the payload of a call as a T, by the content type of the
// message and with the router's codecs. See [codec.Decode] for what a T takes
// without a content type and for the errors, which have CodeInvalid.
func Payload[T any](c *Call) (T, error) {
	return codec.Decode[T](c.codecs, c.Header.Get(message.HeaderContentType), c.Raw.Payload)
}

// binder decides, once for each route, how its input is made.
func binder[In any](source string) func(c *Call, in *In) error {
	var none In
	switch any(&none).(type) {
	case Binder:
		return func(c *Call, in *In) error { return any(in).(Binder).Bind(c) }
	case *message.Raw:
		return func(c *Call, in *In) error {
			*any(in).(*message.Raw) = c.Raw
			return nil
		}
	}
	if _, ok := any(none).(Binder); ok {
		panic(fmt.Sprintf("handler: the endpoint at %s takes %T, which fills itself: it must take the type without the *", source, none))
	}
	return func(c *Call, in *In) (err error) {
		*in, err = Payload[In](c)
		return err
	}
}
