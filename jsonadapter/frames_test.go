package jsonadapter_test

import (
	"context"
	"encoding/json"
	"reflect"
	"testing"

	"github.com/headrace/headrace/jsonadapter"
	"github.com/headrace/headrace/message"
)

// Objects are counted by their types; pings, pongs and what is no object are not.
func TestObjectsAreCountedByType(t *testing.T) {
	s := serve(&inbound{on: func(ctx context.Context, m message.Raw) error {
		if m.Kind == message.KindData {
			return m.Session.Deliver(ctx, message.Raw{Destination: "/a", Subscription: "1", Payload: m.Payload})
		}
		return nil
	}}, jsonadapter.Config{})
	defer s.Close()
	c := s.connect(t)
	for _, step := range []struct{ object, answer string }{
		{`{"type":"ping"}`, "pong"},
		{`{"type":"subscribe","id":"1","destination":"/a","receipt":"r"}`, "receipt"},
		{`{"type":"send","destination":"/b","payload":1}`, "message"},
		{`{"type":"send","destination":"/b","payload":2}`, "message"},
		{`{"type":"send"}`, "error"},
		{`{"type":"shout"}`, "error"},
		{`{"type":"disconnect","receipt":"r"}`, "receipt"},
	} {
		c.write(step.object)
		var o struct{ Type string }
		if answer := c.read(); json.Unmarshal([]byte(answer), &o) != nil || o.Type != step.answer {
			t.Fatalf("%s is answered by %s", step.object, answer)
		}
	}
	s.Adapter.Close() // so that all is counted
	st := s.Stats().Transport
	if want := map[string]uint64{"connect": 1, "subscribe": 1, "send": 3, "disconnect": 1}; !reflect.DeepEqual(st.Received, want) {
		t.Errorf("received %v, want %v", st.Received, want)
	}
	if want := map[string]uint64{"connected": 1, "receipt": 2, "message": 2, "error": 2}; !reflect.DeepEqual(st.Sent, want) {
		t.Errorf("sent %v, want %v", st.Sent, want)
	}
}
