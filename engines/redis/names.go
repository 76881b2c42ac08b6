package redis

import (
	"strings"

	wmessage "github.com/ThreeDotsLabs/watermill/message"
)

// key is the stream of a topic, whose name has been escaped to letters, digits, "_" and
// "-".
func key(prefix, topic string) string { return prefix + ":" + topic }

// The fields of an entry: those of the metadata have a letter before their name.
const (
	fieldID      = "id"
	fieldPayload = "payload"
	fieldMeta    = "m:"
)

func toValues(m *wmessage.Message) []string {
	values := make([]string, 0, 4+2*len(m.Metadata))
	values = append(values, fieldID, m.UUID, fieldPayload, string(m.Payload))
	for name, value := range m.Metadata {
		values = append(values, fieldMeta+name, value)
	}
	return values
}

// fromValues makes a message of an entry, whatever that has.
func fromValues(values map[string]any) *wmessage.Message {
	text := func(name string) string { s, _ := values[name].(string); return s }
	m := wmessage.NewMessage(text(fieldID), []byte(text(fieldPayload)))
	for field := range values {
		if name, ok := strings.CutPrefix(field, fieldMeta); ok {
			m.Metadata[name] = text(field)
		}
	}
	return m
}
