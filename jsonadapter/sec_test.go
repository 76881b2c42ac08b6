package jsonadapter_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/headrace/headrace/jsonadapter"
	"github.com/headrace/headrace/message"
)

// kinds returns what inbound saw, such as "connect data disconnect".
func (in *inbound) kinds() string {
	var kinds []string
	for _, m := range in.messages() {
		kinds = append(kinds, m.Kind.String())
	}
	return strings.Join(kinds, " ")
}

// A client that asks to be connected ten thousand times is connected once.
func TestSec_S05_RepeatedConnect(t *testing.T) {
	in := new(inbound)
	s := serve(in, jsonadapter.Config{})
	c := s.connect(t)
	const batches, each = 100, 100
	go func() {
		for range batches {
			c.ws.WriteMessage(1, []byte(strings.Repeat(`{"type":"connect"}`, each)))
		}
	}()
	for range batches * each {
		c.want(`{"type":"error","code":"conflict","message":"the session has begun already"}`)
	}
	if n := s.Stats().Sessions; n != 1 {
		t.Errorf("%d sessions", n)
	}
	s.Close()
	if got := in.kinds(); got != "connect disconnect" {
		t.Errorf("inbound saw %q", got)
	}
}

// Nothing that comes before, behind or while a login that is refused is handled
// goes anywhere.
func TestSec_S06_NothingWithoutConnect(t *testing.T) {
	const forged = `{"type":"send","destination":"/app/transfer"}{"type":"subscribe","id":"1","destination":"/topic/a"}`
	refused := message.Errorf(message.CodeUnauthenticated, "who are you?")
	for name, tt := range map[string]struct {
		sent, seen string
		later      bool
	}{
		"first":                 {sent: forged},
		"behind a refused one":  {sent: `{"type":"connect"}` + forged, seen: "connect disconnect"},
		"while one is examined": {sent: `{"type":"connect"}` + forged, seen: "connect disconnect", later: true},
	} {
		t.Run(name, func(t *testing.T) {
			in, examined := new(inbound), make(chan message.Raw, 1)
			s := serve(message.HandlerFunc[[]byte](func(_ context.Context, m message.Raw) error {
				in.mu.Lock()
				in.seen = append(in.seen, m)
				in.mu.Unlock()
				if tt.later && m.Kind == message.KindConnect {
					m.Done.Hold()
					examined <- m
					return nil
				}
				return refused
			}), jsonadapter.Config{})
			c := s.dial(t)
			c.write(tt.sent)
			if tt.later {
				m := <-examined
				c.write(forged) // in a message of its own
				m.Done.Release(refused)
			}
			if got := c.read(); !strings.HasPrefix(got, `{"type":"error"`) {
				t.Errorf("got %s", got)
			}
			c.want("")
			s.Close()
			if got := in.kinds(); got != tt.seen {
				t.Errorf("inbound saw %q, want %q", got, tt.seen)
			}
		})
	}
}

// What a client says of itself comes back in no error, and is not logged.
func TestSec_S12_SecretsStayIn(t *testing.T) {
	const secrets = `"header":{"authorization":"canary","cookie":"canary","login":"canary","passcode":"canary","token":"canary"}`
	in := &inbound{on: func(_ context.Context, m message.Raw) error {
		if m.Kind == message.KindData {
			panic("lost")
		}
		return nil
	}}
	s := serve(in, jsonadapter.Config{})
	told := ""
	for _, sent := range []string{
		`{` + secrets + `,"type":"send","destination":"/a"}`,
		`{` + secrets + `,"type":"shout"}`,
		`{` + secrets + `,"type":"subscribe"}`,
		`{` + secrets + `,"type":5}`,
		`{"type":"send","destination":"/a","header":{"passcode":123454321}}`,
		`{"type":"send","destination":"/a","header":["canary"]}`,
		`{"type":"send","destination":"/a","payload":"canary","encoding":"gzip"}`,
		`{` + secrets + `} garbage canary`,
		`{` + secrets + `,,}`,
		`canary`,
	} {
		c := s.connect(t)
		c.write(sent + `{"type":"disconnect"}`)
		for got := c.read(); got != ""; got = c.read() {
			told += got
		}
	}
	s.Close()
	if all := told + s.log.String(); strings.Contains(all, "canary") || strings.Contains(all, "123454321") || strings.Count(told, `"type":"error"`) < 10 {
		t.Errorf("clients are told %s, the log is\n%s", told, s.log)
	}
}

// What clients call things is told in a few characters of one line.
func TestSec_S48_LogLinesAreOurs(t *testing.T) {
	s := serve(new(inbound), jsonadapter.Config{})
	c := s.connect(t)
	c.write(`{"type":"\u001b[31m\nlevel=ERROR msg=forged` + strings.Repeat("x", 60_000) + `"}`)
	c.want(`{"type":"error","code":"invalid","message":"there is no type \"\\x1b[31m\\nlevel=ERROR ms\""}`)
	s.Close()
	if log := s.log.String(); strings.Count(log, "\n") != 1 || len(log) > 300 || strings.ContainsRune(log, '\x1b') {
		t.Errorf("log %.1000s", log)
	}
}

// An object's limit counts whatever messages it comes in.
func TestSec_S27_LimitCountsAcrossMessages(t *testing.T) {
	s := serve(new(inbound), jsonadapter.Config{})
	defer s.Close()
	c := s.connect(t)
	c.write(`{"type":"send","payload":"`)
	go func() {
		for range 70 {
			c.ws.WriteMessage(1, []byte(strings.Repeat("x", 1000)))
		}
	}()
	c.want(`{"type":"error","code":"too-large","message":"the object is too large"}`, "")
	if c.code != 1009 {
		t.Errorf("close code %d", c.code)
	}
}

// Names that mean something to a language are names.
func TestSec_S37_HostileNames(t *testing.T) {
	in := new(inbound)
	s := serve(in, jsonadapter.Config{})
	defer s.Close()
	c := s.connect(t)
	for i, name := range []string{"__proto__", "constructor", "toString", "null", "..", "*", "%2F", " "} {
		c.write(fmt.Sprintf(`{"type":"send","destination":%q,"header":{%[1]q:"v"},"receipt":%[1]q}`, name))
		c.want(fmt.Sprintf(`{"type":"receipt","receipt":%q}`, name))
		if m := in.messages()[i+1]; m.Destination != name || m.Header.Get(name) != "v" || m.Header.Len() != 1 {
			t.Errorf("%q: %+v", name, m)
		}
	}
}
