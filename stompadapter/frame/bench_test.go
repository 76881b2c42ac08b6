package frame_test

import (
	"bytes"
	"strconv"
	"strings"
	"testing"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter/frame"
)

// The wire forms that the benchmarks decode: those of a chat-like SEND.
var (
	wireSmall   = []byte("SEND\ndestination:/app/trade/ACME\ncontent-type:text/plain\nreceipt:r-17\ncontent-length:13\n\nhello, world!\x00")
	wireKiB     = []byte("SEND\ndestination:/app/trade/ACME\ncontent-type:text/plain\nreceipt:r-17\ncontent-length:1024\n\n" + strings.Repeat("x", 1024) + "\x00")
	wireEscaped = []byte("SEND\ndestination:/app/trade/ACME\ncontent-type:text/plain\nreceipt:r-17\ncontent-length:13\n" +
		"a:1\nb:2\nc:3\nd:4\ne:5\nnote:half\\cfull\n\nhello, world!\x00")
)

// minimalDecode is the anchor: one pass over a frame that lies in p whole, with
// a fresh header slice, one string for all headers, and a body of its own. It
// checks nothing that it does not need.
func minimalDecode(p []byte) frame.Frame {
	head := bytes.Index(p, []byte("\n\n"))
	text := string(p[:head])
	command, text, _ := strings.Cut(text, "\n")
	fields := make([]message.Field, 0, strings.Count(text, "\n")+1)
	length := -1
	for len(text) > 0 {
		line, rest, _ := strings.Cut(text, "\n")
		name, value, _ := strings.Cut(line, ":")
		if strings.IndexByte(value, '\\') >= 0 {
			value = strings.NewReplacer(`\c`, ":", `\n`, "\n", `\r`, "\r", `\\`, `\`).Replace(value)
		}
		if name == "content-length" {
			length, _ = strconv.Atoi(value)
		}
		fields = append(fields, message.Field{Name: name, Value: value})
		text = rest
	}
	body := p[head+2:]
	if length < 0 {
		length = bytes.IndexByte(body, 0)
	}
	return frame.Frame{Command: frame.Command(command), Header: message.NewHeader(fields...), Body: bytes.Clone(body[:length])}
}

// minimalEncode is the anchor: it escapes octet by octet and checks nothing.
func minimalEncode(dst []byte, f frame.Frame) []byte {
	escape := func(dst []byte, s string) []byte {
		for i := range len(s) {
			switch c := s[i]; c {
			case '\n':
				dst = append(dst, '\\', 'n')
			case '\r':
				dst = append(dst, '\\', 'r')
			case ':':
				dst = append(dst, '\\', 'c')
			case '\\':
				dst = append(dst, '\\', '\\')
			default:
				dst = append(dst, c)
			}
		}
		return dst
	}
	dst = append(dst, f.Command...)
	dst = append(dst, '\n')
	for name, value := range f.Header.All() {
		dst = append(escape(dst, name), ':')
		dst = append(escape(dst, value), '\n')
	}
	dst = append(dst, "content-length:"...)
	dst = strconv.AppendInt(dst, int64(len(f.Body)), 10)
	dst = append(dst, "\n\n"...)
	dst = append(dst, f.Body...)
	return append(dst, 0)
}

func decoder(v frame.Version) *frame.Decoder {
	d := frame.NewDecoder(frame.Limits{})
	d.SetVersion(v)
	return d
}

var sink frame.Frame

func BenchmarkDecode(b *testing.B) {
	for _, c := range []struct {
		name string
		wire []byte
	}{{"small", wireSmall}, {"body-1KiB", wireKiB}, {"10-headers-1-escaped", wireEscaped}} {
		b.Run(c.name+"/frame", func(b *testing.B) {
			d := decoder(frame.V12)
			b.ReportAllocs()
			for b.Loop() {
				sink, _, _, _ = d.Decode(c.wire)
			}
		})
		b.Run(c.name+"/minimal", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				sink = minimalDecode(c.wire)
			}
		})
	}
}

func BenchmarkAppend(b *testing.B) {
	f := minimalDecode([]byte("MESSAGE\nsubscription:sub-0\nmessage-id:17-4\ndestination:/topic/trades.ACME\ncontent-type:application/json\n\n{\"price\":42}\x00"))
	buf := make([]byte, 0, 4096)
	b.Run("frame", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			buf, _ = frame.Append(buf[:0], frame.V12, f)
		}
	})
	b.Run("minimal", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			buf = minimalEncode(buf[:0], f)
		}
	})
}
