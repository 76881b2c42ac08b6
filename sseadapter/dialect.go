package sseadapter

import (
	"bytes"
	"fmt"
	"time"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/codec"
	"github.com/headrace/headrace/transport"
)

// dialect makes events of what a client is told.
type dialect struct {
	token string
	conn  *transport.Conn
	next  *transport.Request // what the body belongs to that is being received
}

// Version is the only one.
func (d *dialect) Version() uint8 { return 0 }

// Read returns the request that p is the body of.
func (d *dialect) Read(p []byte) (r transport.Request, rest []byte, ok bool) {
	if d.next == nil {
		return r, nil, false
	}
	r, d.next = *d.next, nil
	if r.Message.Kind == message.KindData {
		r.Message.Payload = bytes.Clone(p)
	}
	return r, nil, true
}

// event is what clients are told.
type event struct {
	Session     string `json:"session,omitempty"`
	Token       string `json:"token,omitempty"`
	User        string `json:"user,omitempty"`
	ID          string `json:"id,omitempty"`
	Destination string `json:"destination,omitempty"`
	codec.Envelope
	Receipt *string      `json:"receipt,omitempty"`
	Code    message.Code `json:"code,omitempty"`
	Message string       `json:"message,omitempty"`
}

// unnamed is what browsers take events for that have no name.
const unnamed = "message"

// encode returns an event but for its id. The JSON has no line breaks.
func (e event) encode(name string) ([]byte, error) {
	line := ""
	if name != unnamed {
		line = "event: " + name + "\n"
	}
	data, err := codec.Plain(e)
	return fmt.Appendf(nil, "%sdata: %s\n\n", line, data), err
}

// Encode makes the event of a message.
func (d *dialect) Encode(m message.Raw) (name string, octets []byte, err error) {
	name = unnamed
	if m.Kind == message.KindError {
		name = "failure"
	}
	octets, err = event{ID: m.Subscription, Destination: m.Destination, Envelope: codec.Seal(m.Header, m.Payload)}.encode(name)
	return name, octets, err
}

// silence is how long nothing is sent before a comment shows to proxies that
// somebody is there.
const silence = 25 * time.Second

var comment = transport.NewFrame(transport.FramingStream, []byte(":\n\n"))

// Connected tells the client the token of its session.
func (d *dialect) Connected(s *message.Session) error {
	e := event{Session: s.ID(), Token: d.token}
	if user := s.User(); user != nil {
		e.User = user.Name()
	}
	d.conn.Heartbeat(silence, 0, comment)
	return d.send("connected", e)
}

// Receipt sends a receipt.
func (d *dialect) Receipt(r transport.Request) error {
	return d.send("receipt", event{Receipt: &r.Receipt})
}

// Refuse sends a failure.
func (d *dialect) Refuse(r transport.Request, err error) {
	public := message.Public(err)
	e := event{Code: public.Code, Message: public.Message}
	if r.WantsReceipt {
		e.Receipt = &r.Receipt
	}
	d.send("failure", e) // an error means that the connection ends
}

func (d *dialect) send(name string, e event) error {
	p, err := e.encode(name)
	if err != nil {
		return err
	}
	return d.conn.Send(transport.NewNamedFrame(d.conn.Framing(), name, p))
}
