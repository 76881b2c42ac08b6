package frame_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/frame"
)

// decodeAll feeds d the pieces one after the other and returns the frames up to
// the first error.
func decodeAll(d *frame.Decoder, pieces ...string) (frames []frame.Frame, err error) {
	for _, piece := range pieces {
		p := []byte(piece)
		for {
			f, rest, ok, err := d.Decode(p)
			if err != nil {
				return frames, err
			}
			if !ok {
				break
			}
			frames, p = append(frames, f), rest
		}
	}
	return frames, nil
}

// text renders frames in a form that shows every octet.
func text(frames ...frame.Frame) string {
	var b strings.Builder
	for i, f := range frames {
		if i > 0 {
			b.WriteString(" | ")
		}
		b.WriteString(string(f.Command))
		for name, value := range f.Header.All() {
			fmt.Fprintf(&b, " %q=%q", name, value)
		}
		if f.Body != nil {
			fmt.Fprintf(&b, " body %q", f.Body)
		}
	}
	return b.String()
}

// TestDecode has a case for every requirement of the specification; its name
// begins with the section's row in the requirements list.
func TestDecode(t *testing.T) {
	const v00, v10, v11, v12 = frame.Version(0), frame.V10, frame.V11, frame.V12
	for _, c := range []struct {
		name    string
		version frame.Version
		wire    string
		want    string // of text, or the error's message after "!"
	}{
		{"A1 LF", v12, "SEND\na:1\n\nhi\x00", `SEND "a"="1" body "hi"`},
		{"A1 CR LF", v12, "SEND\r\na:1\r\n\r\nhi\x00", `SEND "a"="1" body "hi"`},
		{"A1 CR LF before the version is known", v00, "CONNECT\r\nhost:h\r\n\r\n\x00", `CONNECT "host"="h"`},
		{"A1 CR of the body stays", v12, "SEND\n\n\r\n\r\n\x00", `SEND body "\r\n\r\n"`},
		{"A1 CR alone ends no line", v12, "SEND\na:1\rb:2\n\n\x00", "!a header has a CR that does not end its line"},
		{"A1 two CR", v12, "SEND\na:1\r\r\n\n\x00", "!a header has a CR that does not end its line"},
		{"A1 no empty line", v12, "SEND\na:1\n\x00", "!NUL before the empty line that ends the headers"},
		{"A1 nothing but a command", v12, "SEND\x00", "!NUL before the empty line that ends the headers"},
		{"A1 frame without an end", v12, "SEND\n\nhi", ``},
		{"A2 CR is kept in 1.1", v11, "SEND\na:1\r\n\n\x00", `SEND "a"="1\r"`},
		{"A2 CR is kept in 1.0", v10, "SEND\na:\r1\r\n\n\x00", `SEND "a"="\r1\r"`},
		{"A2 CR belongs to the command in 1.1", v11, "SEND\r\n\n\x00", "!unknown command"},
		{"A2 CR LF is no empty line in 1.1", v11, "SEND\na:1\n\r\n\x00", "!a header has no colon"},
		{"A2 CR LF is no heart-beat in 1.1", v11, "\r\nSEND\n\n\x00", "!unknown command"},
		{"A3 LF around frames", v12, "\n\nSEND\n\n\x00\n\n\nSEND\n\n\x00\n", `SEND | SEND`},
		{"A3 CR LF around frames", v12, "\r\nSEND\n\n\x00\r\n\n\r\nSEND\n\n\x00\r\n", `SEND | SEND`},
		{"A3 no EOL between frames", v12, "SEND\n\n\x00SEND\n\n\x00", `SEND | SEND`},
		{"A3 NUL is no EOL", v12, "SEND\n\n\x00\x00", "!NUL before the empty line that ends the headers"},
		{"A4 command in lower case", v12, "send\n\n\x00", "!unknown command"},
		{"A4 names keep their case", v12, "SEND\nContent-Length:x\n\nhi\x00", `SEND "Content-Length"="x" body "hi"`},
		{"A5 UTF-8", v12, "SEND\nπ:日本\n\n\x00", `SEND "π"="日本"`},
		{"A5 not UTF-8 in 1.2", v12, "SEND\na:\xff\n\n\x00", "!a header is not UTF-8"},
		{"A5 not UTF-8 in 1.1", v11, "SEND\n\xc3:a\n\n\x00", "!a header is not UTF-8"},
		{"A5 not UTF-8 before the version is known", v00, "CONNECT\nlogin:\xe9\n\n\x00", "!a header is not UTF-8"},
		{"A5 1.0 names no encoding", v10, "SEND\na:\xff\n\n\x00", `SEND "a"="\xff"`},
		{"A6 value", v12, `SEND` + "\n" + `a:\r\n\c\\` + "\n\n\x00", `SEND "a"="\r\n:\\"`},
		{"A6 name", v12, `SEND` + "\n" + `\r\n\c\\:1` + "\n\n\x00", `SEND "\r\n:\\"="1"`},
		{"A6 each backslash once", v12, `SEND` + "\n" + `a:\\n\\\n` + "\n\n\x00", `SEND "a"="\\n\\\n"`},
		{"A7 value", v11, `SEND` + "\n" + `a:\n\c\\` + "\n\n\x00", `SEND "a"="\n:\\"`},
		{"A8 \\t", v12, `SEND` + "\n" + `a:\t` + "\n\n\x00", "!a header has an undefined escape"},
		{"A8 lone backslash", v12, `SEND` + "\n" + `a:b\` + "\n\n\x00", "!a header has an undefined escape"},
		{"A8 lone backslash before CR LF", v12, `SEND` + "\n" + `a:b\` + "\r\n\n\x00", "!a header has an undefined escape"},
		{"A8 lone backslash at the end of a name", v12, `SEND` + "\n" + `a\:b` + "\n\n\x00", "!a header has an undefined escape"},
		{"A8 upper case", v12, `SEND` + "\n" + `a:\N` + "\n\n\x00", "!a header has an undefined escape"},
		{"A8 \\r in 1.1", v11, `SEND` + "\n" + `a:\r` + "\n\n\x00", "!a header has an undefined escape"},
		{"A10 CONNECT", v00, `CONNECT` + "\n" + `passcode:a\c:\t\` + "\n\n\x00", `CONNECT "passcode"="a\\c:\\t\\"`},
		{"A10 STOMP", v00, `STOMP` + "\n" + `passcode:a\c` + "\n\n\x00", `STOMP "passcode"="a\\c"`},
		{"A10 CONNECTED", v12, `CONNECTED` + "\n" + `server:a\c` + "\n\n\x00", `CONNECTED "server"="a\\c"`},
		{"A11 no escapes in 1.0", v10, `SEND` + "\n" + `a\t:\n\` + "\n\n\x00", `SEND "a\\t"="\\n\\"`},
		{"A12 blanks stay in 1.2", v12, "SEND\n a : b \n\n\x00", `SEND " a "=" b "`},
		{"A13 blanks stay in 1.0", v10, "SEND\na: b\n\n\x00", `SEND "a"=" b"`},
		{"A14 empty value", v12, "SEND\na:\n\n\x00", `SEND "a"=""`},
		{"A14 empty name", v12, "SEND\n:a\n\n\x00", "!a header has no name"},
		{"A14 no colon", v12, "SEND\na\n\n\x00", "!a header has no colon"},
		{"A14 the first colon ends the name", v12, "SEND\na:b:c\n\n\x00", `SEND "a"="b:c"`},
		{"A14 NUL in a header", v12, "SEND\na:b\x00c\n\n\x00", "!NUL before the empty line that ends the headers"},
		{"A15 SEND, MESSAGE, ERROR", v12, "SEND\n\na\x00MESSAGE\n\nb\x00ERROR\n\nc\x00", `SEND body "a" | MESSAGE body "b" | ERROR body "c"`},
		{"A15 SUBSCRIBE in 1.2", v12, "SUBSCRIBE\n\na\x00", "!SUBSCRIBE frames have no body"},
		{"A15 SUBSCRIBE in 1.1 with content-length", v11, "SUBSCRIBE\ncontent-length:1\n\na\x00", "!SUBSCRIBE frames have no body"},
		{"A15 CONNECT", v00, "CONNECT\n\na\x00", "!CONNECT frames have no body"},
		{"A15 content-length of nothing", v12, "BEGIN\ncontent-length:0\n\n\x00", `BEGIN "content-length"="0"`},
		{"A16 SUBSCRIBE in 1.0", v10, "SUBSCRIBE\na:1\n\nbody\x00SEND\n\n\x00", `SUBSCRIBE "a"="1" | SEND`},
		{"A16 SUBSCRIBE in 1.0 with content-length", v10, "SUBSCRIBE\ncontent-length:2\n\n\x00\x00\x00SEND\n\n\x00", `SUBSCRIBE "content-length"="2" | SEND`},
		{"A17 client commands", v12, "CONNECT\n\n\x00STOMP\n\n\x00SEND\n\n\x00SUBSCRIBE\n\n\x00UNSUBSCRIBE\n\n\x00ACK\n\n\x00NACK\n\n\x00BEGIN\n\n\x00COMMIT\n\n\x00ABORT\n\n\x00DISCONNECT\n\n\x00",
			`CONNECT | STOMP | SEND | SUBSCRIBE | UNSUBSCRIBE | ACK | NACK | BEGIN | COMMIT | ABORT | DISCONNECT`},
		{"A17 server commands", v12, "CONNECTED\n\n\x00MESSAGE\n\n\x00RECEIPT\n\n\x00ERROR\n\n\x00", `CONNECTED | MESSAGE | RECEIPT | ERROR`},
		{"A17 unknown command", v12, "SENT\n\n\x00", `!unknown command "SENT"`},
		{"A17 what is no word is not quoted", v12, "GET /index.html HTTP/1.1\r\n", "!unknown command"},
		{"A17 what only begins with a word is not quoted", v12, "PASS1\n\n\x00", "!unknown command"},
		{"A17 the longest word", v12, strings.Repeat("A", 16) + "\n\n\x00", `!unknown command "AAAAAAAAAAAAAAAA"`},
		{"A17 unknown command without end", v12, strings.Repeat("A", 17), "!unknown command"},
		{"A17 headers but no command", v12, "\na:1\n\n\x00", "!unknown command"},
		{"B1 content-length anywhere", v12, "RECEIPT\nreceipt-id:1\ncontent-length:0\n\n\x00", `RECEIPT "receipt-id"="1" "content-length"="0"`},
		{"B2 NULs in the body", v12, "SEND\ncontent-length:5\n\n\x00a\x00\n\x00\x00", `SEND "content-length"="5" body "\x00a\x00\n\x00"`},
		{"B2 octets, not characters", v12, "SEND\ncontent-length:3\n\n日\x00", `SEND "content-length"="3" body "日"`},
		{"B2 in 1.0", v10, "SEND\ncontent-length:1\n\n\x00\x00", `SEND "content-length"="1" body "\x00"`},
		{"B3 body is longer", v12, "SEND\ncontent-length:1\n\nab\x00", "!no NUL after the 1 octets of content-length"},
		{"B3 body is shorter", v12, "SEND\ncontent-length:3\n\na\x00SEND\n\n\x00", "!no NUL after the 3 octets of content-length"},
		{"B4 the first NUL", v12, "SEND\n\na\x00\n", `SEND body "a"`},
		{"B7 empty", v12, "SEND\ncontent-length:\n\n\x00", "!content-length is not a number of octets"},
		{"B7 equal twice", v12, "SEND\ncontent-length:1\ncontent-length:01\n\na\x00", `SEND "content-length"="1" "content-length"="01" body "a"`},
		{"B7 different twice", v12, "SEND\ncontent-length:1\ncontent-length:2\n\na\x00", "!two different content-length headers"},
		{"B15 repeated headers in order", v12, "SEND\na:1\nb:2\na:3\n\n\x00", `SEND "a"="1" "b"="2" "a"="3"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			octets := make([]string, 0, len(c.wire))
			for i := range len(c.wire) {
				octets = append(octets, c.wire[i:i+1])
			}
			for split, pieces := range map[string][]string{"whole": {c.wire}, "octets": octets} {
				d := frame.NewDecoder(frame.Limits{})
				d.SetVersion(c.version)
				frames, err := decodeAll(d, pieces...)
				got := text(frames...)
				if err != nil {
					got = "!" + message.Public(err).Message
				}
				if got != c.want {
					t.Errorf("%s:\n got %s\nwant %s", split, got, c.want)
				}
			}
		})
	}
}

func TestDecodeFirstRepeatedHeaderWins(t *testing.T) {
	frames, err := decodeAll(decoder(frame.V12), "SEND\na:1\na:2\n\n\x00")
	if err != nil || frames[0].Header.Get("a") != "1" {
		t.Fatalf("got %v, %v", frames, err)
	}
}

// The error holds what an ERROR frame needs to name the frame at fault.
func TestDecodeErrorHoldsWhatWasRead(t *testing.T) {
	for name, wire := range map[string]string{
		"in a header":   "SEND\nreceipt:r\\c1\nbad\n\n\x00",
		"in the body":   "SEND\nreceipt:r\\c1\ncontent-length:1\n\nab\x00",
		"at its start":  "ACK\nreceipt:r\\c1\n\nbody\x00",
		"over a limit":  "SEND\nreceipt:r\\c1\ncontent-length:999999\n\n",
		"split in two":  "SEND\nreceipt:r\\c1\nba|d\n\n\x00",
		"in the middle": "SEND\nrece|ipt:r\\c1\ncontent-length:1\n\na|b\x00",
	} {
		t.Run(name, func(t *testing.T) {
			d := decoder(frame.V12)
			_, err := decodeAll(d, strings.Split(wire, "|")...)
			e, ok := errors.AsType[*frame.DecodeError](err)
			if !ok {
				t.Fatalf("got %v", err)
			}
			if e.Frame.Command == "" || e.Frame.Body != nil || e.Frame.Header.Get("receipt") != "r:1" {
				t.Errorf("got %s", text(e.Frame))
			}
			if _, again := decodeAll(d, "SEND\n\n\x00"); again != err {
				t.Errorf("after the error: %v", again)
			}
		})
	}
}

// What was decoded stays as it was when the caller's slice is used again, and
// when a holder writes into a body.
func TestDecodedFramesOwnTheirMemory(t *testing.T) {
	const wire = "SEND\na:b\\n\nc:d\n\nbody\x00SEND\na:b\\n\nc:d\ncontent-length:4\n\nbody\x00SUBSCRIBE\nid:1\n\n\x00"
	want, err := decodeAll(decoder(frame.V12), wire)
	if err != nil {
		t.Fatal(err)
	}
	for size := 1; size <= len(wire); size++ {
		d, buf, got := decoder(frame.V12), make([]byte, size), []frame.Frame(nil)
		for piece := range slices.Chunk([]byte(wire), size) {
			p := buf[:copy(buf, piece)]
			for {
				f, rest, ok, err := d.Decode(p)
				if err != nil {
					t.Fatal(err)
				}
				if !ok {
					break
				}
				got, p = append(got, f), rest
			}
			clear(buf)
		}
		if text(got...) != text(want...) {
			t.Fatalf("size %d: got %s", size, text(got...))
		}
	}
	_ = append(want[0].Body[:0], "XXXX"...)
	_ = append(want[0].Body, "YYYY"...)
	if string(want[1].Body) != "body" {
		t.Errorf("bodies share memory: %q", want[1].Body)
	}
}

func TestSetVersionBetweenFrames(t *testing.T) {
	d := frame.NewDecoder(frame.Limits{})
	p := []byte("CONNECT\r\na:\\c\r\n\r\n\x00\nSEND\na:1\\c\r\n\n\x00")
	connect, p, ok, err := d.Decode(p)
	if !ok || err != nil || connect.Header.Get("a") != `\c` {
		t.Fatalf("got %s, %v, %v", text(connect), ok, err)
	}
	d.SetVersion(frame.V11)
	send, _, ok, err := d.Decode(p)
	if !ok || err != nil || send.Header.Get("a") != "1:\r" {
		t.Fatalf("got %s, %v, %v", text(send), ok, err)
	}
}
