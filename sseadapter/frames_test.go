package sseadapter_test

import (
	"net/url"
	"reflect"
	"testing"
	"time"

	"github.com/headrace/headrace/sseadapter"
)

// Requests are counted by what they ask for and events by their names, once however
// often they are sent again; comments and "retry" are not.
func TestEventsAreCountedByName(t *testing.T) {
	s, h := open(t, sseadapter.Config{})
	l, greeting := start(t, s, h)
	ask := func(query url.Values) {
		query.Set("session", greeting.Token)
		if _, err := s.post(s.http.Client(), query, "text/plain", "x"); err != nil {
			t.Fatal(err)
		}
	}
	ask(url.Values{"destination": {"/topic/a"}, "receipt": {"r"}})
	mustRead(t, l, "x")
	last := l.lastID
	mustNext(t, l, "receipt")
	ask(url.Values{"subscribe": {"1"}, "destination": {"/topic/a"}}) // it has one of this id
	<-h.stored
	mustNext(t, l, "failure")
	if st := s.Stats().Transport; st.Sent["message"] != 1 {
		t.Errorf("sent %v", st.Sent)
	}
	l.close()
	l = mustListen(t, s, subscribed, last)
	mustNext(t, l, "receipt")
	mustNext(t, l, "failure")
	ask(url.Values{"disconnect": {""}})
	select {
	case <-h.left:
	case <-time.After(10 * time.Second):
		t.Fatal("the session goes on")
	}
	s.Adapter.Close() // so that all is counted
	st := s.Stats().Transport
	if want := map[string]uint64{"connect": 1, "subscribe": 2, "send": 1, "disconnect": 1}; !reflect.DeepEqual(st.Received, want) {
		t.Errorf("received %v, want %v", st.Received, want)
	}
	if want := map[string]uint64{"connected": 1, "message": 1, "receipt": 1, "failure": 1}; !reflect.DeepEqual(st.Sent, want) {
		t.Errorf("sent %v, want %v", st.Sent, want)
	}
}
