package stompadapter

import (
	"bytes"
	"crypto/rand"
	"errors"
	"strings"
	"unicode"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/frame"
	"github.com/headrace/headrace/transport"
)

// messageOwn are headers that are no subscriber's business: the protocol's own
// and those in which credentials travel.
var messageOwn = []string{
	frame.HeaderAck, frame.HeaderReceipt, frame.HeaderReceiptID, frame.HeaderTransaction,
	frame.HeaderLogin, frame.HeaderPasscode,
}

// Receipt sends RECEIPT. CONNECT cannot ask for one: its answer is CONNECTED.
func (d *dialect) Receipt(r transport.Request) error {
	if r.Message.Kind == message.KindConnect {
		return nil
	}
	return d.send(frame.Frame{Command: frame.Receipt}, message.Field{Name: frame.HeaderReceiptID, Value: r.Receipt})
}

// Refuse sends ERROR: the text, the code and the receipt of the frame at fault
// (STOMP 1.2, "ERROR").
func (d *dialect) Refuse(r transport.Request, err error) {
	public := message.Public(err)
	fields := []message.Field{
		{Name: frame.HeaderMessage, Value: oneLine(public.Message)},
		{Name: headerCode, Value: oneLine(string(public.Code))},
		{Name: frame.HeaderContentType, Value: "text/plain;charset=utf-8"},
	}
	if errors.Is(err, errVersion) {
		fields = append(fields, message.Field{Name: frame.HeaderVersion, Value: frame.Versions})
	}
	body := public.Message
	if r.Name != "" {
		body = "the " + r.Name + " frame was refused: " + body
	}
	refusal := frame.Frame{Command: frame.Error, Body: []byte(body)}
	if r.WantsReceipt {
		receipt := message.Field{Name: frame.HeaderReceiptID, Value: r.Receipt}
		if d.send(refusal, append(fields, receipt)...) == nil {
			return // but 1.0 cannot say everything that it can hear
		}
	}
	d.send(refusal, fields...) // an error means that the connection ends anyway
}

// headerCode is the [message.Code] in an ERROR frame.
const headerCode = "code"

// oneLine makes a header value of a text that every version can express; what
// is not UTF-8 becomes U+FFFD.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}

// send sends a frame to this client alone.
func (d *dialect) send(f frame.Frame, first ...message.Field) error {
	octets, err := frame.Append(make([]byte, 0, 256+len(f.Body)), d.frameVersion(), f, first...)
	if err != nil {
		return err
	}
	return d.conn.Send(transport.NewNamedFrame(d.conn.Framing(), string(f.Command), octets))
}

// Encode makes a MESSAGE or, of the application's making, an ERROR frame.
func (d *dialect) Encode(m message.Raw) (name string, octets []byte, err error) {
	f := frame.Frame{Command: frame.Message, Header: without(m.Header, messageOwn, message.ToClient), Body: m.Payload}
	if d.textOnly {
		f.Body = bytes.ToValidUTF8(f.Body, []byte("\uFFFD")) // here, so that content-length is right
	}
	first := d.messageFields(m)
	switch {
	case m.Kind == message.KindError:
		f.Command, first = frame.Error, nil
		if _, ok := m.Header.Lookup(frame.HeaderMessage); !ok {
			first = []message.Field{{Name: frame.HeaderMessage, Value: "error"}}
		}
	case m.Subscription == "":
		return "", nil, errNoSubscription
	}
	octets, err = frame.Append(make([]byte, 0, 512+len(m.Payload)), d.frameVersion(), f, first...)
	return string(f.Command), octets, err
}

// messageFields returns the headers that only the server sets. The id is the
// broker's; messages that saw no broker get one here, for every MESSAGE must
// have one. What is to be acknowledged has an ack header from 1.2 on.
func (d *dialect) messageFields(m message.Raw) []message.Field {
	id := m.Header.Get(message.HeaderMessageID)
	if id == "" {
		id = rand.Text()
	}
	fields := []message.Field{
		{Name: frame.HeaderDestination, Value: m.Destination},
		{Name: frame.HeaderSubscription, Value: m.Subscription},
		{Name: frame.HeaderMessageID, Value: id},
	}
	if ack, ok := m.Header.Lookup(message.HeaderAck); ok && d.frameVersion() >= frame.V12 {
		fields = append(fields, message.Field{Name: frame.HeaderAck, Value: ack})
	}
	return fields
}
