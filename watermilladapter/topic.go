package watermilladapter

import "strings"

// EscapeTopic is a name for a destination that every engine allows: one to one, of
// letters, digits, "_", which is a slash, and "-", which begins the two hexadecimal
// digits of any other octet. No destination is named "-", which is the empty one. A
// name has up to three times the length of its destination.
func EscapeTopic(destination string) string {
	if destination == "" {
		return "-"
	}
	const digits = "0123456789abcdef"
	var b strings.Builder
	b.Grow(len(destination))
	for i := range len(destination) {
		switch c := destination[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
			b.WriteByte(c)
		case c == '/':
			b.WriteByte('_')
		default:
			b.WriteByte('-')
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
		}
	}
	return b.String()
}
