package interceptor

import (
	"fmt"
	"strings"

	"github.com/headrace/headrace/message"
)

// Verdict is what a [Policy] says to one question, and why.
type Verdict struct {
	// Allowed is the answer.
	Allowed bool
	// Rule is the rule that decided, for reading. It is empty when none did, which
	// denies.
	Rule string
	// Source is where in the program, as file:line, that rule is made; the policy when
	// no rule decided.
	Source string

	unasked string // why no rule was asked
}

// String returns the verdict in one line.
func (v Verdict) String() string {
	switch {
	case v.unasked != "":
		return "denied: " + v.unasked
	case v.Allowed:
		return "allowed: " + v.Rule + " at " + v.Source
	case v.Rule == "":
		return "denied: no rule of the policy at " + v.Source + " matches"
	}
	return "denied: " + v.Rule + " at " + v.Source
}

// Explain says how the policy decides and which rule does it. A nil user is nobody who
// is logged in. Functions of [If] are called, without a session. It is asked about one
// action: several, or none, are denied, and the verdict says so.
func (p *Policy) Explain(user message.Principal, action Action, destination string) Verdict {
	if p.index(action) == nil {
		return Verdict{Source: p.source, unasked: fmt.Sprintf("%q is not one action: ask about each", action)}
	}
	r := p.decide(Access{User: user, Action: action, Destination: destination})
	if r == nil {
		return Verdict{Source: p.source}
	}
	return Verdict{Allowed: r.allow, Rule: r.String(), Source: r.source}
}

// Doors returns what the policy leaves open. First comes all of it, on the way in until
// [Authorize] is mounted and on the way out until [AuthorizeDelivery] is, which may be
// later: see [message.Doors.Unless]. Then comes what the rules open wide, in their order:
// to those who are not logged in; to all users at destinations that are not named one by
// one; past the program, to BrokerPrefixes; and to clients' patterns. It is never nil.
func (p *Policy) Doors() message.Doors {
	doors := message.Doors{}.
		Unless(&p.mounted[inward], p.source, "clients may send and subscribe whatever the policy says, for no Authorize is mounted").
		Unless(&p.mounted[outward], p.source, "clients may receive whatever the policy says, for no AuthorizeDelivery is mounted").
		Open()
	for i := range p.rules {
		r := &p.rules[i]
		if !r.allow {
			continue
		}
		open := func(format string, args ...any) {
			doors = append(doors, message.Door{Where: r.source, What: fmt.Sprintf(format, args...)})
		}
		var ways []string
		for _, action := range []Action{Send, Subscribe, Deliver} {
			if r.actions&action != 0 {
				ways = append(ways, verbs[action])
			}
		}
		may := fmt.Sprintf("may %s %s", strings.Join(ways, " and "), r.text)
		if r.anonymous {
			open("who is not logged in %s", may)
		}
		if r.certain() && !r.pattern.Exact() {
			open("every user %s", may)
		}
		if prefix := p.bypass(r); prefix != "" {
			open("clients may send past the program: to %s, which reaches below %s", r.text, prefix)
		}
		if r.patterns {
			open("clients may subscribe to patterns below %s", r.text)
		}
	}
	return doors
}
