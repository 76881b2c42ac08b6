package frame

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/headrace/headrace/message"
)

// headReader is the state of a command and headers that are being read. All
// offsets count from the first octet of the command.
type headReader struct {
	buf     []byte // what earlier calls brought of the head
	line    int    // start of the current line
	scanned int    // start of what was not looked at yet
	command Command
	lines   []headerLine // complete ones; the slice is reused
	escaped bool         // one of the lines has an escape
	length  int          // content-length, or -1
}

// What a lenient decoder takes off: see the package documentation.
const blanks = " \t"

var byteOrderMark = []byte("\uFEFF")

// headerLine is where name and value of a header are.
type headerLine struct{ start, colon, end int32 }

func (h *headReader) reset() { *h = headReader{lines: h.lines[:0], length: -1} }

// empty reports whether the next octet is the first of a head.
func (h *headReader) empty() bool { return h.line == 0 && h.scanned == 0 }

// readHead reads lines up to the empty one that ends the head and returns what
// follows it in p. A head that lies in p whole is read where it lies; otherwise
// it is put together in h.buf.
func (d *Decoder) readHead(p []byte) (rest []byte) {
	h := &d.head
	src, held := p, len(h.buf)
	if held > 0 {
		// One octet over the limit is enough to notice that it is passed.
		h.buf = append(h.buf, p[:min(len(p), d.limits.Head+1-held)]...)
		src = h.buf
	}
	for {
		end, complete := len(src), false
		if i := bytes.IndexByte(src[h.scanned:], '\n'); i >= 0 {
			end, complete = h.scanned+i, true
		}
		// Octets of earlier calls are not looked at again, unless they complete
		// a line.
		has := trait(0)
		if complete {
			has = traitsOf(src[h.line:end])
		} else if bytes.IndexByte(src[h.scanned:], 0) >= 0 {
			has = hasNUL
		}
		if err := d.checkLine(src[h.line:end], has); err != nil {
			return d.failHead(src, err)
		}
		if !complete {
			break
		}
		last, err := d.readLine(src, end, has)
		if err != nil {
			return d.failHead(src, err)
		}
		h.line, h.scanned = end+1, end+1
		if last {
			d.finishHead(src)
			return p[end+1-held:]
		}
	}
	h.scanned = len(src)
	if held == 0 {
		h.buf = bytes.Clone(src)
	}
	return nil
}

// checkLine checks the current line, or as much of it as has arrived, for its
// length and for NUL. The fault that comes first is reported, so that the error
// does not depend on how the octets were split.
func (d *Decoder) checkLine(line []byte, has trait) *message.Error {
	h, maxFrame := &d.head, d.maxFrame()
	room := min(d.limits.Head, maxFrame) - h.line
	if h.command == "" {
		room = min(room, maxCommand)
	} else {
		room = min(room, d.limits.HeaderLine)
	}
	switch {
	case has&hasNUL != 0 && bytes.IndexByte(line, 0) <= room:
		return invalid("NUL before the empty line that ends the headers")
	case len(line) <= room:
		return nil
	case room == maxFrame-h.line:
		return d.frameTooLarge()
	case room == d.limits.Head-h.line:
		return tooLarge("command and headers are larger than %d octets", d.limits.Head)
	case h.command == "":
		return unknownCommand(line)
	}
	return tooLarge("a header is longer than %d octets", d.limits.HeaderLine)
}

// readLine reads the line of src that ends at end and has these traits. It
// reports whether that was the last one of the head.
func (d *Decoder) readLine(src []byte, end int, has trait) (last bool, err *message.Error) {
	h := &d.head
	if has&hasCR != 0 && (d.lenient || d.version.stripsCR()) && src[end-1] == '\r' {
		end--
	}
	switch line := src[h.line:end]; {
	case len(line) == 0:
		return true, nil
	case h.command != "":
		return false, d.readHeader(line, has)
	default:
		if d.lenient {
			line = bytes.TrimPrefix(line, byteOrderMark)
		}
		if h.command = parseCommand(line); h.command == "" {
			return false, unknownCommand(line)
		}
		return false, nil
	}
}

// readHeader checks a header line and notes where its parts are.
func (d *Decoder) readHeader(line []byte, has trait) *message.Error {
	h := &d.head
	escaped := has&hasBackslash != 0 && d.version != V10 && !h.command.literal()
	colon := bytes.IndexByte(line, ':')
	if colon < 0 {
		return invalid("a header has no colon")
	}
	name, value := line[:colon], line[colon+1:]
	if d.lenient {
		name, value = bytes.Trim(name, blanks), bytes.Trim(value, blanks)
	}
	switch {
	case len(name) == 0:
		return invalid("a header has no name")
	case has&hasCR != 0 && d.version.stripsCR() && bytes.IndexByte(line, '\r') >= 0:
		return invalid("a header has a CR that does not end its line")
	case has&hasHighBit != 0 && d.version != V10 && !utf8.Valid(line):
		return invalid("a header is not UTF-8")
	case escaped && !d.lenient && !d.version.validEscapes(line):
		return invalid("a header has an undefined escape")
	case len(h.lines) == d.limits.Headers:
		return tooLarge("more than %d headers", d.limits.Headers)
	}
	if string(name) == HeaderContentLength {
		if err := d.readContentLength(value); err != nil {
			return err
		}
	}
	h.escaped = h.escaped || escaped
	h.lines = append(h.lines, headerLine{int32(h.line), int32(h.line + colon), int32(h.line + len(line))})
	return nil
}

// readContentLength refuses a length as soon as it is seen, before the peer
// sends so much.
func (d *Decoder) readContentLength(value []byte) *message.Error {
	n, ok := parseDigits(value, maxLimit)
	switch h := &d.head; {
	case !ok:
		return invalid("content-length is not a number of octets")
	case n > int64(d.maxFrame()):
		return d.frameTooLarge()
	case h.length >= 0 && h.length != int(n):
		return invalid("two different content-length headers")
	default:
		h.length = int(n)
		return nil
	}
}

// finishHead goes on to the body. A head without a command was a heart-beat of
// CR and LF.
func (d *Decoder) finishHead(src []byte) {
	h := &d.head
	if h.command != "" {
		d.startBody(d.frame(src), h.line, h.length)
	}
	h.reset()
}

// failHead ends the decoder in the middle of a head.
func (d *Decoder) failHead(src []byte, err *message.Error) (rest []byte) {
	d.fail(d.frame(src), err)
	return nil
}

// frame returns the command and the headers read so far. All headers share one
// string.
func (d *Decoder) frame(src []byte) Frame {
	h := &d.head
	if len(h.lines) == 0 {
		return Frame{Command: h.command}
	}
	base := h.lines[0].start
	text := string(src[base:h.lines[len(h.lines)-1].end])
	fields := make([]message.Field, len(h.lines))
	for i, l := range h.lines {
		f := &fields[i]
		f.Name, f.Value = text[l.start-base:l.colon-base], text[l.colon+1-base:l.end-base]
		if d.lenient {
			f.Name, f.Value = strings.Trim(f.Name, blanks), strings.Trim(f.Value, blanks)
		}
		if h.escaped {
			f.Name, f.Value = d.version.unescape(f.Name), d.version.unescape(f.Value)
		}
	}
	return Frame{Command: h.command, Header: message.NewHeader(fields...)}
}
