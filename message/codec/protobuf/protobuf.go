// Package protobuf is the codec of protocol buffers: payloads of the type
// application/x-protobuf to and from generated messages.
//
//	node := headrace.New(headrace.Config{Codecs: codec.NewSet(protobuf.Codec{})})
//	handler.Handle(node.Router, "/trade", func(ctx context.Context, t *pb.Trade) (*pb.Result, error) { ... })
//
// Without a content type a payload is JSON all the same, and so is a reply: a
// handler.Reply with the field content-type in its Header is written as that says,
// and a template as its ContentType says.
//
// It is a package of its own so that only programs that use it are built with
// the protobuf module.
package protobuf

import (
	"fmt"
	"reflect"

	"google.golang.org/protobuf/proto"

	"github.com/headrace/headrace/message/codec"
)

// Codec reads and writes protocol buffers in their binary form. Fields that a
// message does not have are kept, as protocol buffers do.
type Codec struct{}

var _ codec.Codec = Codec{}

// MediaTypes implements [codec.Codec].
func (Codec) MediaTypes() []string {
	return []string{"application/x-protobuf", "application/protobuf", "application/vnd.google.protobuf"}
}

// Marshal implements [codec.Codec]. v is a generated message, which is a
// pointer.
func (Codec) Marshal(v any) ([]byte, error) {
	m, ok := v.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("%T is not a proto.Message", v)
	}
	return proto.Marshal(m)
}

// Unmarshal implements [codec.Codec]. v points to a generated message, or to a
// pointer to one, which is set to a new message.
func (Codec) Unmarshal(payload []byte, v any) error {
	m, err := target(v)
	if err != nil {
		return err
	}
	return proto.Unmarshal(payload, m)
}

// target returns the message that v stands for.
func target(v any) (proto.Message, error) {
	if m, ok := v.(proto.Message); ok {
		return m, nil
	}
	p := reflect.ValueOf(v)
	if p.Kind() == reflect.Pointer && p.Elem().Kind() == reflect.Pointer {
		fresh := reflect.New(p.Type().Elem().Elem())
		if m, ok := fresh.Interface().(proto.Message); ok {
			p.Elem().Set(fresh)
			return m, nil
		}
	}
	return nil, fmt.Errorf("%T does not point to a proto.Message", v)
}
