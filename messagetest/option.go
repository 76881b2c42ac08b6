package messagetest

import "github.com/headrace/headrace/message"

// ClientOption says something about the session that [Connect] begins.
type ClientOption interface{ apply(*clientOptions) }

type clientOptions struct {
	info   message.SessionInfo
	fields []message.Field
}

type clientOption func(*clientOptions)

func (f clientOption) apply(o *clientOptions) { f(o) }

// User makes the session that of a user, as if the handshake had found out.
func User(name string) ClientOption { return As(message.User(name)) }

// As makes the session that of a principal, as if the handshake had found out.
func As(p message.Principal) ClientOption {
	return clientOption(func(o *clientOptions) { o.info.Principal = p })
}

// ConnectHeader adds a field to the header of the connect message, such as a
// token.
func ConnectHeader(name, value string) ClientOption {
	return clientOption(func(o *clientOptions) {
		o.fields = append(o.fields, message.Field{Name: name, Value: value})
	})
}

// Attribute gives the session an attribute, as a hook of the handshake does.
func Attribute(name string, value any) ClientOption {
	return clientOption(func(o *clientOptions) {
		if o.info.Attributes == nil {
			o.info.Attributes = make(map[string]any)
		}
		o.info.Attributes[name] = value
	})
}
