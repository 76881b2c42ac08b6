// Package destination says which destinations a pattern matches, which of
// several patterns is the most specific, and which subscriptions a destination
// has.
//
//	"/topic/price.*"  ── Parse ──► Pattern ── Match, Capture, Compare
//	                                  │
//	                            Index.Add(pattern, v)
//	                                  │
//	"/topic/price.IBM" ─────── Index.Match ──► v, v, v ...
//
// # Patterns
//
// The syntax is that of Ant paths, as in Spring's AntPathMatcher. A destination
// is divided into segments by a [Separator], '/' or '.':
//
//	?            one character
//	*            zero or more characters of one segment
//	**           zero or more whole segments; it stands alone in its segment
//	{name}       like *, and captures what it matches; when it is a whole segment, that must not be empty
//	{name:regex} what the regular expression (Go's regexp, anchored) matches
//
// Several of them may stand in one segment: "green{n}", "{base}-{quote}". The
// first of several variables takes as much as it can. A regular expression may
// contain the separator and balanced braces; a lone brace in it is escaped with
// a backslash; "^", "$" and "\b" in it see the whole segment. Everything else stands for itself, case and empty segments
// included: "/a//b" does not match "/a/b". A pattern that begins with the
// separator matches only destinations that do, and the reverse: "/**" matches
// "/a" but not "a".
//
// # Specificity
//
// [Compare] orders patterns so that a router can take the most specific of those
// that match; see there for the rules and for where they differ from Spring's.
//
// # Concurrency
//
// A [Pattern] is immutable and may be used from any goroutine. All methods of
// [Index] may be called from any goroutine. A look-up takes no lock and
// allocates nothing; Add and Remove wait for one another only.
//
// # Ordering
//
// The order in which [Index.Match] visits subscriptions is not promised.
package destination
