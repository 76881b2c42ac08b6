package interceptor

import (
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/destination"
)

// Action is what a [Policy] decides about. Several are joined with "|".
type Action uint8

// The actions.
const (
	// Send is a client's message to a destination.
	Send Action = 1 << iota
	// Subscribe is a client's subscription to a destination, and the delivery of
	// what is sent there: who may subscribe is delivered.
	Subscribe
	// Deliver is delivery alone, for what the program subscribes a session to.
	Deliver
)

// String returns the actions as they are written, such as "send|subscribe".
func (a Action) String() string {
	var names []string
	for i, name := range []string{"send", "subscribe", "deliver"} {
		if a&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, "|")
}

// Access is one question to a [Policy]: may this user do that there?
type Access struct {
	// User is who asks: nil when nobody is logged in. A principal without a name is
	// nobody.
	User message.Principal
	// Session is the user's session. It is nil for [Policy.Explain].
	Session *message.Session
	// Action is the one thing that is to be done.
	Action Action
	// Destination is where. A subscription's may be a pattern where the rule has
	// [Patterns].
	Destination string

	pattern destination.Pattern // of the rule that looks
}

// Var returns what the variable of the rule's pattern matched, or "" when the
// pattern has no such variable. It is the text of the destination as it is:
// nothing is decoded.
func (a Access) Var(name string) string {
	value, _ := a.pattern.Value(a.Destination, name)
	return value
}

// Rule is one line of a [Policy], made by [Allow] or [Deny].
type Rule struct {
	allow     bool
	actions   Action
	text      string
	source    string
	anonymous bool
	patterns  bool
	roles     [][]string // one of each
	when      []func(Access) bool
	needs     []string // the variables that when asks for
	words     []string // the options, for reading

	// Once it is part of a policy:
	pattern destination.Pattern
	about   Action // actions, with what comes of them
}

// RuleOption narrows or widens a [Rule]: [Role], [VarIsUser], [If], [Anonymous],
// [Patterns]. Of those that narrow it all must hold.
type RuleOption func(*Rule)

// Allow lets logged-in users do the actions at the destinations that pattern
// matches, see [destination.Parse].
func Allow(actions Action, pattern string, options ...RuleOption) Rule {
	return newRule(true, actions, pattern, options)
}

// Deny refuses the actions at the destinations that pattern matches, whoever asks,
// before a later rule may allow them. A client's pattern subscription is refused
// when it could match one of these destinations.
func Deny(actions Action, pattern string, options ...RuleOption) Rule {
	return newRule(false, actions, pattern, options)
}

func newRule(allow bool, actions Action, pattern string, options []RuleOption) Rule {
	_, file, line, _ := runtime.Caller(2)
	r := Rule{allow: allow, actions: actions, text: pattern, source: fmt.Sprintf("%s:%d", file, line)}
	for _, o := range options {
		o(&r)
	}
	return r
}

// Role narrows a rule to users who have one of the roles, see
// [message.RoleHolder]. Two of this option ask for one role of each.
func Role(roles ...string) RuleOption {
	return func(r *Rule) {
		r.roles = append(r.roles, slices.Clone(roles))
		r.words = append(r.words, "role "+strings.Join(roles, " or "))
	}
}

// VarIsUser narrows a rule to destinations in which the variable is the user's name,
// byte by byte: a name is never a pattern. NewPolicy panics when the pattern has no
// such variable.
func VarIsUser(name string) RuleOption {
	return func(r *Rule) {
		r.needs = append(r.needs, name)
		r.when = append(r.when, func(a Access) bool {
			return a.User != nil && a.Var(name) == a.User.Name()
		})
		r.words = append(r.words, "{"+name+"} is the user")
	}
}

// If narrows a rule by a function of the program. It is called for every message
// that comes so far, for each receiver of a broadcast too, and from any goroutine,
// so it must be quick and must not block; what takes longer is prepared at login and
// read from the principal or the session.
func If(when func(Access) bool) RuleOption {
	return func(r *Rule) {
		r.when = append(r.when, when)
		r.words = append(r.words, "a function agrees")
	}
}

// Anonymous widens an [Allow] to those who are not logged in.
func Anonymous() RuleOption {
	return func(r *Rule) {
		r.anonymous = true
		r.words = append(r.words, "anonymous too")
	}
}

// Patterns widens an [Allow] of [Subscribe] to subscriptions to patterns, if the
// rule's own pattern covers the client's as [destination.Pattern.Covers] says:
// "/prices/**" lets in "/prices/*" and "/prices/*/bid", "/prices/*" does not let in
// "/prices/**". A variable must be spelled out: "/room/{id}/**" lets in
// "/room/kim/*", with id being kim, and never "/room/*/x". A client's regular
// expressions are not let in at all.
func Patterns() RuleOption {
	return func(r *Rule) {
		r.patterns = true
		r.words = append(r.words, "patterns too")
	}
}

// String returns the rule for reading, such as: allow subscribe "/room/{id}" ({id}
// is the user).
func (r Rule) String() string {
	verb := "deny"
	if r.allow {
		verb = "allow"
	}
	text := verb + " " + r.actions.String() + " " + strconv.Quote(r.text)
	if len(r.words) > 0 {
		text += " (" + strings.Join(r.words, ", ") + ")"
	}
	return text
}

// compile reads the pattern. It panics over what the rule cannot mean.
func (r *Rule) compile(sep destination.Separator) {
	must := func(ok bool, format string, args ...any) {
		if !ok {
			panic(fmt.Sprintf("interceptor: the rule at "+r.source+" "+format, args...))
		}
	}
	must(r.source != "", "is not made by Allow or Deny")
	must(r.actions != 0 && r.actions <= Send|Subscribe|Deliver, "names no action")
	must(r.allow || !r.anonymous && !r.patterns, "denies, which is for everybody and for patterns already")
	must(!r.patterns || r.actions&Subscribe != 0, "lets patterns in, but no subscription")
	must(!slices.ContainsFunc(r.when, func(f func(Access) bool) bool { return f == nil }), "has an If without a function")
	must(!slices.ContainsFunc(r.roles, func(some []string) bool { return len(some) == 0 }), "has a Role without roles")
	pattern, err := destination.Parse(r.text, sep)
	must(err == nil, "has no pattern: %v", err)
	for _, name := range r.needs {
		must(slices.Contains(pattern.Names(), name), "compares {%s} with the user, but %q has no such variable", name, r.text)
	}
	// Behind "**" a variable is not at one place, so a client's pattern has no value for it.
	free := strings.Index(r.text, "**")
	must(!r.patterns || free < 0 || free > strings.LastIndexByte(r.text, '{'), `lets patterns in, but has a variable behind "**"`)
	r.pattern, r.about = pattern, r.actions
	if r.about&Subscribe != 0 {
		r.about |= Deliver
	}
}

// admits reports whether the rule is about this user.
func (r *Rule) admits(user message.Principal) bool {
	if user == nil && r.allow && !r.anonymous {
		return false
	}
	if len(r.roles) == 0 {
		return true
	}
	holder, ok := user.(message.RoleHolder)
	if !ok {
		return false
	}
	for _, some := range r.roles {
		if !slices.ContainsFunc(some, holder.HasRole) {
			return false
		}
	}
	return true
}

// holds reports whether the rule, whose pattern matches, decides about the access.
func (r *Rule) holds(a Access) bool {
	if !r.admits(a.User) {
		return false
	}
	a.pattern = r.pattern
	for _, when := range r.when {
		if !when(a) {
			return false
		}
	}
	return true
}

// certain reports whether the rule decides wherever its pattern matches.
func (r *Rule) certain() bool { return len(r.roles) == 0 && len(r.when) == 0 }

// hides reports whether the rule decides wherever a later one could; rest are the rules
// behind that one.
func (r *Rule) hides(later *Rule, rest []Rule) bool {
	return r.certain() && later.about&^r.about == 0 && r.pattern.Covers(later.pattern) &&
		(!r.allow || (r.anonymous || !later.matters(rest, (*Rule).takesAnonymous)) && (r.patterns || !later.matters(rest, (*Rule).takesPatterns)))
}

// matters reports whether the rule decides something about those, nobody or patterns, whom
// an Allow takes in by an option: it is such a one itself, or it denies what such a one
// of rest would allow.
func (r *Rule) matters(rest []Rule, takes func(*Rule) bool) bool {
	if r.allow {
		return takes(r)
	}
	return slices.ContainsFunc(rest, func(next Rule) bool {
		return takes(&next) && next.about&r.about != 0 && next.pattern.Overlaps(r.pattern)
	})
}

func (r *Rule) takesAnonymous() bool { return r.anonymous }
func (r *Rule) takesPatterns() bool  { return r.patterns }
