package destination

import (
	"errors"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Parse parses a pattern. A text without any of "*?{}" is an exact destination
// and costs no allocation. The error, if any, is a [*SyntaxError].
func Parse(text string, sep Separator) (Pattern, error) {
	p := Pattern{text: text, sep: sep}
	if !utf8.ValidString(text) {
		return Pattern{}, &SyntaxError{text, invalidAt(text), "not valid UTF-8"}
	}
	if !strings.ContainsAny(text, "*?{}") {
		return p, nil
	}
	ps := parser{text: text, sep: sep.char(), prog: new(program)}
	if err := ps.parse(); err != nil {
		return Pattern{}, err
	}
	p.prog = ps.prog
	p.prog.rank = ps.prog.measure()
	return p, nil
}

type parser struct {
	text string
	pos  int
	sep  byte
	code int // instructions of all regular expressions so far
	prog *program
}

func (p *parser) parse() error {
	p.prog.rooted = p.text[0] == p.sep
	if p.prog.rooted {
		p.pos++
	}
	for {
		s, err := p.segment()
		if err != nil {
			return err
		}
		if n := len(p.prog.segs); s.kind != deep || n == 0 || p.prog.segs[n-1].kind != deep {
			p.prog.segs = append(p.prog.segs, s)
		}
		if p.pos == len(p.text) {
			return nil
		}
		p.pos++ // the separator
	}
}

// segment parses up to the next separator or the end.
func (p *parser) segment() (segment, error) {
	start := p.pos
	var tokens []token
	for p.pos < len(p.text) && p.text[p.pos] != p.sep {
		t, err := p.token()
		if err != nil {
			return segment{}, err
		}
		if n := len(tokens); n > 0 && t == star && tokens[n-1] == star {
			continue // "**" within a segment says no more than "*"
		}
		tokens = append(tokens, t)
	}
	if p.text[start:p.pos] == "**" {
		return segment{kind: deep, text: "**"}, nil
	}
	s, err := newSegment(tokens)
	if err != nil {
		return segment{}, p.fail(start, err.Error())
	}
	return s, nil
}

func (p *parser) token() (token, error) {
	switch p.text[p.pos] {
	case '*':
		p.pos++
		return star, nil
	case '?':
		p.pos++
		return token{kind: tokenOne}, nil
	case '{':
		return p.variable()
	case '}':
		return token{}, p.fail(p.pos, "'}' without '{'")
	}
	start := p.pos
	for p.pos < len(p.text) && p.text[p.pos] != p.sep && strings.IndexByte("*?{}", p.text[p.pos]) < 0 {
		p.pos++
	}
	return token{kind: tokenText, text: p.text[start:p.pos]}, nil
}

// variable parses "{name}" or "{name:regex}".
func (p *parser) variable() (token, error) {
	open := p.pos
	end := closing(p.text, open)
	if end < 0 {
		return token{}, p.fail(open, "'{' without '}'")
	}
	p.pos = end + 1
	name, expr, hasExpr := strings.Cut(p.text[open+1:end], ":")
	if name == "" {
		return token{}, p.fail(open, "variable without a name")
	}
	if i := strings.IndexFunc(name, notName); i >= 0 {
		return token{}, p.fail(open+1+i, "a variable's name has letters, digits, '_', '-' and '.' only")
	}
	if slices.Contains(p.prog.names, name) {
		return token{}, p.fail(open, "variable "+name+" used twice")
	}
	p.prog.names = append(p.prog.names, name)
	t := token{kind: tokenAny, variable: len(p.prog.names)}
	if !hasExpr {
		return t, nil
	}
	at := open + 1 + len(name) + 1
	if expr == "" {
		return token{}, p.fail(at, "empty regular expression")
	}
	t.kind, t.text = tokenExpr, expr
	var err error
	if t.groups, t.code, err = p.check(expr); err != nil {
		return token{}, p.fail(at, err.Error())
	}
	return t, nil
}

// Patterns come from clients too: "x{1000}" many times over would take megabytes.
const (
	maxExprText = 256
	maxExprCode = 1_000
)

var errExprTooLarge = errors.New("regular expression too large")

// check looks at an expression alone, for one like "a)(b" must not become valid by
// the group it is put into, and then in its group, for one like `\Qa` must not go
// on beyond it. It returns how many capture groups and instructions it has.
func (p *parser) check(expr string) (groups, code int, err error) {
	if len(expr) > maxExprText {
		return 0, 0, errExprTooLarge
	}
	if _, err := syntax.Parse(expr, syntax.Perl); err != nil {
		return 0, 0, err
	}
	tree, err := syntax.Parse("("+expr+")", syntax.Perl)
	if err != nil {
		return 0, 0, err
	}
	groups = tree.MaxCap() - 1
	prog, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return 0, 0, err
	}
	code = len(prog.Inst)
	if p.code += code; p.code > maxExprCode {
		return 0, 0, errExprTooLarge
	}
	return groups, code, nil
}

func notName(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("_-.", r)
}

// closing returns the index of the '}' that closes the '{' at open, or -1.
// Braces may nest, as in {id:[0-9]{3}}; a backslash takes the next one out of
// the count.
func closing(text string, open int) int {
	depth := 0
	for i := open; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// invalidAt returns the index of the first byte of text that is not valid UTF-8.
func invalidAt(text string) int {
	i := 0
	for {
		r, size := utf8.DecodeRuneInString(text[i:])
		if r == utf8.RuneError && size <= 1 {
			return i
		}
		i += size
	}
}

func (p *parser) fail(at int, reason string) error { return &SyntaxError{p.text, at, reason} }
