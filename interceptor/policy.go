package interceptor

import (
	"fmt"
	"math/bits"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/destination"
)

// PolicyConfig describes the destinations that a [Policy] is about.
type PolicyConfig struct {
	// Separator divides destinations; it is that of the broker and the router. Zero
	// means "/".
	Separator destination.Separator
	// BrokerPrefixes begin the destinations that reach other clients without the
	// program in between; [Secure] keeps clients from sending there. Zero means
	// "/topic", "/queue" and "/user".
	BrokerPrefixes []string
}

// Policy says who may do what where: rules in their order, of which the first that
// matches decides. A rule matches when its pattern does and all of its options hold;
// what no rule matches is denied. [Authorize] and [AuthorizeDelivery] put it to work.
//
//	policy := interceptor.Secure(interceptor.PolicyConfig{},
//		interceptor.Allow(interceptor.Send, "/app/admin/**", interceptor.Role("admin")),
//		interceptor.Deny(interceptor.Send, "/app/admin/**"),
//		interceptor.Allow(interceptor.Send, "/app/**"),
//		interceptor.Allow(interceptor.Subscribe, "/room/{id}", interceptor.VarIsUser("id")),
//		interceptor.Allow(interceptor.Subscribe, "/topic/news", interceptor.Anonymous()),
//	)
//
// Destinations are compared as they are: "/room/kim/", "/room//kim" and "/room/%6Bim"
// are others than "/room/kim". Where somebody behind the policy decodes, as the users
// of a broker do with the name in "/user/{name}/...", a [Deny] of one spelling leaves
// the others: allow what is meant instead.
//
// A subscription whose destination has one of "*?{}", or of "#>", which are wildcards to
// brokers behind a relay, is a pattern and is denied unless a rule has [Patterns], so
// "/room/*" does not pass for a room. A "#" or ">" is read as "**", and within a segment
// as all that begins as the segment does, deeper down too. Whatever was subscribed to,
// [AuthorizeDelivery] looks at the destination of each message.
//
// The rules do not change. A policy may be asked from any goroutine and does not block. A
// question takes the time of the rules that match its destination, until one decides, and
// allocates nothing but texts, of Explain and of refusals, and what a client's pattern
// takes to be read.
type Policy struct {
	config   PolicyConfig
	source   string
	rules    []Rule
	patterns bool // some rule has Patterns
	mounted  [bothWays]atomic.Bool
	// The numbers of the rules about sending, subscribing and delivery.
	send, subscribe, deliver *destination.Index[int]
}

// NewPolicy returns a policy of these rules. It panics, and names the lines in the
// program, when one makes no sense or can never decide because an earlier one always
// does.
func NewPolicy(config PolicyConfig, rules ...Rule) *Policy { return newPolicy(config, rules) }

// Secure is [NewPolicy] that also panics over doors that few applications want open:
// clients that send to BrokerPrefixes, past the program, and clients that subscribe to
// patterns.
func Secure(config PolicyConfig, rules ...Rule) *Policy {
	p := newPolicy(config, rules)
	for i := range p.rules {
		r := &p.rules[i]
		if prefix := p.bypass(r); prefix != "" {
			panic(fmt.Sprintf("interceptor: the rule at %s lets clients send to %s, which the policy at %s does not", r.source, prefix, p.source))
		}
		if r.patterns {
			panic(fmt.Sprintf("interceptor: the rule at %s lets in patterns, which the policy at %s does not", r.source, p.source))
		}
	}
	return p
}

// newPolicy is called by what the program calls.
func newPolicy(config PolicyConfig, rules []Rule) *Policy {
	_, file, line, _ := runtime.Caller(2)
	if len(config.BrokerPrefixes) == 0 {
		config.BrokerPrefixes = []string{"/topic", "/queue", "/user"}
	}
	p := &Policy{
		config:    config,
		source:    fmt.Sprintf("%s:%d", file, line),
		rules:     slices.Clone(rules),
		send:      destination.NewIndex[int](config.Separator),
		subscribe: destination.NewIndex[int](config.Separator),
		deliver:   destination.NewIndex[int](config.Separator),
	}
	for i := range p.rules {
		p.rules[i].compile(config.Separator)
	}
	for i := range p.rules {
		r := &p.rules[i]
		if n := slices.IndexFunc(p.rules[:i], func(earlier Rule) bool { return earlier.hides(r, p.rules[i+1:]) }); n >= 0 {
			panic(fmt.Sprintf("interceptor: the rule at %s never decides, because the one at %s does", r.source, p.rules[n].source))
		}
		for _, action := range []Action{Send, Subscribe, Deliver} {
			if r.about&action != 0 {
				p.index(action).Add(r.pattern, i)
			}
		}
		p.patterns = p.patterns || r.patterns
	}
	return p
}

// index returns the rules about one action, nil for what is none.
func (p *Policy) index(action Action) *destination.Index[int] {
	switch action {
	case Send:
		return p.send
	case Subscribe:
		return p.subscribe
	case Deliver:
		return p.deliver
	}
	return nil
}

// bypass returns the first of the BrokerPrefixes below which the rule lets clients
// send, or "".
func (p *Policy) bypass(r *Rule) string {
	if !r.allow || r.about&Send == 0 {
		return ""
	}
	for _, prefix := range p.config.BrokerPrefixes {
		prefix = strings.TrimRight(prefix, "/.")
		all := []string{prefix + "/**"}
		if p.config.Separator == destination.Dot { // a prefix may still be followed by "/"
			all = []string{prefix + ".**", prefix + "/*.**"}
		}
		for _, below := range all {
			if r.pattern.Overlaps(destination.MustParse(below, p.config.Separator)) {
				return prefix
			}
		}
	}
	return ""
}

// decide returns the rule that decides, or nil when none matches.
func (p *Policy) decide(a Access) *Rule {
	if a.User != nil && a.User.Name() == "" {
		a.User = nil
	}
	index := p.index(a.Action)
	switch {
	case index == nil:
		return nil
	case a.Action == Subscribe && strings.ContainsAny(a.Destination, "*?{}#>"):
		return p.decidePattern(a)
	}
	for from := 0; from < len(p.rules); {
		var matching [4]uint64 // a bit for each rule: the index has not their order
		beyond := len(p.rules) // the first that has no bit
		for i := range index.Match(a.Destination) {
			switch n := i - from; {
			case n < 0: // asked before
			case n < 64*len(matching):
				matching[n/64] |= 1 << (n % 64)
			default:
				beyond = min(beyond, i)
			}
		}
		for n, word := range matching {
			for ; word != 0; word &= word - 1 {
				if r := &p.rules[from+64*n+bits.TrailingZeros64(word)]; r.holds(a) {
					return r
				}
			}
		}
		from = beyond
	}
	return nil
}

// foreign makes ours of the wildcards of other brokers. Theirs take any number of words
// between dots, whatever divides our segments: what begins within a segment may end
// anywhere, so the rest is left open.
func foreign(dest string, sep destination.Separator) string {
	segments := strings.Split(dest, sep.String())
	for i, s := range segments {
		switch at := strings.IndexAny(s, "#>"); {
		case at < 0:
		case len(s) == 1:
			segments[i] = "**"
		default:
			segments = append(segments[:i], strings.TrimSuffix(s[:at], ".")+"*", "**") // "a.#" takes "a" too
			return strings.Join(segments, sep.String())
		}
	}
	return strings.Join(segments, sep.String())
}

// decidePattern decides about a client's pattern: some rule must let in patterns and
// cover it, and none before that may deny a part of it. That other rules allow a part
// is no reason: they say nothing of the rest.
func (p *Policy) decidePattern(a Access) *Rule {
	if !p.patterns {
		return nil
	}
	asked, err := destination.Parse(foreign(a.Destination, p.config.Separator), p.config.Separator)
	if err != nil {
		return nil
	}
	for i := range p.rules {
		r := &p.rules[i]
		if !r.patterns || !r.pattern.Covers(asked) || !r.holds(a) {
			continue
		}
		for j := range p.rules[:i] {
			// What its functions would say is not known of a pattern.
			if d := &p.rules[j]; !d.allow && d.about&Subscribe != 0 && d.admits(a.User) && d.pattern.Overlaps(asked) {
				return d
			}
		}
		return r
	}
	return nil
}

// check returns the error for what the user of a session may not do.
func (p *Policy) check(s *message.Session, action Action, dest string) error {
	a := Access{User: s.User(), Session: s, Action: action, Destination: dest}
	if r := p.decide(a); r != nil && r.allow {
		return nil
	}
	return denied(a)
}

// denied says no more than the sender knows: not which rule there is.
func denied(a Access) error {
	if a.User == nil {
		return message.Errorf(message.CodeUnauthenticated, "to %s %.200q needs a login", verbs[a.Action], a.Destination)
	}
	return message.Errorf(message.CodeDenied, "to %s %.200q is not allowed", verbs[a.Action], a.Destination)
}

var verbs = map[Action]string{Send: "send to", Subscribe: "subscribe to", Deliver: "receive from"}
