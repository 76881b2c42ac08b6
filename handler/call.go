package handler

import (
	"context"
	"fmt"
	"reflect"

	"github.com/headrace/headrace/message"
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
	config *Config
	route  *route // nil in an error handler whose error no route has
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

// Route returns the pattern that matched and where it was registered.
func (c *Call) Route() Route {
	if c.route == nil {
		return Route{}
	}
	return c.route.Route
}

// PathValue returns what the variable of this name matched, or "" when the
// pattern has no such variable. [Var] converts it.
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

func (c *Call) carried() *Call { return c }

// open makes the call of a message and the input of the endpoint. The variables
// are read from the destination that is left when the interceptors are through
// with it.
func (rt *route) open(ctx context.Context, m message.Raw, c *Call, in any) error {
	if err := rt.call(ctx, m, c); err != nil {
		return err
	}
	return rt.bind(c, in)
}

func (rt *route) call(ctx context.Context, m message.Raw, c *Call) error {
	*c = Call{Raw: m, ctx: ctx, config: &rt.router.config, route: rt}
	if len(rt.names) == 0 {
		return nil
	}
	rest, _ := rt.router.relative(m.Destination)
	vars, ok := rt.pattern.Capture(rest)
	if !ok {
		return notFound(m)
	}
	c.vars = vars
	return nil
}

// binder decides, once for each route, how its input is made; in is a nil
// pointer to it.
func binder(in any, source string) func(c *Call, in any) error {
	switch in.(type) {
	case Binder:
		return func(c *Call, in any) error { return in.(Binder).Bind(c) }
	case *message.Raw:
		return func(c *Call, in any) error {
			*in.(*message.Raw) = c.Raw
			return nil
		}
	}
	if t := reflect.TypeOf(in).Elem(); t.Implements(reflect.TypeFor[Binder]()) {
		panic(fmt.Sprintf("handler: the endpoint at %s takes %v, which fills itself: it must take the type without the *", source, t))
	}
	r := rulesOf(reflect.TypeOf(in))
	return func(c *Call, in any) error { return c.readBy(r, in) }
}
