package frame_test

import (
	"testing"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/frame"
)

// TestLenient has a case for each line of the list in the package
// documentation: what is refused, or kept, and what a lenient decoder makes of it.
func TestLenient(t *testing.T) {
	const v00, v10, v11, v12 = frame.Version(0), frame.V10, frame.V11, frame.V12
	for _, c := range []struct {
		name            string
		version         frame.Version
		wire            string
		strict, lenient string // of text, or the error's message after "!"
	}{
		{"undefined escape", v12, "SEND\na:C\\temp\\new\n\n\x00", "!a header has an undefined escape", `SEND "a"="C\\temp\new"`},
		{"undefined escape in a name", v11, "SEND\na\\t:\\r\n\n\x00", "!a header has an undefined escape", `SEND "a\\t"="\\r"`},
		{"lone backslash", v12, "SEND\na:\\c\\\n\n\x00", "!a header has an undefined escape", `SEND "a"=":\\"`},
		{"lone backslash before CR LF", v11, "SEND\na:b\\\r\n\n\x00", "!a header has an undefined escape", `SEND "a"="b\\"`},
		{"escapes in 1.0", v10, "SEND\na:\\n\n\n\x00", `SEND "a"="\\n"`, `SEND "a"="\\n"`},
		{"blank after the colon", v10, "SEND\na: b\n\n\x00", `SEND "a"=" b"`, `SEND "a"="b"`},
		{"blanks and tabs around", v12, "SEND\n\ta \t: b c\t\n\n\x00", `SEND "\ta \t"=" b c\t"`, `SEND "a"="b c"`},
		{"name of blanks", v12, "SEND\n :b\n\n\x00", `SEND " "="b"`, "!a header has no name"},
		{"blanks around content-length", v11, "SEND\ncontent-length : 1 \n\n\x00\x00", "!NUL before the empty line that ends the headers", `SEND "content-length"="1" body "\x00"`},
		{"blank in content-length", v11, "SEND\ncontent-length:1 1\n\n\x00\x00", "!content-length is not a number of octets", "!content-length is not a number of octets"},
		{"CR LF in 1.1", v11, "\r\nSEND\r\na:1\r\n\r\n\x00\r\n", "!unknown command", `SEND "a"="1"`},
		{"CR LF in 1.0", v10, "SEND\na:1\r\n\n\x00", `SEND "a"="1\r"`, `SEND "a"="1"`},
		{"CR within a header of 1.1", v11, "SEND\na:1\r2\n\n\x00", `SEND "a"="1\r2"`, `SEND "a"="1\r2"`},
		{"CR within a header of 1.2", v12, "SEND\na:1\r2\n\n\x00", "!a header has a CR that does not end its line", "!a header has a CR that does not end its line"},
		{"body where none belongs", v12, "SUBSCRIBE\n\nx\x00SEND\n\ny\x00", "!SUBSCRIBE frames have no body", `SUBSCRIBE | SEND body "y"`},
		{"line end before the NUL of CONNECT", v00, "CONNECT\n\n\n\x00", "!CONNECT frames have no body", "CONNECT"},
		{"body with a length where none belongs", v12, "ACK\ncontent-length:2\n\n\x00\x00\x00", "!ACK frames have no body", `ACK "content-length"="2"`},
		{"NUL between frames", v12, "SEND\n\n\x00\x00\n\x00SEND\n\n\x00", "!NUL before the empty line that ends the headers", "SEND | SEND"},
		{"NUL within a head", v12, "SEND\n\x00\n", "!NUL before the empty line that ends the headers", "!NUL before the empty line that ends the headers"},
		{"byte order mark", v00, "\uFEFFCONNECT\n\n\x00", "!unknown command", "CONNECT"},
		{"byte order mark of a header", v12, "SEND\n\uFEFFa:1\n\n\x00", "SEND \"\\ufeffa\"=\"1\"", "SEND \"\\ufeffa\"=\"1\""},
		{"command in lower case", v12, "send\n\n\x00", "!unknown command", "!unknown command"},
		{"two different lengths", v12, "SEND\ncontent-length:1\ncontent-length: 2\n\n", "!content-length is not a number of octets", "!two different content-length headers"},
		{"length that ends nowhere", v12, "SEND\ncontent-length:1\n\nab\x00", "!no NUL after the 1 octets of content-length", "!no NUL after the 1 octets of content-length"},
		{"not UTF-8", v12, "SEND\na:\xff\n\n\x00", "!a header is not UTF-8", "!a header is not UTF-8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for lenient, want := range map[bool]string{false: c.strict, true: c.lenient} {
				for _, size := range []int{1, len(c.wire)} {
					d := frame.NewDecoder(frame.Limits{})
					d.SetVersion(c.version)
					d.SetLenient(lenient)
					frames, err := decodeAll(d, chunks(c.wire, size)...)
					got := text(frames...)
					if err != nil {
						got = "!" + message.Public(err).Message
					}
					if got != want {
						t.Errorf("lenient %t, split by %d:\n got %s\nwant %s", lenient, size, got, want)
					}
				}
			}
		})
	}
}
