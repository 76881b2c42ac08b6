package frame_test

import (
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/frame"
	"pgregory.net/rapid"
)

var versions = []frame.Version{frame.V10, frame.V11, frame.V12}

// outcome is all that a decoder's user sees of a stream.
func outcome(v frame.Version, l frame.Limits, lenient bool, pieces ...string) string {
	d := frame.NewDecoder(l)
	d.SetVersion(v)
	d.SetLenient(lenient)
	frames, err := decodeAll(d, pieces...)
	s := text(frames...)
	if err != nil {
		e := err.(*frame.DecodeError)
		s += " ! " + e.Error() + " in " + text(e.Frame)
	}
	return s
}

// Any split of any octets, frames or not, gives the same frames and the same
// error.
func TestAnySplit(t *testing.T) {
	part := rapid.OneOf(
		rapid.SampledFrom([]string{"SEND", "BEGIN", "MESSAGE", "\n", "\n\n", "\r\n", "\x00", "\x00\n", "a:1\n", "b:\\c\\\\\n", ":", "\\", "\r", "π:日\n",
			"content-length:3\n", "content-length:12\n", "SEND\na:1\n\nbody\x00", "SEND\ncontent-length:3\n\n\x00\n\x00\x00", "ACK\nid:7\n\n\x00", " ", "\t", "\uFEFF", "\\t", pad(15), pad(30)}),
		rapid.StringN(0, 5, -1),
	)
	rapid.Check(t, func(t *rapid.T) {
		wire := strings.Join(rapid.SliceOfN(part, 0, 20).Draw(t, "parts"), "")
		v := rapid.SampledFrom([]frame.Version{0, frame.V10, frame.V11, frame.V12}).Draw(t, "version")
		l := rapid.SampledFrom([]frame.Limits{{}, small}).Draw(t, "limits")
		lenient := rapid.Bool().Draw(t, "lenient")
		want := outcome(v, l, lenient, wire)
		var pieces []string
		for rest := wire; rest != ""; {
			n := rapid.IntRange(1, min(len(rest), 20)).Draw(t, "size")
			pieces, rest = append(pieces, rest[:n]), rest[n:]
		}
		if got := outcome(v, l, lenient, pieces...); got != want {
			t.Fatalf("%q\n got %s\nwant %s", pieces, got, want)
		}
	})
}

// drawFrame draws a frame that version v can express.
func drawFrame(t *rapid.T, v frame.Version) frame.Frame {
	f := frame.Frame{Command: rapid.SampledFrom([]frame.Command{frame.Connect, frame.Connected, frame.Send, frame.Message, frame.Error, frame.Subscribe, frame.Ack}).Draw(t, "command")}
	chars := rapid.RuneFrom([]rune("ab-:\\\r\nπ日 ncr"))
	if v == frame.V10 || f.Command == frame.Connect || f.Command == frame.Connected {
		chars = rapid.RuneFrom([]rune("ab-\\π日 ncr"))
	}
	var fields []message.Field
	for range rapid.IntRange(0, 6).Draw(t, "headers") {
		fields = append(fields, message.Field{
			Name:  rapid.StringOfN(chars, 1, 8, -1).Draw(t, "name"),
			Value: rapid.StringOfN(chars, 0, 20, -1).Draw(t, "value"),
		})
	}
	f.Header = message.NewHeader(fields...)
	if f.Command == frame.Send || f.Command == frame.Message || f.Command == frame.Error {
		if f.Body = rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "body"); len(f.Body) == 0 {
			f.Body = nil
		}
	}
	return f
}

// decode(append(x)) is x and exactly one frame, in every version.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.SampledFrom(versions).Draw(t, "version")
		f := drawFrame(t, v)
		wire, err := frame.Append(nil, v, f)
		if err != nil {
			t.Fatal(err)
		}
		frames, err := decodeAll(decoder(v), string(wire))
		if err != nil || len(frames) != 1 {
			t.Fatalf("%q: %d frames, %v", wire, len(frames), err)
		}
		got := frames[0]
		got.Header = got.Header.Without(frame.HeaderContentLength)
		if text(got) != text(f) {
			t.Fatalf("%q\n got %s\nwant %s", wire, text(got), text(f))
		}
	})
}

// A megabyte in single octets takes milliseconds; looking at what is buffered
// again for each octet takes half a minute.
func TestWorkIsLinear(t *testing.T) {
	const size = 1 << 20
	l := frame.Limits{Frame: 2 * size, LoginFrame: 2 * size, Headers: size, HeaderLine: size, Head: size + 100}
	for name, wire := range map[string]string{
		"one header":             "SEND\na:" + pad(size-10) + "\n\n\x00",
		"many headers":           "SEND\n" + strings.Repeat("a:xxxxxxxxxxxxx\n", size/16) + "\n\x00",
		"body":                   "SEND\n\n" + pad(size) + "\x00",
		"body of announced size": "SEND\ncontent-length:1048576\n\n" + pad(size) + "\x00",
	} {
		t.Run(name, func(t *testing.T) {
			d, p, count := frame.NewDecoder(l), []byte(wire), 0
			start := time.Now()
			for i := range p {
				_, _, ok, err := d.Decode(p[i : i+1])
				if err != nil {
					t.Fatal(err)
				}
				if ok {
					count++
				}
				if i%1000 == 0 && time.Since(start) > 10*time.Second {
					t.Fatalf("%d of %d octets after %v", i, len(p), time.Since(start))
				}
			}
			if count != 1 {
				t.Errorf("%d frames", count)
			}
		})
	}
}
