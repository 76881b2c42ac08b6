package handler

import "reflect"

// Request is the input of endpoints that want more than the payload: the path
// variables, the header, the session and the user of the message.
//
//	func quote(ctx context.Context, req handler.Request[Ask]) (Quote, error) {
//		return price(req.PathValue("symbol"), req.Payload.Amount, req.User())
//	}
//
// [Var] and [HeaderValue] read path variables and header fields as other types.
type Request[P any] struct {
	// Call is the message and what its destination says. It is never nil in a
	// request that a router made.
	*Call
	// Payload is the payload as [Payload] reads it.
	Payload P
}

// Bind implements [Binder].
func (r *Request[P]) Bind(c *Call) error {
	r.Call = c
	return c.read(&r.Payload)
}

func (*Request[P]) payloadType() reflect.Type { return reflect.TypeFor[P]() }
