package frame

import (
	"strconv"
	"unicode/utf8"

	"github.com/headrace/headrace/message"
)

// Append appends f to dst as the octets of one frame in version v, the fields
// of first before the headers of f, and returns the extended slice. It
// allocates nothing when dst has the room.
//
// A header of f whose name is in first is left out, so that nothing which came
// with a message passes for what the server says of it. A content-length given
// by the caller is left out as well: Append writes it whenever there is a body.
//
// A frame that the version cannot express is refused with a *[message.Error]
// and dst is returned as it was: an unknown command; a body where none belongs;
// an empty header name; NUL in a header; headers that are not UTF-8 in 1.1 and
// 1.2; and, in 1.0 and in CONNECT, STOMP and CONNECTED, which have no escapes,
// CR or LF in a header or a colon in its name.
func Append(dst []byte, v Version, f Frame, first ...message.Field) ([]byte, error) {
	if !f.Command.known() {
		return dst, unknownCommand([]byte(f.Command))
	}
	if len(f.Body) > 0 && !f.Command.hasBody() {
		return dst, bodyNotAllowed(f.Command)
	}
	out := append(dst, f.Command...)
	out = append(out, '\n')
	r := rulesOf(v, f.Command)
	var err *message.Error
	for i := range first {
		if first[i].Name == HeaderContentLength {
			continue
		}
		if out, err = r.appendHeader(out, first[i].Name, first[i].Value); err != nil {
			return dst, err
		}
	}
	for name, value := range f.Header.All() {
		if name == HeaderContentLength || contains(first, name) {
			continue
		}
		if out, err = r.appendHeader(out, name, value); err != nil {
			return dst, err
		}
	}
	if len(f.Body) > 0 {
		out = append(out, HeaderContentLength+":"...)
		out = strconv.AppendInt(out, int64(len(f.Body)), 10)
		out = append(out, '\n')
	}
	out = append(out, '\n')
	out = append(out, f.Body...)
	return append(out, 0), nil
}

func contains(fields []message.Field, name string) bool {
	for i := range fields {
		if fields[i].Name == name {
			return true
		}
	}
	return false
}

// rules say what becomes of the special octets in the headers of one frame.
type rules struct {
	version Version
	escape  trait // written as an escape
	refuse  trait // cannot be expressed
	inName  trait // cannot be expressed in a name
}

func rulesOf(v Version, c Command) rules {
	if v == V10 || c.literal() {
		return rules{version: v, refuse: hasNUL | hasCR | hasLF, inName: hasColon}
	}
	return rules{version: v, escape: v.escapes(), refuse: hasNUL}
}

// appendHeader appends one header line.
func (r rules) appendHeader(dst []byte, name, value string) ([]byte, *message.Error) {
	n, v := traitsOf(name), traitsOf(value)
	if special := n | v; special != 0 {
		if n&r.inName != 0 || special&r.refuse != 0 {
			return dst, invalid("a header has an octet that cannot be written in this frame")
		}
		if special&hasHighBit != 0 && r.version != V10 && !(utf8.ValidString(name) && utf8.ValidString(value)) {
			return dst, invalid("a header is not UTF-8")
		}
	}
	if name == "" {
		return dst, invalid("a header has no name")
	}
	dst = r.appendText(dst, name, n)
	dst = append(dst, ':')
	dst = r.appendText(dst, value, v)
	return append(dst, '\n'), nil
}

// appendText appends a name or a value whose traits are t.
func (r rules) appendText(dst []byte, s string, t trait) []byte {
	if t&r.escape == 0 {
		return append(dst, s...)
	}
	return appendEscaped(dst, s, r.version)
}
