package watermilladapter

import (
	"fmt"
	"net/url"
	"strings"

	wmessage "github.com/ThreeDotsLabs/watermill/message"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
)

// The metadata of an envelope. Values are escaped like a query, for engines keep
// little else: what is no ASCII, a line's end and names that repeat get lost.
const (
	metaOrigin      = message.ReservedPrefix + "origin"
	metaDestination = message.ReservedPrefix + "destination"
	metaHeader      = message.ReservedPrefix + "header"
	metaMissed      = message.ReservedPrefix + "missed"
)

// Missed returns what a subscriber of a [Backplane] hands out where it has missed messages,
// or may have: see [Backplane.WatchMisses].
func Missed() *wmessage.Message {
	m := wmessage.NewMessage("", nil)
	m.Metadata[metaMissed] = "1"
	return m
}

// traceNames are fields that envelopes have as metadata too, so that others who
// read the topic go on with the trace.
var traceNames = [...]string{"traceparent", "tracestate"}

func fromEnvelope(e broker.Envelope) *wmessage.Message {
	m := wmessage.NewMessage(e.ID, e.Payload)
	m.Metadata[metaOrigin] = url.QueryEscape(e.Origin)
	m.Metadata[metaDestination] = url.QueryEscape(e.Destination)
	if e.Header.Len() > 0 {
		m.Metadata[metaHeader] = encodeHeader(e.Header)
	}
	for _, name := range traceNames {
		if value, ok := e.Header.Lookup(name); ok {
			m.Metadata[name] = value
		}
	}
	return m
}

func toEnvelope(m *wmessage.Message) (broker.Envelope, error) {
	e := broker.Envelope{ID: m.UUID, Payload: m.Payload}
	destination, ok := m.Metadata[metaDestination]
	if !ok {
		return e, fmt.Errorf("watermilladapter: message %.100q is no envelope", m.UUID)
	}
	var err error
	if e.Destination, err = url.QueryUnescape(destination); err != nil {
		return e, err
	}
	if e.Origin, err = url.QueryUnescape(m.Metadata[metaOrigin]); err != nil {
		return e, err
	}
	e.Header, err = decodeHeader(m.Metadata[metaHeader])
	return e, err
}

// encodeHeader writes the fields in their order: name=value&name=value.
func encodeHeader(h message.Header) string {
	var b strings.Builder
	for name, value := range h.All() {
		if b.Len() > 0 {
			b.WriteByte('&')
		}
		b.WriteString(url.QueryEscape(name))
		b.WriteByte('=')
		b.WriteString(url.QueryEscape(value))
	}
	return b.String()
}

func decodeHeader(text string) (message.Header, error) {
	if text == "" {
		return message.Header{}, nil
	}
	fields := make([]message.Field, 0, strings.Count(text, "&")+1)
	for pair := range strings.SplitSeq(text, "&") {
		name, value, ok := strings.Cut(pair, "=")
		if !ok {
			return message.Header{}, fmt.Errorf("watermilladapter: %.100q is no header field", pair)
		}
		name, err := url.QueryUnescape(name)
		if err != nil {
			return message.Header{}, err
		}
		if value, err = url.QueryUnescape(value); err != nil {
			return message.Header{}, err
		}
		fields = append(fields, message.Field{Name: name, Value: value})
	}
	return message.NewHeader(fields...), nil
}
