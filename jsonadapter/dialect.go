package jsonadapter

import (
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/codec"
	"github.com/headrace/headrace/transport"
)

// What clients are told.
var (
	errNoObject error = message.Errorf(message.CodeInvalid, "what was sent is not a sequence of JSON objects")
	errTooLarge error = message.Errorf(message.CodeTooLarge, "the object is too large")
)

func invalid(format string, args ...any) error {
	return message.Errorf(message.CodeInvalid, format, args...)
}

// dialect is JSON on one connection.
type dialect struct {
	conn  *transport.Conn
	split splitter
}

// Version is the only one.
func (d *dialect) Version() uint8 { return 0 }

// Read takes p up to the end of an object. Pings are answered on the way: they
// ask for nothing.
func (d *dialect) Read(p []byte) (r transport.Request, rest []byte, ok bool) {
	for {
		octets, rest, err := d.split.next(p)
		if err == nil && octets == nil {
			return r, nil, false
		}
		var o object
		if err == nil {
			o, err = parse(octets)
		}
		if o.Type == "ping" && err == nil {
			d.conn.Send(pong)
			p = rest
			continue
		}
		if _, known := forms[o.Type]; known { // it is logged
			r.Name = o.Type
		}
		if o.Receipt != nil {
			r.Receipt, r.WantsReceipt = *o.Receipt, true
		}
		r.Message, r.Err = o.message()
		if err != nil {
			r.Err, r.Broken = err, err == errNoObject || err == errTooLarge
		}
		return r, rest, true
	}
}

// pong is no answer to a request, so nothing counts it.
var pong = transport.NewFrame(transport.FramingWebSocket, []byte(`{"type":"pong"}`))

// forms says what the objects of clients become and which fields they have.
var forms = map[string]struct {
	kind            message.Kind
	destination, id bool
	header          string // of the id, where it is no subscription's
}{
	"connect":     {kind: message.KindConnect},
	"send":        {kind: message.KindData, destination: true},
	"subscribe":   {kind: message.KindSubscribe, destination: true, id: true},
	"unsubscribe": {kind: message.KindUnsubscribe, id: true},
	"ack":         {kind: message.KindAck, id: true, header: message.HeaderAck},
	"nack":        {kind: message.KindNack, id: true, header: message.HeaderAck},
	"begin":       {kind: message.KindBegin, id: true, header: message.HeaderTransaction},
	"commit":      {kind: message.KindCommit, id: true, header: message.HeaderTransaction},
	"abort":       {kind: message.KindAbort, id: true, header: message.HeaderTransaction},
	"disconnect":  {kind: message.KindDisconnect},
}

// message makes a message of an object.
func (o *object) message() (m message.Raw, err error) {
	form, known := forms[o.Type]
	m = message.Raw{Kind: form.kind, Destination: o.Destination, Subscription: o.ID}
	m.Header, m.Payload, err = o.Open(form.kind)
	switch {
	case err != nil:
	case !known:
		err = invalid("there is no type %.20q", o.Type)
	case form.destination != (o.Destination != ""):
		err = invalid("send and subscribe, and no others, need a destination")
	case form.id != (o.ID != ""):
		err = invalid("all but connect, send and disconnect, and no others, need an id")
	case form.header != "":
		m.Subscription, m.Header = "", m.Header.With(form.header, o.ID)
	}
	return m, err
}

// Encode makes the object of a message.
func (d *dialect) Encode(m message.Raw) (name string, octets []byte, err error) {
	o := object{Type: "message", ID: m.Subscription, Destination: m.Destination}
	if m.Kind == message.KindError {
		o.Type = "error"
	}
	o.Envelope = codec.Seal(m.Header, m.Payload)
	octets, err = codec.Plain(o)
	return o.Type, octets, err
}

// Connected sends the object of this type.
func (d *dialect) Connected(s *message.Session) error {
	o := object{Type: "connected", Session: s.ID()}
	if user := s.User(); user != nil {
		o.User = user.Name()
	}
	return d.send(o)
}

// Receipt sends a receipt.
func (d *dialect) Receipt(r transport.Request) error {
	return d.send(object{Type: "receipt", Receipt: &r.Receipt})
}

// Refuse sends an error.
func (d *dialect) Refuse(r transport.Request, err error) {
	public := message.Public(err)
	o := object{Type: "error", Code: public.Code, Message: public.Message}
	if r.WantsReceipt {
		o.Receipt = &r.Receipt
	}
	d.send(o) // an error means that the connection ends
}

// send sends an object to this client alone.
func (d *dialect) send(o object) error {
	octets, err := codec.Plain(o)
	if err != nil {
		return err
	}
	return d.conn.Send(transport.NewNamedFrame(d.conn.Framing(), o.Type, octets))
}
