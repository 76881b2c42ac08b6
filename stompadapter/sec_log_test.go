package stompadapter_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"unicode"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter"
)

// credentials is how clients tell who they are, with a word that nobody else
// may ever read.
const credentials = "login:canary\npasscode:canary\nauthorization:Bearer canary\ntoken:canary\ncookie:canary\n"

// No way to be refused tells others of it, nor the client what it said itself:
// neither ERROR, nor the close frame, nor the log.
func TestSec_S12_SecretsStayIn(t *testing.T) {
	login := "CONNECT\naccept-version:1.2\n" + credentials + "\n\x00"
	for name, sent := range map[string]string{
		"login refused":             login,
		"unsupported version":       "CONNECT\naccept-version:9\n" + credentials + "\n\x00",
		"broken heart-beat":         "CONNECT\naccept-version:1.2\nheart-beat:x\n" + credentials + "\n\x00",
		"not CONNECT":               "SEND\ndestination:/a\n" + credentials + "\n\x00",
		"too large":                 "CONNECT\n" + credentials + strings.Repeat("x", 9000),
		"line without a colon":      "CONNECT\n" + credentials + "passcode canary\n\n\x00",
		"header for a command":      "passcode:canary\n\n\x00",
		"secret for a command":      "canary\n\n\x00",
		"lines in the wrong order":  credentials + "CONNECT\n\n\x00",
		"twice":                     login + login,
		"bad escape of a passcode":  connect12 + "SEND\ndestination:/a\npasscode:canary\\q\n" + credentials + "\n\x00",
		"bad escape in a name":      connect12 + "SEND\ndestination:/a\npass\\qcode:canary\n" + credentials + "\n\x00",
		"a passcode of 5,000":       connect12 + "SEND\ndestination:/a\npasscode:" + strings.Repeat("canary", 900) + "\n\n\x00",
		"bad length":                connect12 + "SEND\ndestination:/a\n" + credentials + "content-length:x\n\nbody\x00",
		"no destination":            connect12 + "SEND\n" + credentials + "\nbody\x00",
		"refused later":             connect12 + "SEND\ndestination:/deny\n" + credentials + "\n\x00",
		"panics":                    connect12 + "SEND\ndestination:/panic\n" + credentials + "\n\x00",
		"subscription refused":      connect12 + "SUBSCRIBE\nid:1\n" + credentials + "\n\x00",
		"HTTP on the wrong port":    "GET /?token=canary HTTP/1.1\r\nAuthorization: canary\r\n\r\n",
		"acknowledges what is none": connect12 + "ACK\n" + credentials + "\n\x00",
	} {
		t.Run(name, func(t *testing.T) {
			everywhere(t, func(t *testing.T, dial func(*fortress, http.Header) attacker) {
				in := &inbound{on: func(ctx context.Context, m message.Raw) error {
					_, known := m.Header.Lookup("login")
					switch {
					case m.Kind == message.KindConnect && known, m.Destination == "/deny":
						return message.Errorf(message.CodeDenied, "not you")
					case m.Destination == "/panic":
						panic("lost")
					}
					return accept(ctx, m)
				}}
				f := fortify(t, in, stompadapter.Config{})
				a := dial(f, http.Header{"Authorization": {"canary"}, "Cookie": {"session=canary"}})
				a.Write([]byte(sent))
				got := a.rest()
				f.Close()
				if !strings.Contains(got, "ERROR\n") {
					t.Errorf("the client got %q", got)
				}
				if all := got + f.log.String(); strings.Contains(all, "canary") || !strings.Contains(all, "request refused") {
					t.Errorf("the client got %q, the log is\n%s", got, f.log)
				}
			})
		})
	}
}

// What clients call things makes no line of the log, and no color.
func TestSec_S48_LogLinesAreOurs(t *testing.T) {
	const forged = "\x1b[31m\\nlevel=ERROR msg=forged\\r\x7f\u2028\u202e"
	everywhere(t, func(t *testing.T, dial func(*fortress, http.Header) attacker) {
		in := &inbound{on: func(ctx context.Context, m message.Raw) error {
			if m.Kind == message.KindConnect {
				return accept(ctx, m)
			}
			return message.Errorf(message.CodeNotFound, "nothing is at %s", m.Destination) // as careless applications do
		}}
		f := fortify(t, in, stompadapter.Config{})
		for _, sent := range []string{
			connect12 + "SEND\ndestination:/" + forged + "\n\n\x00",
			connect12 + "SEND\nreceipt:" + forged + "\n\n\x00",
			connect12 + "SUBSCRIBE\nid:" + forged + "\ndestination:/" + forged + "\n\n\x00",
			connect12 + forged + "\n\n\x00",
			forged + "\n\n\x00",
		} {
			a := dial(f, nil)
			a.Write([]byte(sent))
			a.rest()
		}
		f.Close()
		for line := range strings.Lines(f.log.String()) {
			line = strings.TrimSuffix(line, "\n")
			if !strings.HasPrefix(line, "time=") || strings.Count(line, " msg=") != 1+strings.Count(line, "msg=forged") || strings.HasPrefix(line, "level=ERROR") {
				t.Errorf("a line that nobody wrote: %q", line)
			}
			if i := strings.IndexFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
				t.Errorf("a character that cannot be seen: %q", line)
			}
		}
	})
}
