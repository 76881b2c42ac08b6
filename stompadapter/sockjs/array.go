package sockjs

import (
	"bytes"
	"errors"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

var (
	errBroken  = errors.New("sockjs: not a JSON array of strings")
	errTooMany = errors.New("sockjs: too many messages at once")
)

// parseMessages returns the strings of a JSON array of strings, at most limit
// of them, or a single string, which WebSocket clients may send. Nothing else
// is let in, so nothing nests. A lone surrogate becomes U+FFFD. The strings
// are decoded in place, since none is longer than its encoding: body is
// overwritten and they point into it.
func parseMessages(body []byte, limit int) ([][]byte, error) {
	if !utf8.Valid(body) {
		return nil, errBroken
	}
	p := parser{rest: trimSpace(body)}
	if p.at('"') {
		s, ok := p.string()
		if !ok || len(trimSpace(p.rest)) > 0 {
			return nil, errBroken
		}
		return [][]byte{s}, nil
	}
	return p.array(limit)
}

// parser walks over a JSON text.
type parser struct {
	rest []byte
}

func (p *parser) at(b byte) bool { return len(p.rest) > 0 && p.rest[0] == b }

// accept takes b, and the space around it, if it comes next.
func (p *parser) accept(b byte) bool {
	p.rest = trimSpace(p.rest)
	if !p.at(b) {
		return false
	}
	p.rest = trimSpace(p.rest[1:])
	return true
}

// trimSpace removes JSON's white space (RFC 8259, section 2) from the left.
func trimSpace(b []byte) []byte { return bytes.TrimLeft(b, " \t\r\n") }

func (p *parser) array(limit int) (messages [][]byte, err error) {
	if !p.accept('[') {
		return nil, errBroken
	}
	for !p.at(']') {
		if len(messages) == limit {
			return nil, errTooMany
		}
		if len(messages) > 0 && !p.accept(',') {
			return nil, errBroken
		}
		if !p.at('"') {
			return nil, errBroken
		}
		s, ok := p.string()
		if !ok {
			return nil, errBroken
		}
		messages = append(messages, s)
		p.rest = trimSpace(p.rest)
	}
	p.accept(']')
	if len(p.rest) > 0 {
		return nil, errBroken
	}
	return messages, nil
}

// string takes the string that begins at the quote before it.
func (p *parser) string() (s []byte, ok bool) {
	in := p.rest[1:]
	out := in[:0]
	for i := 0; i < len(in); {
		switch b := in[i]; {
		case b == '"':
			p.rest = in[i+1:]
			return out, true
		case b < ' ':
			return nil, false
		case b != '\\':
			out = append(out, b)
			i++
		default:
			r, size := unescape(in[i:])
			if size == 0 {
				return nil, false
			}
			out = utf8.AppendRune(out, r)
			i += size
		}
	}
	return nil, false
}

// unescape decodes the escape sequence at the start of b. The size is 0 if
// there is none.
func unescape(b []byte) (r rune, size int) {
	if len(b) < 2 {
		return 0, 0
	}
	switch b[1] {
	case '"', '\\', '/':
		return rune(b[1]), 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	}
	r, ok := unit(b)
	if !ok {
		return 0, 0
	}
	if utf16.IsSurrogate(r) {
		if low, ok := unit(b[6:]); ok {
			if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
				return pair, 12
			}
		}
		return utf8.RuneError, 6
	}
	return r, 6
}

// unit decodes the \uXXXX at the start of b.
func unit(b []byte) (r rune, ok bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	for _, c := range b[2:6] {
		digit := strings.IndexByte(hexDigits, c|0x20)
		if c < '0' || digit < 0 {
			return 0, false
		}
		r = r<<4 | rune(digit)
	}
	return r, true
}
