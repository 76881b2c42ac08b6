package sockjs

import "unicode/utf8"

const hexDigits = "0123456789abcdef"

// appendString appends s as a JSON string. Beyond what JSON asks for it escapes
// what some browsers, proxies and JavaScript parsers lose or take for a line
// break: the characters that the protocol's test lists, and all that JavaScript
// writes as surrogates. A byte that is not part of valid UTF-8 becomes U+FFFD.
func appendString(dst, s []byte) []byte {
	return appendEscaped(dst, s, false)
}

// appendScript is appendString for a string inside an HTML script element,
// which "</script" would end.
func appendScript(dst, s []byte) []byte {
	return appendEscaped(dst, s, true)
}

func appendEscaped(dst, s []byte, html bool) []byte {
	dst = append(dst, '"')
	done := 0 // s[:done] is appended
	for i := 0; i < len(s); {
		b := s[i]
		if b >= ' ' && b < utf8.RuneSelf && b != '"' && b != '\\' && !(html && b == '<') {
			i++
			continue
		}
		r, size := rune(b), 1
		if b >= utf8.RuneSelf {
			r, size = utf8.DecodeRune(s[i:])
			if !fragile(r) {
				i += size
				continue
			}
		}
		dst = append(dst, s[done:i]...)
		dst = appendEscape(dst, r)
		i += size
		done = i
	}
	dst = append(dst, s[done:]...)
	return append(dst, '"')
}

// fragile reports whether a character outside ASCII is escaped. U+FFFD, which
// stands for invalid bytes, is one of them.
func fragile(r rune) bool {
	switch {
	case r < 0x200c:
		return false
	case r <= 0x200f,
		r >= 0x2028 && r <= 0x202f,
		r >= 0x2060 && r <= 0x206f,
		r >= 0xfff0:
		return true
	}
	return false
}

func appendEscape(dst []byte, r rune) []byte {
	switch r {
	case '"', '\\':
		return append(dst, '\\', byte(r))
	case '\b':
		return append(dst, `\b`...)
	case '\f':
		return append(dst, `\f`...)
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	}
	if r > 0xffff {
		const high, low = 0xd800, 0xdc00
		r -= 0x10000
		dst = appendUnit(dst, high+r>>10)
		r = low + r&0x3ff
	}
	return appendUnit(dst, r)
}

func appendUnit(dst []byte, u rune) []byte {
	return append(dst, '\\', 'u', hexDigits[u>>12&0xf], hexDigits[u>>8&0xf], hexDigits[u>>4&0xf], hexDigits[u&0xf])
}
