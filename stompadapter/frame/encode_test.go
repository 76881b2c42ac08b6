package frame_test

import (
	"strings"
	"testing"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/frame"
)

func header(pairs ...string) message.Header {
	var fields []message.Field
	for i := 0; i < len(pairs); i += 2 {
		fields = append(fields, message.Field{Name: pairs[i], Value: pairs[i+1]})
	}
	return message.NewHeader(fields...)
}

// TestAppend pins the octets of frames; case names begin with the row of the
// requirements list.
func TestAppend(t *testing.T) {
	for _, c := range []struct {
		name    string
		version frame.Version
		f       frame.Frame
		first   []message.Field
		want    string
	}{
		{"A1 no headers", frame.V12, frame.Frame{Command: frame.Disconnect}, nil, "DISCONNECT\n\n\x00"},
		{"A1 LF ends the lines", frame.V12, frame.Frame{Command: frame.Ack, Header: header("id", "7")}, nil, "ACK\nid:7\n\n\x00"},
		{"A5 UTF-8", frame.V12, frame.Frame{Command: frame.Ack, Header: header("π", "日本")}, nil, "ACK\nπ:日本\n\n\x00"},
		{"A5 any octets in 1.0", frame.V10, frame.Frame{Command: frame.Ack, Header: header("a", "\xff")}, nil, "ACK\na:\xff\n\n\x00"},
		{"A9 1.2", frame.V12, frame.Frame{Command: frame.Send, Header: header("a:\n", "b\r\n:\\c")}, nil, "SEND\na\\c\\n:b\\r\\n\\c\\\\c\n\n\x00"},
		{"A9 before the version is known", 0, frame.Frame{Command: frame.Error, Header: header("message", "a: b")}, nil, "ERROR\nmessage:a\\c b\n\n\x00"},
		{"A9 1.1, where CR is an ordinary octet", frame.V11, frame.Frame{Command: frame.Send, Header: header("a", "b\r\n:\\")}, nil, "SEND\na:b\r\\n\\c\\\\\n\n\x00"},
		{"A10 CONNECTED", frame.V12, frame.Frame{Command: frame.Connected, Header: header("server", `a:\c`)}, nil, "CONNECTED\nserver:a:\\c\n\n\x00"},
		{"A10 CONNECT", frame.V12, frame.Frame{Command: frame.Connect, Header: header("passcode", `a:\c`)}, nil, "CONNECT\npasscode:a:\\c\n\n\x00"},
		{"A11 1.0", frame.V10, frame.Frame{Command: frame.Send, Header: header("a", `b:\n`)}, nil, "SEND\na:b:\\n\n\n\x00"},
		{"A12 blanks", frame.V12, frame.Frame{Command: frame.Send, Header: header(" a ", " b ")}, nil, "SEND\n a : b \n\n\x00"},
		{"B5 octets", frame.V12, frame.Frame{Command: frame.Send, Body: []byte("日")}, nil, "SEND\ncontent-length:3\n\n日\x00"},
		{"B6 NULs in the body", frame.V12, frame.Frame{Command: frame.Message, Body: []byte("\x00\x00")}, nil, "MESSAGE\ncontent-length:2\n\n\x00\x00\x00"},
		{"B5 content-length of the caller", frame.V12, frame.Frame{Command: frame.Send, Header: header("content-length", "9", "a", "1", "content-length", "8"), Body: []byte("x")}, nil,
			"SEND\na:1\ncontent-length:1\n\nx\x00"},
		{"B5 content-length of the caller without a body", frame.V12, frame.Frame{Command: frame.Send, Header: header("content-length", "9")}, nil, "SEND\n\n\x00"},
		{"B5 content-length of the caller in first", frame.V12, frame.Frame{Command: frame.Send}, []message.Field{{Name: "content-length", Value: "9"}}, "SEND\n\n\x00"},
		{"B15 repeated headers", frame.V12, frame.Frame{Command: frame.Send, Header: header("a", "1", "a", "2")}, nil, "SEND\na:1\na:2\n\n\x00"},
		{"I9 first comes first and alone", frame.V12, frame.Frame{Command: frame.Message, Header: header("a", "1", "subscription", "forged", "message-id", "forged")},
			[]message.Field{{Name: "subscription", Value: "s:0"}, {Name: "message-id", Value: "7"}}, "MESSAGE\nsubscription:s\\c0\nmessage-id:7\na:1\n\n\x00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := frame.Append([]byte("before"), c.version, c.f, c.first...)
			if err != nil || string(got) != "before"+c.want {
				t.Errorf("got %q, %v\nwant %q", got, err, c.want)
			}
		})
	}
}

// What a version cannot express is an error, and nothing is written.
func TestAppendRefuses(t *testing.T) {
	for _, c := range []struct {
		name    string
		version frame.Version
		f       frame.Frame
		want    string
	}{
		{"unknown command", frame.V12, frame.Frame{Command: "HELLO"}, `unknown command "HELLO"`},
		{"command with a header in it", frame.V12, frame.Frame{Command: "SEND\na:1"}, "unknown command"},
		{"no command", frame.V12, frame.Frame{}, "unknown command"},
		{"A15 body of RECEIPT", frame.V12, frame.Frame{Command: frame.Receipt, Body: []byte("x")}, "RECEIPT frames have no body"},
		{"A14 no name", frame.V12, frame.Frame{Command: frame.Send, Header: header("", "x")}, "a header has no name"},
		{"A5 not UTF-8 in 1.2", frame.V12, frame.Frame{Command: frame.Send, Header: header("a", "\xff")}, "a header is not UTF-8"},
		{"A5 not UTF-8 in 1.1", frame.V11, frame.Frame{Command: frame.Send, Header: header("\xff", "a")}, "a header is not UTF-8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := frame.Append([]byte("before"), c.version, c.f)
			if string(got) != "before" || err == nil || message.Public(err).Message != c.want {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

// CONNECT, CONNECTED and 1.0 have no escapes, so that a line end in a login
// would be a header of its own: it is refused.
func TestSec_S19_S46_HeaderInjection(t *testing.T) {
	for _, c := range []struct {
		name    string
		version frame.Version
		command frame.Command
	}{
		{"CONNECT", frame.V12, frame.Connect}, {"STOMP", frame.V12, frame.Stomp}, {"CONNECTED", frame.V11, frame.Connected},
		{"CONNECT before the version is known", 0, frame.Connect}, {"1.0", frame.V10, frame.Message},
	} {
		for _, value := range []string{"a\nadmin:true", "a\radmin:true", "a\r\nadmin:true", "a\x00", "\n", "a\n\nbody"} {
			for _, h := range []message.Header{header("login", value), header(value, "x")} {
				f := frame.Frame{Command: c.command, Header: h}
				if got, err := frame.Append(nil, c.version, f); err == nil || len(got) != 0 {
					t.Errorf("%s: %q", c.name, got)
				}
				first := message.Field{Name: "login", Value: value}
				if got, err := frame.Append(nil, c.version, frame.Frame{Command: c.command}, first); err == nil || len(got) != 0 {
					t.Errorf("%s: %q", c.name, got)
				}
			}
		}
		if got, err := frame.Append(nil, c.version, frame.Frame{Command: c.command, Header: header("a:b", "c")}); err == nil {
			t.Errorf("%s: colon in a name: %q", c.name, got)
		}
	}
	for _, v := range versions[1:] {
		if got, err := frame.Append(nil, v, frame.Frame{Command: frame.Send, Header: header("a", "\x00")}); err == nil {
			t.Errorf("%s: NUL: %q", v, got)
		}
		wire, err := frame.Append(nil, v, frame.Frame{Command: frame.Send, Header: header("a\nb", "c\nadmin:true\n\n")})
		if err != nil || strings.Count(string(wire), "\n") != 3 {
			t.Errorf("%s: %q, %v", v, wire, err)
		}
	}
}
