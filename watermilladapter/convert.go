package watermilladapter

import (
	"slices"
	"strings"

	"github.com/ThreeDotsLabs/watermill"
	wmessage "github.com/ThreeDotsLabs/watermill/message"

	"github.com/headrace/headrace/message"
)

// toHeader makes a header of a message's UUID and metadata.
func toHeader(m *wmessage.Message) message.Header {
	fields := make([]message.Field, 0, len(m.Metadata)+1)
	if m.UUID != "" {
		fields = append(fields, message.Field{Name: message.HeaderMessageID, Value: m.UUID})
	}
	first := len(fields)
	for name, value := range m.Metadata {
		if name != message.HeaderMessageID || m.UUID == "" {
			fields = append(fields, message.Field{Name: name, Value: value})
		}
	}
	slices.SortFunc(fields[first:], func(a, b message.Field) int { return strings.Compare(a.Name, b.Name) })
	return message.NewHeader(fields...)
}

// fromRaw makes a message of its own of m: publishers may write to it.
func fromRaw(m message.Raw) *wmessage.Message {
	id, ok := m.Header.Lookup(message.HeaderMessageID)
	if !ok {
		id = watermill.NewUUID()
	}
	out := wmessage.NewMessage(id, m.Payload)
	for name, value := range m.Header.All() {
		if _, repeated := out.Metadata[name]; !repeated && name != message.HeaderMessageID {
			out.Metadata[name] = value
		}
	}
	return out
}
