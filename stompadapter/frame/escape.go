package frame

import "strings"

// A trait marks the octets that mean something in a header.
type trait uint8

const (
	hasNUL trait = 1 << iota
	hasLF
	hasCR
	hasColon
	hasBackslash
	hasHighBit // not ASCII: to be checked as UTF-8
)

var traits = [256]trait{0: hasNUL, '\n': hasLF, '\r': hasCR, ':': hasColon, '\\': hasBackslash}

func init() {
	for c := 0x80; c < len(traits); c++ {
		traits[c] = hasHighBit
	}
}

// traitsOf returns the traits of all octets of s, in one pass without a branch
// an octet.
func traitsOf[S string | []byte](s S) (t trait) {
	for i := range len(s) {
		t |= traits[s[i]]
	}
	return t
}

// escapes returns the traits of the octets that v escapes. 1.0 has no escapes
// and is not asked.
func (v Version) escapes() trait {
	if v == V11 {
		return hasLF | hasColon | hasBackslash
	}
	return hasLF | hasCR | hasColon | hasBackslash
}

// appendEscaped appends s with the escapes of v.
func appendEscaped(dst []byte, s string, v Version) []byte {
	escapes := v.escapes()
	for i := range len(s) {
		c := s[i]
		if traits[c]&escapes != 0 {
			dst = append(dst, '\\')
			switch c {
			case '\n':
				c = 'n'
			case '\r':
				c = 'r'
			case ':':
				c = 'c'
			}
		}
		dst = append(dst, c)
	}
	return dst
}

// unescaped returns the octet that a backslash and c stand for in v; ok is
// false when the escape is not defined.
func (v Version) unescaped(c byte) (octet byte, ok bool) {
	switch c {
	case 'n':
		return '\n', true
	case 'c':
		return ':', true
	case '\\':
		return '\\', true
	case 'r':
		return '\r', v != V11
	}
	return 0, false
}

// validEscapes reports whether every backslash of line begins an escape that v
// defines.
func (v Version) validEscapes(line []byte) bool {
	for i := 0; i < len(line); i++ {
		if line[i] != '\\' {
			continue
		}
		i++
		if i == len(line) {
			return false
		}
		if _, ok := v.unescaped(line[i]); !ok {
			return false
		}
	}
	return true
}

// unescape undoes the escapes of s. Undefined ones, which only a lenient decoder
// lets through, stay as they are. It returns s itself when there are none.
func (v Version) unescape(s string) string {
	i := strings.IndexByte(s, '\\')
	if i < 0 {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for ; i >= 0 && i+1 < len(s); i = strings.IndexByte(s, '\\') {
		b.WriteString(s[:i])
		if octet, ok := v.unescaped(s[i+1]); ok {
			b.WriteByte(octet)
		} else {
			b.WriteString(s[i : i+2])
		}
		s = s[i+2:]
	}
	b.WriteString(s)
	return b.String()
}
