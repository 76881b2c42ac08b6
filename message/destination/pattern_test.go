package destination_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/headrace/headrace/message/destination"
)

const (
	slash = destination.Slash
	dot   = destination.Dot
)

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern string
		yes, no []string
	}{
		{"", []string{""}, []string{"/", "a"}},
		{"/a", []string{"/a"}, []string{"a", "/A", "/a/", "//a", "/ab"}},
		{"/a//b", []string{"/a//b"}, []string{"/a/b"}},
		{"/?", []string{"/a", "/é"}, []string{"/", "/ab", "a"}},
		{"/??*", []string{"/ab", "/éé"}, []string{"/", "/a", "/€"}},
		{"/t?st", []string{"/test", "/tast"}, []string{"/tst", "/teest", "/t/st"}},
		{"/*", []string{"/", "/a"}, []string{"", "a", "/a/", "/a/b"}},
		{"*", []string{"", "a"}, []string{"/a", "a/b"}},
		{"/a/*", []string{"/a/", "/a/b"}, []string{"/a", "/a/b/c"}},
		{"/a*c", []string{"/ac", "/abc", "/abcc"}, []string{"/a/c", "/abd"}},
		{"/*a*b*", []string{"/ab", "/xaxbx"}, []string{"/ba", "/b"}},
		{"/a**b", []string{"/ab", "/axb"}, []string{"/a/b"}},
		{"/***", []string{"/", "/a"}, []string{"/a/b"}},
		{"/topic/PRICE.STOCK.*.IBM", []string{"/topic/PRICE.STOCK.NASDAQ.IBM"}, []string{"/topic/PRICE.STOCK.NASDAQ.MSFT"}},
		{"/**", []string{"/", "/a", "/a/b", "//"}, []string{"", "a"}},
		{"**", []string{"", "a", "a/b"}, []string{"/a"}},
		{"/a/**", []string{"/a", "/a/", "/a/b/c"}, []string{"/", "/ab", "a/b"}},
		{"/**/a", []string{"/a", "/x/a", "/x/y/a", "/a/a"}, []string{"/a/", "/x/ab", "a"}},
		{"/a/**/b", []string{"/a/b", "/a/x/b", "/a/b/b"}, []string{"/a", "/b", "/a/b/x"}},
		{"/a/**/**/b", []string{"/a/b", "/a/x/y/b"}, []string{"/a"}},
		{"/**/a/b/**/c/**", []string{"/a/b/c", "/a/a/b/x/c/y", "/a/b/a/b/c"}, []string{"/a/c/b", "/a/b"}},
		{"/a/{x}", []string{"/a/b"}, []string{"/a", "/a/", "/a/b/c"}},
		{"/green{n}", []string{"/green", "/green7"}, []string{"/gree", "/green/7"}},
		{"/{a}-{b}", []string{"/x-y", "/-", "/x-y-z"}, []string{"/xy"}},
		{"/{ticker:(IBM|MSFT)}", []string{"/IBM", "/MSFT"}, []string{"/VMW", "/IBMx", "/xIBM"}},
		{"/{id:[0-9]{2,3}}", []string{"/12", "/123"}, []string{"/1", "/1234", "/ab"}},
		{"/{a:x|y}z?*", []string{"/xz1", "/yz12"}, []string{"/xz", "/z1", "/x"}},
		{"/{a:[^/]+}/b", []string{"/x/b"}, []string{"//b"}},
		{`/{a:\{\d\}}`, []string{"/{1}"}, []string{"/1"}},
		{`/{a:\Qx|y\E}{b}`, []string{"/x|y", "/x|yz"}, []string{"/x", "/y"}},
		{"/{a:(?i)ab}{b}", []string{"/AB", "/abC"}, []string{"/ac"}},
	} {
		check := func(sep destination.Separator, swap func(string) string) {
			p, err := destination.Parse(swap(c.pattern), sep)
			if err != nil {
				t.Errorf("%v", err)
				return
			}
			for _, d := range c.yes {
				if !p.Match(swap(d)) {
					t.Errorf("%q does not match %q", p, swap(d))
				}
			}
			for _, d := range c.no {
				if p.Match(swap(d)) {
					t.Errorf("%q matches %q", p, swap(d))
				}
			}
		}
		check(slash, func(s string) string { return s })
		check(dot, strings.NewReplacer("/", ".", ".", "/").Replace)
	}
}

func TestCapture(t *testing.T) {
	for _, c := range []struct {
		sep           destination.Separator
		pattern, dest string
		want          destination.Vars
	}{
		{slash, "/a/b", "/a/b", nil},
		{slash, "/trade/{symbol}", "/trade/IBM", destination.Vars{{"symbol", "IBM"}}},
		{slash, "/{a}/x/{b}", "/1/x/2", destination.Vars{{"a", "1"}, {"b", "2"}}},
		{dot, "red.blue.{green}", "red.blue.7", destination.Vars{{"green", "7"}}},
		{dot, "red.blue.green{n}.*", "red.blue.green12.x", destination.Vars{{"n", "12"}}},
		{slash, "/{base}-{quote}", "/a-b-c", destination.Vars{{"base", "a-b"}, {"quote", "c"}}},
		{slash, "/{a}{b}", "/xyz", destination.Vars{{"a", "xyz"}, {"b", ""}}},
		{slash, "/{a}?", "/né", destination.Vars{{"a", "n"}}},
		{slash, "/*{a}", "/xyz", destination.Vars{{"a", ""}}},
		{slash, "/**/{last}", "/a/b/c", destination.Vars{{"last", "c"}}},
		{slash, "/**/x/{a}/**/y/{b}", "/x/1/x/2/y/3/y/4", destination.Vars{{"a", "1"}, {"b", "4"}}},
		{slash, "/{id:[0-9]{2}}", "/12", destination.Vars{{"id", "12"}}},
		{slash, "/{a:(x)(y)}-{b:[a-z]+}.{c}", "/xy-q.z", destination.Vars{{"a", "xy"}, {"b", "q"}, {"c", "z"}}},
	} {
		vars, ok := destination.MustParse(c.pattern, c.sep).Capture(c.dest)
		if !ok || !slices.Equal(vars, c.want) {
			t.Errorf("%q on %q: %v %v, want %v", c.pattern, c.dest, vars, ok, c.want)
		}
	}
	if vars, ok := destination.MustParse("/{a}/x", slash).Capture("/1/y"); ok || vars != nil {
		t.Errorf("captured %v from what does not match", vars)
	}
	vars := destination.Vars{{"a", "1"}}
	if v, ok := vars.Get("a"); !ok || v != "1" {
		t.Errorf("Get(a) = %q, %v", v, ok)
	}
	if v, ok := vars.Get("b"); ok || v != "" {
		t.Errorf("Get(b) = %q, %v", v, ok)
	}
}

func TestParseError(t *testing.T) {
	for _, c := range []struct {
		pattern string
		offset  int
		reason  string
	}{
		{"/a/{b", 3, "'{' without '}'"},
		{"/a/b}", 4, "'}' without '{'"},
		{"/a/{}", 3, "variable without a name"},
		{"/a/{:x}", 3, "variable without a name"},
		{"/{a}/{a}", 5, "variable a used twice"},
		{"/{a/b}", 3, "a variable's name has letters, digits, '_', '-' and '.' only"},
		{"/{a:}", 4, "empty regular expression"},
		{"/{a:[}", 4, "error parsing regexp: missing closing ]: `[`"},
		{"/{a:x)(y}", 4, "error parsing regexp: unexpected ): `x)(y`"},
		{`/{a:\Qabc}`, 4, "error parsing regexp: missing closing ): `(\\Qabc)`"},
		{`/{a:\Qx}-{b:y\E}`, 4, "error parsing regexp: missing closing ): `(\\Qx)`"},
		{"/{a:x{1000}}", 4, "regular expression too large"},
		{"/{a:x{900}}/{b:y{900}}", 15, "regular expression too large"},
		{"/{a:" + strings.Repeat("x", 257) + "}", 4, "regular expression too large"},
		{"/é\xff", 3, "not valid UTF-8"},
	} {
		_, err := destination.Parse(c.pattern, slash)
		var syntax *destination.SyntaxError
		if !errors.As(err, &syntax) {
			t.Errorf("%q: %v", c.pattern, err)
			continue
		}
		if *syntax != (destination.SyntaxError{Pattern: c.pattern, Offset: c.offset, Reason: c.reason}) {
			t.Errorf("%q: %v, want offset %d: %s", c.pattern, err, c.offset, c.reason)
		}
	}
	defer func() {
		if got, want := recover().(error).Error(), `destination: pattern "{", position 0: '{' without '}'`; got != want {
			t.Errorf("MustParse panics with %q, want %q", got, want)
		}
	}()
	destination.MustParse("{", slash)
}

func TestPatternProperties(t *testing.T) {
	p := destination.MustParse("a.{x}.{y:.*}", dot)
	if p.String() != "a.{x}.{y:.*}" || p.Separator() != dot || p.Exact() || !slices.Equal(p.Names(), []string{"x", "y"}) {
		t.Errorf("%q %q exact %v names %v", p, p.Separator(), p.Exact(), p.Names())
	}
	if q := destination.MustParse("a.b", slash); !q.Exact() || q.Names() != nil || q.Separator() != slash {
		t.Errorf("%q exact %v names %v", q, q.Exact(), q.Names())
	}
	for pattern, want := range map[string]string{
		"/a/b":               "/a/b",
		"/a/{x}":             "/a/{}",
		"{x}/b{y}c?*":        "{}/b{}c?*",
		"/a/{x:[0-9]{2}}/**": "/a/{:[0-9]{2}}/**",
		"/a/**/**/b":         "/a/**/b",
		"/***":               "/*",
		"//*/":               "//*/",
	} {
		if got := destination.MustParse(pattern, slash).Canonical(); got != want {
			t.Errorf("canonical form of %q is %q, want %q", pattern, got, want)
		}
	}
}

func TestCost(t *testing.T) {
	for pattern, want := range map[string]int{
		"/a/b":                         0,
		"/a/*":                         2,
		"/a/price.*.?{x}":              6,
		"/a/**":                        5,
		"/a/**/a/**/b/**/c":            25,
		"/**/price.*":                  12,
		"/{x:a}":                       14, // 5 of them are instructions
		"/{x:a{9}}":                    22,
		"/**/{x:a}":                    60,
		"/" + strings.Repeat("a*", 10): 20,
	} {
		if got := destination.MustParse(pattern, slash).Cost(); got != want {
			t.Errorf("cost of %q is %d, want %d", pattern, got, want)
		}
	}
}

// TestCompare holds one chain, from the most to the least specific.
func TestCompare(t *testing.T) {
	chain := []string{
		"/hotels/foo",
		"/hotels/fo?",
		"/bestmatch/{foo}/path",
		"/hotels/{hotel:[a-z]+}",
		"/hotels/{hotel}",
		"/hotels/*",
		"/bestmatch/{foo}/{bar}",
		"/bestmatch/{foo}/*",
		"/bestmatch/*/*",
		"/**/{hotel}",
		"/hotels/**/bookings/**",
		"/hotels/{hotel}/**",
		"/hotels/**",
		"/**",
	}
	for i, a := range chain {
		for j, b := range chain {
			got := destination.Compare(destination.MustParse(a, slash), destination.MustParse(b, slash))
			if sign(got) != sign(i-j) {
				t.Errorf("Compare(%q, %q) = %d, want the sign of %d", a, b, got, i-j)
			}
		}
	}
	for _, tie := range [][2]string{{"/a/{x}", "/a/{y}"}, {"/{x}/a", "/a/{x}"}, {"/**/a", "/**/b"}} {
		if got := destination.Compare(destination.MustParse(tie[0], slash), destination.MustParse(tie[1], slash)); got != 0 {
			t.Errorf("Compare(%q, %q) = %d", tie[0], tie[1], got)
		}
	}
}

func sign(n int) int { return max(-1, min(1, n)) }

func TestHostileMatchStaysFast(t *testing.T) {
	// Each of these takes longer than the age of the universe if every wildcard is
	// tried at every place.
	long := strings.Repeat("a", 5_000)
	for pattern, dest := range map[string]string{
		"/" + strings.Repeat("a*", 50) + "b":     "/" + long,
		"/" + strings.Repeat("{x}a?*", 1) + "b":  "/" + long,
		strings.Repeat("/**/a", 50) + "/b":       strings.Repeat("/a", 5_000),
		strings.Repeat("/**/a*a*", 20) + "/b":    strings.Repeat("/aaaa", 1_000),
		"/{x:(a*)*(a*)*b}":                       "/" + long,
		"/{x:(a|a)*}" + strings.Repeat("*a", 20): "/" + long + "b",
	} {
		if destination.MustParse(pattern, slash).Match(dest) {
			t.Errorf("%q matches", pattern)
		}
	}
}
