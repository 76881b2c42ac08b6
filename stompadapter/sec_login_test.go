package stompadapter_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter"
	"github.com/headrace/headrace/transport"
)

// A client that says CONNECT ten thousand times begins one session.
func TestSec_S05_RepeatedConnect(t *testing.T) {
	everywhere(t, func(t *testing.T, dial func(*fortress, http.Header) attacker) {
		in := new(inbound)
		f := fortify(t, in, stompadapter.Config{})
		a := dial(f, nil)
		for range 10 {
			a.Write([]byte(strings.Repeat(connect12, 1000)))
		}
		got := a.rest()
		f.Close()
		if strings.Count(got, "CONNECTED\n") != 1 || strings.Count(got, "ERROR\n") != 1 || !strings.Contains(got, "begun already") {
			t.Errorf("the client got %.500q", got)
		}
		if got := in.kinds(); got != "connect disconnect" {
			t.Errorf("inbound saw %q", got)
		}
		if st := f.Stats(); st.Refused != 1 || st.Sessions != 0 || st.Transport.Total != 1 {
			t.Errorf("%+v", st)
		}
	})
}

// Whoever the handshake says the client is: without a CONNECT that was taken,
// nothing that it sends goes anywhere.
func TestSec_S06_NothingWithoutConnect(t *testing.T) {
	forged := send("/app/transfer", "r") + "SUBSCRIBE\nid:1\ndestination:/topic/a\n\n\x00"
	refused := message.Errorf(message.CodeUnauthenticated, "who are you?")
	for name, tt := range map[string]struct {
		sent, text, seen string
		later            bool
	}{
		"first":                 {sent: forged, text: "the first frame must be CONNECT"},
		"behind a refused one":  {sent: connect12 + forged, text: "who are you?", seen: "connect disconnect"},
		"while one is examined": {sent: connect12 + forged, text: "who are you?", seen: "connect disconnect", later: true},
		"behind a broken one":   {sent: "CONNECT\naccept-version:9\n\n\x00" + forged, text: "only 1.0,1.1,1.2 are"},
	} {
		t.Run(name, func(t *testing.T) {
			everywhere(t, func(t *testing.T, dial func(*fortress, http.Header) attacker) {
				in, examined := new(inbound), make(chan message.Raw, 1)
				in.on = func(_ context.Context, m message.Raw) error {
					if tt.later && m.Kind == message.KindConnect {
						m.Done.Hold()
						examined <- m
						return nil
					}
					return refused
				}
				f := fortify(t, in, stompadapter.Config{Transport: transport.Config{Handshake: transport.Handshake{
					Principal: func(*http.Request) (message.Principal, error) { return message.User("victim"), nil },
				}}})
				a := dial(f, nil)
				a.Write([]byte(tt.sent))
				if tt.later {
					m := <-examined
					a.Write([]byte(send("/app/transfer", "s"))) // in a message of its own
					m.Done.Release(refused)
				}
				got := a.rest()
				f.Close()
				if strings.Count(got, "ERROR\n") != 1 || !strings.Contains(got, tt.text) || strings.Contains(got, "CONNECTED") || strings.Contains(got, "RECEIPT\n") {
					t.Errorf("the client got %q", got)
				}
				if got := in.kinds(); got != tt.seen {
					t.Errorf("inbound saw %q, want %q", got, tt.seen)
				}
			})
		})
	}
}
