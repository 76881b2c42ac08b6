package transport

import "unicode/utf8"

// utf8Check checks text that comes in pieces, split anywhere.
type utf8Check struct {
	part [utf8.UTFMax]byte // the beginning of a character whose end is missing
	n    int
}

// next reports whether p can go on the text so far.
func (u *utf8Check) next(p []byte) bool {
	for u.n > 0 && len(p) > 0 {
		u.part[u.n], p = p[0], p[1:]
		u.n++
		if !utf8.FullRune(u.part[:u.n]) {
			continue
		}
		if !utf8.Valid(u.part[:u.n]) {
			return false
		}
		u.n = 0
	}
	whole := len(p)
	for i := max(0, len(p)-utf8.UTFMax+1); i < len(p); i++ {
		if utf8.RuneStart(p[i]) && !utf8.FullRune(p[i:]) {
			whole = i
			break
		}
	}
	if !utf8.Valid(p[:whole]) {
		return false
	}
	if whole < len(p) {
		u.n = copy(u.part[:], p[whole:])
	}
	return true
}

// complete reports whether the text may end here.
func (u *utf8Check) complete() bool { return u.n == 0 }
