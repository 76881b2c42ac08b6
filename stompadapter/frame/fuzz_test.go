package frame_test

import (
	"strings"
	"testing"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/frame"
)

var wireSeeds = []string{
	"CONNECT\r\naccept-version:1.0,1.1,1.2\r\nhost:h\r\nheart-beat:10000,10000\r\n\r\n\x00\r\n",
	"SEND\ndestination:/a\nreceipt:1\n\nbody\x00\n\nSEND\ncontent-length:3\n\n\x00\n\x00\x00",
	"SEND\na\\c:\\n\\r\\\\\na:2\n\n\x00", "SEND\na:\\t\n\n\x00", "SEND\na:\r\n\n\x00", "ACK\nid:1\n\nx\x00", "SEND\ncontent-length:-1\n\n\x00",
	"\uFEFFSEND\r\n a : \\t \r\n\r\n\x00\x00", "ACK\nid:1\ncontent-length: 1 \n\n\n\x00",
	"SEND\ncontent-length:1\ncontent-length:2\n\n\x00", "SEND\na:\xff\n\n\x00", "\r\n\r\nBEGIN\ntransaction:t\n\n\x00", "MESSAGE\n\n\x00\x00", "send\n\n\x00",
}

// toVersion makes of one octet a version and whether the decoder is lenient.
func toVersion(b byte) (v frame.Version, lenient bool) { return frame.Version(b % 4), b&4 != 0 }

// FuzzDecode: no panic, the limits hold, and what was decoded and can be
// written again decodes to the same frame.
func FuzzDecode(f *testing.F) {
	for i, s := range wireSeeds {
		f.Add([]byte(s), byte(i))
	}
	limits := frame.Limits{Frame: 200, LoginFrame: 150, Headers: 5, HeaderLine: 50, Head: 100}
	f.Fuzz(func(t *testing.T, wire []byte, version byte) {
		v, lenient := toVersion(version)
		d := frame.NewDecoder(limits)
		d.SetVersion(v)
		d.SetLenient(lenient)
		frames, _ := decodeAll(d, string(wire))
		for _, got := range frames {
			size := len(got.Command) + len(got.Body)
			for name, value := range got.Header.All() {
				size += len(name) + len(value) // escapes make the wire longer, never shorter
			}
			if size > 200 || got.Header.Len() > 5 {
				t.Fatalf("%d octets, %d headers", size, got.Header.Len())
			}
			octets, err := frame.Append(nil, v, got)
			if err != nil {
				// What is read and not written: CR in headers that have no escapes.
				if v == frame.V10 || v == frame.V11 {
					continue
				}
				t.Fatalf("%s: %v", text(got), err)
			}
			again, err := decodeAll(decoder(v), string(octets))
			if err != nil || len(again) != 1 || text(plain(again[0])) != text(plain(got)) {
				t.Fatalf("%q: %v\n got %s\nwant %s", octets, err, text(again...), text(got))
			}
		}
	})
}

// plain returns f without content-length, which Append writes its own of.
func plain(f frame.Frame) frame.Frame {
	f.Header = f.Header.Without(frame.HeaderContentLength)
	return f
}

// FuzzSplit: two splits of the same octets give the same frames and the same
// error.
func FuzzSplit(f *testing.F) {
	for i, s := range wireSeeds {
		f.Add([]byte(s), byte(i), uint(i), uint(3*i))
	}
	f.Fuzz(func(t *testing.T, wire []byte, version byte, i, j uint) {
		s := string(wire)
		v, lenient := toVersion(version)
		n := uint(len(s) + 1)
		i, j = min(i%n, j%n), max(i%n, j%n)
		for _, l := range []frame.Limits{{}, small} {
			whole := outcome(v, l, lenient, s)
			if got := outcome(v, l, lenient, s[:i], s[i:j], s[j:]); got != whole {
				t.Errorf("in three:\n got %s\nwant %s", got, whole)
			}
			if got := outcome(v, l, lenient, chunks(s, 1)...); got != whole {
				t.Errorf("in octets:\n got %s\nwant %s", got, whole)
			}
		}
	})
}

// FuzzAppend: what Append writes is one frame, which decodes to what it was
// given; anything else it refuses, and leaves what it appends to alone.
func FuzzAppend(f *testing.F) {
	for i, c := range []string{"SEND", "MESSAGE", "ERROR", "CONNECT", "CONNECTED", "SUBSCRIBE", "RECEIPT", "send", "", "SEND\na:1"} {
		f.Add(c, "a", "1", "b:\r\n\\", "2", []byte{0, byte(i)}, byte(i))
		f.Add(c, "destination", "/a", "destination", "forged", []byte(nil), byte(i+1))
	}
	f.Add("SEND", "content-length", "9", "a", "\x00", []byte("body"), byte(3))
	f.Fuzz(func(t *testing.T, command, name1, value1, name2, value2 string, body []byte, version byte) {
		v, _ := toVersion(version)
		given := frame.Frame{Command: frame.Command(command), Header: header(name2, value2), Body: body}
		wire, err := frame.Append([]byte("before"), v, given, message.Field{Name: name1, Value: value1})
		if rest, ok := strings.CutPrefix(string(wire), "before"); !ok || err != nil && rest != "" {
			t.Fatalf("%q, %v", wire, err)
		} else if err != nil || len(rest) > 4000 {
			return
		}
		want := frame.Frame{Command: given.Command, Header: header(name1, value1, name2, value2)}
		if name1 == name2 {
			want.Header = header(name1, value1)
		}
		if len(body) > 0 {
			want.Body = body
		}
		frames, err := decodeAll(decoder(v), string(wire[len("before"):]))
		if err != nil || len(frames) != 1 || text(plain(frames[0])) != text(plain(want)) {
			t.Fatalf("%q: %v\n got %s\nwant %s", wire, err, text(frames...), text(want))
		}
	})
}

// FuzzEscape: whatever is in a header comes back as it was, in one frame, or is
// refused.
func FuzzEscape(f *testing.F) {
	for i, s := range []string{"", "a:b", "\n\r:\\", `\n\c\t\`, "π", "\xff", "a\x00b", "a\nadmin:true", "\r"} {
		f.Add("name", s, byte(i))
		f.Add(s, "value", byte(i+1))
	}
	f.Fuzz(func(t *testing.T, name, value string, version byte) {
		v, _ := toVersion(version)
		for _, c := range []frame.Command{frame.Send, frame.Connect, frame.Connected} {
			wire, err := frame.Append(nil, v, frame.Frame{Command: c, Header: message.NewHeader(message.Field{Name: name, Value: value})})
			if err != nil || len(wire) > 4000 || name == frame.HeaderContentLength {
				continue
			}
			frames, err := decodeAll(decoder(v), string(wire))
			if err != nil || len(frames) != 1 || frames[0].Header.Len() != 1 || len(frames[0].Body) > 0 {
				t.Fatalf("%q: %s, %v", wire, text(frames...), err)
			}
			if got, ok := frames[0].Header.Lookup(name); !ok || got != value {
				t.Fatalf("%q: %s", wire, text(frames...))
			}
		}
	})
}

// FuzzHeartBeat: what parses is bounded and is written as it was.
func FuzzHeartBeat(f *testing.F) {
	for _, s := range []string{"0,0", "10000,20000", "2147483647,1", "2147483648,1", "-1,0", "", ",", "1,2,3", "00,01"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		h, err := frame.ParseHeartBeat(s)
		if err != nil {
			return
		}
		if h.Send < 0 || h.Receive < 0 || h.Send >= 1<<31*ms || h.Receive >= 1<<31*ms {
			t.Fatalf("%q: %v", s, h)
		}
		if again, err := frame.ParseHeartBeat(h.String()); err != nil || again != h {
			t.Fatalf("%q: %v, %v", s, again, err)
		}
	})
}
