package stompadapter_test

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Octets that a script writes in another way than as they are: a control
// character after a caret, an octet in hexadecimal, and one that is repeated.
var scriptEscape = regexp.MustCompile(`\^@\n|\^@|\^M|<[0-9a-f]{2}>|<.\*\d+>`)

// decodeText returns the octets that a script means: ^@ is NUL, and takes a line
// end after it along; ^M is CR, <ff> the octet of this value, and <x*100> a
// hundred x. Everything else is as it is written; lines end with LF.
func decodeText(text string) string {
	return scriptEscape.ReplaceAllStringFunc(text, func(s string) string {
		switch {
		case s[:2] == "^@":
			return "\x00"
		case s == "^M":
			return "\r"
		case len(s) == len("<ff>") && s[2] != '*':
			n, _ := strconv.ParseUint(s[1:3], 16, 8)
			return string([]byte{byte(n)})
		}
		n, _ := strconv.Atoi(s[3 : len(s)-1])
		return strings.Repeat(s[1:2], n)
	})
}

// encodeText writes octets as a script does.
func encodeText(octets string) string {
	var b strings.Builder
	for i, s := range strings.Split(octets, "\n") {
		if i > 0 {
			b.WriteByte('\n')
		}
		for _, c := range []byte(s) {
			switch {
			case c == 0:
				b.WriteString("^@")
			case c == '\r':
				b.WriteString("^M")
			case c < ' ' || c > '~':
				fmt.Fprintf(&b, "<%02x>", c)
			default:
				b.WriteByte(c)
			}
		}
	}
	return b.String()
}

// words are what the names of a script stand for: {id} is whatever stood there
// when a frame first had to match it. Different names stand for different texts.
type words map[string]string

var word = regexp.MustCompile(`\{[a-z][a-z0-9]*\}`)

// fill puts the words into what a client sends.
func (w words) fill(text string) (filled string, err error) {
	filled = word.ReplaceAllStringFunc(text, func(name string) string {
		value, ok := w[strings.Trim(name, "{}")]
		if !ok {
			err = fmt.Errorf("%s is not known yet", name)
		}
		return value
	})
	return filled, err
}

var wild = regexp.MustCompile(`\*|` + word.String())

// match reports whether text is what the pattern says, in which a * stands for
// anything and a {word} for itself. It compares what a script would write, where
// all is ASCII.
func (w words) match(pattern, text string) bool {
	var expr strings.Builder
	rest, news := pattern, []string(nil)
	for at := wild.FindStringIndex(rest); at != nil; at = wild.FindStringIndex(rest) {
		expr.WriteString(regexp.QuoteMeta(encodeText(decodeText(rest[:at[0]]))))
		name := strings.Trim(rest[at[0]:at[1]], "{}")
		if value, known := w[name]; known {
			expr.WriteString(regexp.QuoteMeta(value))
		} else if name == "*" {
			expr.WriteString(".*")
		} else {
			expr.WriteString("(.+)")
			news = append(news, name)
		}
		rest = rest[at[1]:]
	}
	expr.WriteString(regexp.QuoteMeta(encodeText(decodeText(rest))))
	found := regexp.MustCompile(`(?s)\A` + expr.String() + `\z`).FindStringSubmatch(encodeText(text))
	if found == nil {
		return false
	}
	for i, name := range news {
		for _, other := range w {
			if other == found[i+1] {
				return false
			}
		}
		w[name] = found[i+1]
	}
	return true
}

// matchFrame reports whether a frame, without its NUL, is the one that a script
// expects: its command, its headers in any order but repeated ones in theirs,
// or all in order, no others unless a line of ... says so, and its body.
func (w words) matchFrame(want, got string, inOrder bool) bool {
	wantHead, wantBody, _ := strings.Cut(want, "\n\n")
	gotHead, gotBody, _ := strings.Cut(got, "\n\n")
	wantLines, gotLines := strings.Split(wantHead, "\n"), strings.Split(gotHead, "\n")
	if wantLines[0] != gotLines[0] {
		return false
	}
	others := false
	for _, line := range wantLines[1:] {
		if line == "..." {
			others = true
			continue
		}
		i := slices.IndexFunc(gotLines[1:], func(l string) bool { return w.match(line, l) })
		if i < 0 || i > 0 && inOrder || repeated(gotLines[1:1+i], gotLines[1+i]) {
			return false
		}
		gotLines = slices.Delete(gotLines, 1+i, 2+i)
	}
	return (others || len(gotLines) == 1) && w.match(wantBody, gotBody)
}

// repeated reports whether lines have a header of the same name as line.
func repeated(lines []string, line string) bool {
	name, _, _ := strings.Cut(line, ":")
	return slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, name+":") })
}

// cutFrame takes the first frame off what a server sent, without the package
// that wrote it.
func cutFrame(octets []byte) (frame, rest []byte, ok bool) {
	end := bytes.Index(octets, []byte("\n\n"))
	if end < 0 {
		return nil, octets, false
	}
	length := bytes.IndexByte(octets[end+2:], 0)
	for line := range bytes.Lines(octets[:end+1]) {
		if value, ok := bytes.CutPrefix(line, []byte("content-length:")); ok {
			length, _ = strconv.Atoi(string(bytes.TrimSpace(value)))
		}
	}
	if end += 2 + length; length < 0 || end >= len(octets) || octets[end] != 0 {
		return nil, octets, false
	}
	return octets[:end], octets[end+1:], true
}
