package watermilladapter_test

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"testing"
	"testing/synctest"

	wmessage "github.com/ThreeDotsLabs/watermill/message"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/watermilladapter"
)

// TestEnvelopeOnTheWire: what others who read the topic find.
func TestEnvelopeOnTheWire(t *testing.T) {
	const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	m := published(t, broker.Envelope{
		ID: "id-1", Origin: "node é", Destination: "/topic/a",
		Header: message.NewHeader(
			message.Field{Name: "b", Value: "1\r\n"}, message.Field{Name: "a", Value: "&="}, message.Field{Name: "b", Value: "2"},
			message.Field{Name: "traceparent", Value: trace}, message.Field{Name: "tracestate", Value: "k=v"}),
		Payload: []byte("hello"),
	})
	if m.UUID != "id-1" || string(m.Payload) != "hello" {
		t.Errorf("UUID %q, payload %q", m.UUID, m.Payload)
	}
	want := wmessage.Metadata{
		"hr-origin":      "node+%C3%A9",
		"hr-destination": "%2Ftopic%2Fa",
		"hr-header":      "b=1%0D%0A&a=%26%3D&b=2&traceparent=" + trace + "&tracestate=k%3Dv",
		"traceparent":    trace,
		"tracestate":     "k=v",
	}
	if !maps.Equal(m.Metadata, want) {
		t.Errorf("metadata %v\nwant     %v", m.Metadata, want)
	}
	if bare := published(t, broker.Envelope{}); len(bare.Metadata) != 2 {
		t.Errorf("metadata of an envelope without a header: %v", bare.Metadata)
	}
}

// FuzzEnvelope: whatever is in an envelope comes out of the engine, and metadata
// are of printable ASCII only.
func FuzzEnvelope(f *testing.F) {
	f.Add("id", "node", "/topic/a", "name", "value", []byte("payload"))
	f.Add("", "", "", "", "", []byte(nil))
	f.Add("1", "a&b=c", "/topic/é 水", "hr-x", "a:b\r\n\x00%zz+", []byte{0, 255})
	f.Fuzz(func(t *testing.T, id, origin, destination, name, value string, payload []byte) {
		want := broker.Envelope{
			ID: id, Origin: origin, Destination: destination, Payload: payload,
			Header: message.NewHeader(message.Field{Name: name, Value: value}, message.Field{Name: value, Value: name}, message.Field{Name: name}),
		}
		synctest.Test(t, func(t *testing.T) {
			m := published(t, want)
			for key, text := range m.Metadata {
				if key == "traceparent" || key == "tracestate" {
					continue
				}
				for i := range len(text) {
					if text[i] <= ' ' || text[i] > '~' {
						t.Errorf("%s is %q", key, text)
					}
				}
			}
			sub := fakeSubscriber{out: make(chan *wmessage.Message, 1)}
			var got broker.Envelope
			subscribe(t, overSubscriber(t, sub, watermilladapter.BackplaneConfig{}), "", func(_ context.Context, e broker.Envelope) error { got = e; return nil })
			sub.out <- m
			synctest.Wait()
			if got.ID != want.ID || got.Origin != want.Origin || got.Destination != want.Destination ||
				!slices.Equal(fields(got.Header), fields(want.Header)) || !bytes.Equal(got.Payload, want.Payload) {
				t.Errorf("%+v came, want %+v", got, want)
			}
		})
	})
}

func fields(h message.Header) (list []message.Field) {
	for name, value := range h.All() {
		list = append(list, message.Field{Name: name, Value: value})
	}
	return list
}
