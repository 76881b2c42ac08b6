package sockjs

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"
)

func TestParseMessages(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want []string // nil: broken
	}{
		{`[]`, []string{}},
		{` [ ] `, []string{}},
		{`["a"]`, []string{"a"}},
		{"\t[ \"a\" ,\r\n\"b\" ] ", []string{"a", "b"}},
		{`[""]`, []string{""}},
		{`"one"`, []string{"one"}},
		{` "one" `, []string{"one"}},
		{`["\"\\\/\b\f\n\r\t\u0000\u2028"]`, []string{"\"\\/\b\f\n\r\t\x00\u2028"}},
		{`["\uD83D\ude00"]`, []string{"😀"}},
		{`["\ud83d","\ude00\ud83d","\ud83d\ud83d\ude00x"]`, []string{"\ufffd", "\ufffd\ufffd", "\ufffd😀x"}},
		{"[\"\u2028\x7f\ufeff\"]", []string{"\u2028\x7f\ufeff"}},
		{``, nil}, {` `, nil}, {`[`, nil}, {`]`, nil}, {`["a"`, nil}, {`["a`, nil}, {`["a\`, nil}, {`["a\"]`, nil},
		{`[,]`, nil}, {`["a",]`, nil}, {`[,"a"]`, nil}, {`["a""b"]`, nil}, {`["a"]]`, nil}, {`["a"] x`, nil}, {`"a" "b"`, nil},
		{`{}`, nil}, {`[1]`, nil}, {`[null]`, nil}, {`[["a"]]`, nil}, {`{"a":"b"}`, nil}, {`true`, nil}, {`['a']`, nil},
		{`["\x"]`, nil}, {`["\u00g0"]`, nil}, {`["\u00"]`, nil}, {`["\u 123"]`, nil}, {"[\"a\nb\"]", nil}, {"[\"\x00\"]", nil},
		{"[\"\xff\"]", nil}, {"\xef\xbb\xbf[]", nil}, {"[]\x00", nil},
	} {
		got, err := parseMessages([]byte(tt.in), 10)
		if tt.want == nil {
			if !errors.Is(err, errBroken) {
				t.Errorf("%q: %q, %v", tt.in, got, err)
			}
			continue
		}
		if err != nil || !slices.EqualFunc(got, tt.want, func(a []byte, b string) bool { return string(a) == b }) {
			t.Errorf("%q: %q, %v; want %q", tt.in, got, err, tt.want)
		}
	}
}

func TestParseMessagesLimit(t *testing.T) {
	if got, err := parseMessages([]byte(`["1","2","3"]`), 3); len(got) != 3 || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := parseMessages([]byte(`["1","2","3","4"]`), 3); !errors.Is(err, errTooMany) {
		t.Errorf("%v", err)
	}
	// It stops there: what follows is not even read.
	if _, err := parseMessages([]byte(strings.Repeat(`["1","2","3",`, 1e5)), 3); !errors.Is(err, errTooMany) && !errors.Is(err, errBroken) {
		t.Errorf("%v", err)
	}
}

// TestEscapes: what browsers lose in transit is escaped, byte for byte as the
// protocol's test has it.
func TestEscapes(t *testing.T) {
	for r := rune(0); r < 0x10000; r++ {
		if utf16.IsSurrogate(r) {
			continue
		}
		got := string(appendString(nil, []byte(string(r))))
		escaped := r < 0x20 || r == '"' || r == '\\' || r >= 0x200c && r <= 0x200f || r >= 0x2028 && r <= 0x202f ||
			r >= 0x2060 && r <= 0x206f || r >= 0xfff0
		want := `"` + string(r) + `"`
		switch r {
		case '\b', '\f', '\n', '\r', '\t', '"', '\\':
			want = `"\` + string("bfnrt\"\\"[strings.IndexRune("\b\f\n\r\t\"\\", r)]) + `"`
		default:
			if escaped {
				want = `"\u` + strings.ToLower(hex4(r)) + `"`
			}
		}
		if got != want {
			t.Errorf("%U: %s, want %s", r, got, want)
		}
	}
	for in, want := range map[string]string{
		"😀":        `"\ud83d\ude00"`,
		"a\xffb":   `"a\ufffdb"`,
		"</script": `"</script"`,
		"":         `""`,
	} {
		if got := string(appendString(nil, []byte(in))); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
	if got := string(appendScript(nil, []byte("</script"))); got != `"\u003c/script"` {
		t.Error(got)
	}
}

func hex4(r rune) string {
	s := ""
	for i := 12; i >= 0; i -= 4 {
		s += string(hexDigits[r>>i&0xf])
	}
	return s
}

func FuzzParseMessages(f *testing.F) {
	for _, s := range []string{`[]`, `["a"]`, `"a"`, `["\ud83d\ude00","\u0000"]`, `["a",]`, `[[]]`, `["\ud83d\u0041"]`, "[\"\xff\"]", ` [ "a" , "b" ] `} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := parseMessages(bytes.Clone(in), 1000)
		var want []string
		valid := utf8.Valid(in) && json.Unmarshal(in, &want) == nil && want != nil
		if !valid {
			var one string
			valid = utf8.Valid(in) && bytes.HasPrefix(trimSpace(in), []byte(`"`)) && json.Unmarshal(in, &one) == nil
			want = []string{one}
		}
		// encoding/json makes "" of null.
		valid = valid && !hasNull(in)
		if len(want) > 1000 {
			return
		}
		if valid != (err == nil) {
			t.Fatalf("%q: %v, but encoding/json: %v", in, err, valid)
		}
		if err == nil && !slices.EqualFunc(got, want, func(a []byte, b string) bool { return string(a) == b }) {
			t.Fatalf("%q: %q, want %q", in, got, want)
		}
	})
}

// hasNull reports whether an array has an element that is null.
func hasNull(in []byte) bool {
	var elements []*string
	return json.Unmarshal(in, &elements) == nil && slices.Contains(elements, nil)
}

// FuzzEncode: what is encoded is JSON, ASCII where it has to be, and what a
// browser decodes is what was sent.
func FuzzEncode(f *testing.F) {
	for _, s := range []string{"", "a", "\x00\u2028\ufeff😀</script>", "\xff\xed\xa0\x80"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		want := string([]rune(string(in))) // one U+FFFD a byte
		for _, encoded := range [][]byte{appendString(nil, in), appendScript(nil, in)} {
			var got string
			if err := json.Unmarshal(encoded, &got); err != nil || got != want {
				t.Fatalf("%q: %s decodes to %q, %v", in, encoded, got, err)
			}
			if bytes.ContainsAny(encoded, "\r\n\u2028\u2029") {
				t.Fatalf("%q: a line break in %q", in, encoded)
			}
			back, err := parseMessages(append(append([]byte("["), encoded...), ']'), 1)
			if err != nil || string(back[0]) != want {
				t.Fatalf("%q: parsed %q, %v", in, back, err)
			}
		}
		if bytes.IndexByte(appendScript(nil, in), '<') >= 0 {
			t.Fatalf("%q: < in a script", in)
		}
	})
}
