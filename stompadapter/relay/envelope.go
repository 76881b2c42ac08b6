package relay

import (
	"encoding/binary"
	"errors"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
)

// encode writes an envelope: its texts, each behind its length, and the payload.
func encode(e broker.Envelope) []byte {
	out := make([]byte, 0, 128+len(e.Payload))
	out = appendText(out, e.ID)
	out = appendText(out, e.Origin)
	out = appendText(out, e.Destination)
	out = binary.AppendUvarint(out, uint64(e.Header.Len()))
	for name, value := range e.Header.All() {
		out = appendText(appendText(out, name), value)
	}
	return append(out, e.Payload...)
}

func appendText(out []byte, text string) []byte {
	return append(binary.AppendUvarint(out, uint64(len(text))), text...)
}

var errEnvelope = errors.New("relay: what came is no message of a node")

// decode reads what encode wrote.
func decode(in []byte) (e broker.Envelope, err error) {
	for _, to := range []*string{&e.ID, &e.Origin, &e.Destination} {
		if *to, in, err = cutText(in); err != nil {
			return e, err
		}
	}
	n, size := binary.Uvarint(in)
	if size <= 0 || n > uint64(len(in))/2 { // a field has two octets at least
		return e, errEnvelope
	}
	in = in[size:]
	fields := make([]message.Field, n)
	for i := range fields {
		for _, to := range []*string{&fields[i].Name, &fields[i].Value} {
			if *to, in, err = cutText(in); err != nil {
				return e, err
			}
		}
	}
	e.Header, e.Payload = message.NewHeader(fields...), in
	return e, nil
}

func cutText(in []byte) (text string, rest []byte, err error) {
	n, size := binary.Uvarint(in)
	if size <= 0 || n > uint64(len(in)-size) {
		return "", nil, errEnvelope
	}
	in = in[size:]
	return string(in[:n]), in[n:], nil
}
