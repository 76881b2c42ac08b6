package stompadapter

import (
	"context"
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

// Deliver sends m to the client.
func (s *session) Deliver(_ context.Context, m message.Raw) error {
	switch m.Kind {
	case message.KindData:
		return s.deliverMessage(&m)
	case message.KindConnected:
		return s.deliverConnected()
	case message.KindError:
		return s.deliverError(m)
	}
	return invalid("a client cannot be sent a message of the kind %s", m.Kind)
}

// Close ends the connection, with an ERROR frame when there is a reason.
func (s *session) Close(reason error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if reason == nil {
		s.end(nil)
		return
	}
	s.fail(new(entry), reason)
}

func (s *session) deliverMessage(m *message.Raw) error {
	f, err := s.adapter.frames.get(&frameKey{
		framing:      s.conn.Framing(),
		version:      s.version,
		destination:  m.Destination,
		subscription: m.Subscription,
		header:       m.Header,
		payload:      m.Payload,
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.writable(); err != nil {
		return err
	}
	return s.conn.Send(f)
}

// writable says why a message cannot be sent. The lock is held.
func (s *session) writable() error {
	switch {
	case s.over:
		return errEnded
	case s.state == stateNew || s.state == stateAuth:
		return errNotConnected
	}
	return nil
}

// deliverError sends an ERROR frame of the application's making and closes.
func (s *session) deliverError(m message.Raw) error {
	var first []message.Field
	if _, ok := m.Header.Lookup(frame.HeaderMessage); !ok {
		first = []message.Field{{Name: frame.HeaderMessage, Value: "error"}}
	}
	f, err := s.encode(frame.Frame{Command: frame.Error, Header: without(m.Header, messageOwn), Body: m.Payload}, first...)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.writable(); err != nil {
		return err
	}
	err = s.conn.Send(f)
	s.end(message.Errorf(message.CodeInternal, "an error was sent"))
	return err
}

// sendReceipt answers e. The lock is held.
func (s *session) sendReceipt(e *entry) {
	if s.over {
		return
	}
	f, err := s.encode(frame.Frame{Command: frame.Receipt}, message.Field{Name: frame.HeaderReceiptID, Value: e.receipt})
	if err != nil { // 1.0 cannot say everything that it can hear
		s.fail(new(entry), err)
		return
	}
	s.conn.Send(f) // an error means that the connection ends
}

// sendError tells the client of err: its text, its code and the receipt of the
// frame at fault (STOMP 1.2, "ERROR"). The lock is held.
func (s *session) sendError(e *entry, err error) {
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
	if e.command != "" {
		body = "the " + string(e.command) + " frame was refused: " + body
	}
	refusal := frame.Frame{Command: frame.Error, Body: []byte(body)}
	f, err := s.encode(refusal, fields...)
	if e.wanted {
		receipt := message.Field{Name: frame.HeaderReceiptID, Value: e.receipt}
		if with, err := s.encode(refusal, append(fields, receipt)...); err == nil {
			f = with
		}
	}
	if err == nil {
		s.conn.Send(f) // an error means that the connection ends anyway
	}
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

// encode makes the wire form of a frame that goes to this client alone.
func (s *session) encode(f frame.Frame, first ...message.Field) (*transport.Frame, error) {
	octets, err := frame.Append(make([]byte, 0, 256+len(f.Body)), s.version, f, first...)
	if err != nil {
		return nil, err
	}
	return transport.NewFrame(s.conn.Framing(), octets), nil
}

// encodeMessage makes a MESSAGE frame. The id is the broker's; messages that
// saw no broker get one here, for every MESSAGE must have one.
func encodeMessage(k *frameKey) ([]byte, error) {
	if k.subscription == "" {
		return nil, errNoSubscription
	}
	id := k.header.Get(message.HeaderMessageID)
	if id == "" {
		id = rand.Text()
	}
	return frame.Append(make([]byte, 0, 512+len(k.payload)), k.version,
		frame.Frame{Command: frame.Message, Header: without(k.header, messageOwn), Body: k.payload},
		message.Field{Name: frame.HeaderDestination, Value: k.destination},
		message.Field{Name: frame.HeaderSubscription, Value: k.subscription},
		message.Field{Name: frame.HeaderMessageID, Value: id},
	)
}
