package nats

import (
	"net/url"
	"strings"

	wmessage "github.com/ThreeDotsLabs/watermill/message"
	natsgo "github.com/nats-io/nats.go"
)

// headerID has a message's id, escaped like a query.
const headerID = "Headrace-Id"

// toMsg makes a message for NATS. Metadata that a header cannot have is left out: names
// and values of one line.
func toMsg(subject string, m *wmessage.Message) *natsgo.Msg {
	out := &natsgo.Msg{Subject: subject, Data: m.Payload, Header: make(natsgo.Header, len(m.Metadata)+1)}
	values := make([]string, 0, len(m.Metadata)+1) // of all fields, one each
	set := func(name, value string) {
		values = append(values, value)
		n := len(values)
		out.Header[name] = values[n-1 : n : n]
	}
	set(headerID, url.QueryEscape(m.UUID))
	for name, value := range m.Metadata {
		if name != "" && !strings.ContainsAny(name, ": \t\r\n\x00") && !strings.ContainsAny(value, "\r\n\x00") && strings.TrimSpace(value) == value {
			set(name, value)
		}
	}
	return out
}

// fromMsg makes one of what came, whatever that is.
func fromMsg(header natsgo.Header, data []byte) *wmessage.Message {
	id, err := url.QueryUnescape(header.Get(headerID))
	if err != nil {
		id = "" // nothing that we sent
	}
	m := wmessage.NewMessage(id, data)
	for name := range header {
		m.Metadata[name] = header.Get(name)
	}
	return m
}
