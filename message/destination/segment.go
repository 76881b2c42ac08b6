package destination

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

type kind uint8

const (
	literal  kind = iota
	single        // "*"
	variable      // "{name}"
	glob          // any mixture without a regular expression
	expr          // any mixture with one
	deep          // "**"
)

// segment matches one segment of a destination, or, for deep, any number. It is
// kept small: a look-up among many patterns waits for the memory they are in.
type segment struct {
	kind   kind
	text   string      // canonical: without the names of variables
	tokens []token     // nil for literal and deep
	expr   *expression // of expr
}

// expression is one regular expression for all tokens of a segment.
type expression struct {
	*regexp.Regexp
	groups []int // the capture group of each token, 0 if it captures nothing
}

type tokenKind uint8

const (
	tokenText tokenKind = iota
	tokenOne            // "?"
	tokenAny            // "*" or "{name}"
	tokenExpr           // "{name:regex}"
)

type token struct {
	kind     tokenKind
	variable int    // its number in the pattern, from 1; 0 if it has no name
	text     string // the literal text, or the regular expression
	groups   int    // the capture groups in the regular expression
	code     int    // its instructions
}

var star = token{kind: tokenAny}

func (t token) canonical() string {
	switch {
	case t.kind == tokenOne:
		return "?"
	case t.kind == tokenExpr:
		return "{:" + t.text + "}"
	case t == star:
		return "*"
	case t.kind == tokenAny:
		return "{}"
	}
	return t.text
}

func newSegment(tokens []token) (segment, error) {
	s := segment{kind: glob, tokens: tokens}
	for _, t := range tokens {
		s.text += t.canonical()
		if t.kind == tokenExpr {
			s.kind = expr
		}
	}
	switch {
	case s.kind == expr:
		if err := s.compile(); err != nil {
			return segment{}, err
		}
	case len(tokens) == 0 || len(tokens) == 1 && tokens[0].kind == tokenText:
		s.kind, s.tokens = literal, nil
		return s, nil
	case len(tokens) == 1 && tokens[0] == star:
		s.kind = single
	case len(tokens) == 1 && tokens[0].kind == tokenAny:
		s.kind = variable
	}
	return s, nil
}

// prefix returns the literal text that a segment with wildcards begins with.
func (s *segment) prefix() string {
	if s.tokens[0].kind == tokenText {
		return s.tokens[0].text
	}
	return ""
}

// compile makes one regular expression of all tokens. Parse has checked those that
// it is made of.
func (s *segment) compile() error {
	var b strings.Builder
	b.WriteString(`\A`)
	groups := make([]int, len(s.tokens))
	group := 1
	for i, t := range s.tokens {
		switch {
		case t.kind == tokenText:
			b.WriteString(regexp.QuoteMeta(t.text))
		case t.kind == tokenOne:
			b.WriteString(`(?s:.)`)
		case t == star:
			b.WriteString(`(?s:.*)`)
		case t.kind == tokenAny:
			b.WriteString(`((?s:.*))`)
			groups[i] = group
			group++
		default:
			b.WriteString("(" + t.text + ")")
			groups[i] = group
			group += 1 + t.groups
		}
	}
	b.WriteString(`\z`)
	re, err := regexp.Compile(b.String())
	s.expr = &expression{re, groups}
	return err
}

// match reports whether s matches one segment. Unless vars is nil it stores what
// the variables capture there.
func (s *segment) match(text string, vars Vars) bool {
	switch s.kind {
	case literal:
		return text == s.text
	case single:
		return true
	case variable:
		s.tokens[0].capture(vars, text)
		return text != ""
	case glob:
		return s.matchGlob(text, vars)
	default:
		return s.matchExpr(text, vars)
	}
}

// matchGlob works from the right, so that the tokens on the left take as much as
// they can. Each "any" first takes nothing; on a mismatch the one tried last
// takes a character more. Those to the right of it never need to change, which
// bounds the time by the product of the two lengths.
func (s *segment) matchGlob(text string, vars Vars) bool {
	t, end := len(s.tokens)-1, len(text) // tokens[:t+1] must match text[:end]
	last, from, to := -1, 0, 0           // the "any" tried last has taken text[from:to]
	for t >= 0 || end > 0 {
		ok := false
		if t >= 0 {
			switch tok := &s.tokens[t]; tok.kind {
			case tokenText:
				if ok = strings.HasSuffix(text[:end], tok.text); ok {
					end -= len(tok.text)
				}
			case tokenOne:
				_, size := utf8.DecodeLastRuneInString(text[:end])
				end -= size
				ok = size > 0
			default:
				last, from, to, ok = t, end, end, true
				tok.capture(vars, "")
			}
		}
		if ok {
			t--
			continue
		}
		if last < 0 || from == 0 {
			return false
		}
		_, size := utf8.DecodeLastRuneInString(text[:from])
		from -= size
		s.tokens[last].capture(vars, text[from:to])
		t, end = last-1, from
	}
	return true
}

func (s *segment) matchExpr(text string, vars Vars) bool {
	if vars == nil || len(s.tokens) == 1 {
		s.tokens[0].capture(vars, text)
		return s.expr.MatchString(text)
	}
	found := s.expr.FindStringSubmatchIndex(text)
	if found == nil {
		return false
	}
	for i, g := range s.expr.groups {
		if g > 0 {
			s.tokens[i].capture(vars, text[found[2*g]:found[2*g+1]])
		}
	}
	return true
}

func (t *token) capture(vars Vars, text string) {
	if vars != nil && t.variable > 0 {
		vars[t.variable-1].Value = text
	}
}
