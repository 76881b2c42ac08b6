package codec

import (
	"fmt"
	"mime"
	"slices"
	"strings"

	"github.com/headrace/headrace/message"
)

// Set finds the codec for a content type. It never changes. A nil Set and the
// zero value serve the built-in codecs.
type Set struct {
	own    []entry
	strict bool
}

// entry is one pattern of a codec, cut at its star.
type entry struct {
	prefix, suffix string
	wild           bool
	codec          Codec
}

var builtIn = slices.Concat(entries(JSON{}), entries(Text{}), entries(Bytes{}))

// NewSet returns a set that asks codecs in their order and the built-in ones
// last. It panics when a media type is malformed and when a codec serves none.
func NewSet(codecs ...Codec) *Set {
	s := new(Set)
	for _, c := range codecs {
		s.own = append(s.own, entries(c)...)
	}
	return s
}

// Strict returns a set like s that refuses to read a payload without a content
// type, where s leaves it to the Go type. s may be nil.
func (s *Set) Strict() *Set {
	strict := Set{strict: true}
	if s != nil {
		strict.own = s.own
	}
	return &strict
}

func (s *Set) isStrict() bool { return s != nil && s.strict }

func entries(c Codec) []entry {
	var all []entry
	patterns := c.MediaTypes()
	if len(patterns) == 0 {
		panic(fmt.Sprintf("codec: %T serves no media type", c))
	}
	for _, pattern := range patterns {
		if pattern == "*/*" {
			all = append(all, entry{wild: true, codec: c})
			continue
		}
		main, sub, _ := strings.Cut(pattern, "/")
		if main == "" || sub == "" || !simple(main) || !simple(strings.Replace(sub, "*", "", 1)) {
			panic(fmt.Sprintf("codec: %T serves %q: want lower case \"type/subtype\" with at most one * after the slash, or \"*/*\"", c, pattern))
		}
		e := entry{codec: c}
		e.prefix, e.suffix, e.wild = strings.Cut(pattern, "*")
		all = append(all, e)
	}
	return all
}

func (e *entry) matches(mediaType string) bool {
	if !e.wild {
		return e.prefix == mediaType
	}
	return len(mediaType) > len(e.prefix)+len(e.suffix) &&
		strings.HasPrefix(mediaType, e.prefix) && strings.HasSuffix(mediaType, e.suffix)
}

// find returns the codec for a content type and the media type without its
// parameters.
func (s *Set) find(contentType string) (c Codec, mediaType string, err error) {
	mediaType, err = parse(contentType)
	if err != nil {
		return nil, "", err
	}
	lists := [2][]entry{1: builtIn}
	if s != nil {
		lists[0] = s.own
	}
	for _, list := range lists {
		for i := range list {
			if list[i].matches(mediaType) {
				return list[i].codec, mediaType, nil
			}
		}
	}
	return nil, "", message.Errorf(message.CodeInvalid, "content type %.80q is not supported", mediaType)
}

// parse returns the media type of a content type. Text is UTF-8 here, so any
// other charset is refused rather than read wrongly.
func parse(contentType string) (string, error) {
	if simple(contentType) {
		return contentType, nil // no parameters: the usual case, without allocation
	}
	mediaType, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return "", message.Errorf(message.CodeInvalid, "content type %.80q is malformed", contentType).WithCause(err)
	}
	switch charset := strings.ToLower(params["charset"]); charset {
	case "", "utf-8", "utf8", "us-ascii":
		return mediaType, nil
	default:
		return "", message.Errorf(message.CodeInvalid, "charset %.80q is not supported, want utf-8", charset)
	}
}

// simple reports whether s consists of the characters that mime would pass
// unchanged.
func simple(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '/' && c != '+' && c != '-' && c != '.' {
			return false
		}
	}
	return true
}
