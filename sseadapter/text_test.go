package sseadapter_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/headrace/headrace/sseadapter"
)

// What not every protocol can pass on is refused, not lost.
func TestTextThatNobodyCanPassOn(t *testing.T) {
	s, h := open(t, sseadapter.Config{})
	l, greeting := start(t, s, h)
	for _, bad := range []string{"\x00", "\xff"} {
		wanted := map[string]int{"\x00": http.StatusAccepted, "\xff": http.StatusBadRequest}[bad]
		for _, query := range []url.Values{
			{"destination": {"/topic/a" + bad}},
			{"destination": {"/topic/a"}, "header": {"name:" + bad}},
			{"destination": {"/topic/a"}, "header": {bad + ":value"}},
			{"destination": {"/topic/a"}, "subscribe": {bad}},
		} {
			query.Set("session", greeting.Token)
			query.Set("receipt", "")
			if status, err := s.post(s.http.Client(), query, "", "x"); status != wanted {
				t.Fatal(status, err)
			}
			if wanted != http.StatusAccepted {
				continue
			}
			if e := mustNext(t, l, "failure"); e.Code != "invalid" || e.Receipt != "" {
				t.Errorf("%q: %+v", query, e)
			}
		}
	}
	h.publish("and on")
	mustRead(t, l, "and on")
}
