package interceptor_test

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/headrace/headrace/interceptor"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/message/destination"
)

// member is a user with roles.
type member struct {
	message.User
	roles []string
}

func (m member) HasRole(role string) bool { return slices.Contains(m.roles, role) }

var (
	kim   = message.User("kim")
	admin = member{"ann", []string{"audit", "admin"}}
)

const (
	send      = interceptor.Send
	subscribe = interceptor.Subscribe
	deliver   = interceptor.Deliver
)

// question is one line of a table about a policy.
type question struct {
	user   message.Principal
	action interceptor.Action
	dest   string
	want   bool
}

func ask(t *testing.T, p *interceptor.Policy, questions []question) {
	t.Helper()
	for _, q := range questions {
		if v := p.Explain(q.user, q.action, q.dest); v.Allowed != q.want {
			t.Errorf("%v %v %q: %v", q.user, q.action, q.dest, v)
		}
	}
}

func TestPolicyFirstMatchWins(t *testing.T) {
	ask(t, interceptor.NewPolicy(interceptor.PolicyConfig{},
		interceptor.Allow(send, "/app/admin/status", interceptor.Anonymous()),
		interceptor.Allow(send|subscribe, "/app/admin/**", interceptor.Role("admin")),
		interceptor.Deny(send, "/app/admin/**"),
		interceptor.Allow(send, "/app/**"),
		interceptor.Allow(subscribe, "/topic/*", interceptor.If(func(a interceptor.Access) bool { return a.User.Name() == "ann" })),
		interceptor.Allow(deliver, "/topic/live"),
	), []question{
		{nil, send, "/app/admin/status", true},
		{message.User(""), send, "/app/admin/status", true},
		{nil, send, "/app/x", false},
		{message.User(""), send, "/app/x", false},
		{kim, send, "/app/x", true},
		{kim, send, "/app/admin/x", false},
		{admin, send, "/app/admin/x", true},
		{admin, subscribe, "/app/admin/x", true},
		{admin, deliver, "/app/admin/x", true}, // who may subscribe is delivered
		{kim, subscribe, "/app/x", false},      // a rule of Send is none of Subscribe
		{kim, deliver, "/app/x", false},
		{kim, subscribe, "/topic/live", false}, // nor one of Deliver
		{kim, deliver, "/topic/live", true},
		{admin, subscribe, "/topic/live", true},
		{admin, send, "/topic/live", false},
		{admin, send, "/other", false},
		{admin, send, "", false},
		{admin, send | subscribe, "/app/x", false}, // one question at a time
		{admin, 0, "/app/x", false},
	})
}

func TestPolicyRoles(t *testing.T) {
	ask(t, interceptor.NewPolicy(interceptor.PolicyConfig{},
		interceptor.Deny(send, "/both", interceptor.Role("banned")),
		interceptor.Allow(send, "/either", interceptor.Role("admin", "chief")),
		interceptor.Allow(send, "/both", interceptor.Role("admin"), interceptor.Role("audit")),
		interceptor.Allow(send, "/open", interceptor.Role("admin"), interceptor.Anonymous()),
	), []question{
		{admin, send, "/either", true},
		{member{"bob", []string{"chief"}}, send, "/either", true},
		{member{"bob", nil}, send, "/either", false},
		{kim, send, "/either", false},
		{admin, send, "/both", true},
		{member{"bob", []string{"admin"}}, send, "/both", false},
		{member{"bob", []string{"admin", "audit", "banned"}}, send, "/both", false},
		{nil, send, "/open", false}, // nobody has no role
	})
}

// A Deny is for those who are not logged in as well, whatever a later rule lets them.
func TestPolicyDenyHoldsForNobody(t *testing.T) {
	ask(t, interceptor.NewPolicy(interceptor.PolicyConfig{},
		interceptor.Deny(send|subscribe, "/topic/secret"),
		interceptor.Deny(deliver, "/topic/later"),
		interceptor.Allow(send|subscribe, "/topic/{x}", interceptor.Anonymous(), interceptor.Patterns()),
	), []question{
		{nil, send, "/topic/secret", false},
		{nil, subscribe, "/topic/secret", false},
		{nil, deliver, "/topic/secret", false},
		{nil, subscribe, "/topic/s*", false},
		{nil, subscribe, "/topic/later", true},
		{nil, deliver, "/topic/later", false},
		{message.User(""), deliver, "/topic/later", false},
		{nil, deliver, "/topic/news", true},
	})
}

// The rules that match are asked in their order, each once and none behind the one that
// decides, however many there are.
func TestPolicyAsksInOrder(t *testing.T) {
	const n = 700
	var asked []int
	decides := n
	rules := make([]interceptor.Rule, n)
	for i := range rules {
		pattern := []string{"/app/{a}/*", "/app/**", "/app/*/x", "/app/room/x"}[i%4]
		rules[i] = interceptor.Allow(send, pattern, interceptor.If(func(interceptor.Access) bool {
			asked = append(asked, i)
			return i == decides
		}))
	}
	for i := 300; i < 600; i++ { // a stretch without one that matches
		rules[i] = interceptor.Allow(send, fmt.Sprint("/other/", i))
	}
	p := interceptor.NewPolicy(interceptor.PolicyConfig{}, rules...)
	for _, decides = range []int{0, 17, 63, 64, 255, 256, 299, 600, 699, n} {
		var want []int
		for i := range min(decides+1, n) {
			if i < 300 || i >= 600 {
				want = append(want, i)
			}
		}
		asked = nil
		if v := p.Explain(kim, send, "/app/room/x"); v.Allowed != (decides < n) || !slices.Equal(asked, want) {
			t.Errorf("rule %d is to decide: %v, %d rules are asked: %v", decides, v, len(asked), asked)
		}
	}
}

// A room is reached by its own name, and no spelling of a destination, and no pattern,
// reaches another.
func TestPolicyRoomsCannotBeReachedByTricks(t *testing.T) {
	for _, tt := range []struct {
		sep   destination.Separator
		rules []interceptor.Rule
		own   string
		not   string // by white space; none of it may be allowed to kim
	}{
		{destination.Slash, []interceptor.Rule{interceptor.Allow(subscribe|send, "/room/{id}", interceptor.VarIsUser("id"))}, "/room/kim",
			"/room/* /room/{x} /room/{x:kim} /room/{id} /** /*/* /*/kim /room/** /room/k* /room/ki? /room/?im /room/kim/** /room/kim/* " +
				"/room/kim/ //room/kim /room//kim /room/kim// /room/./kim /room/../room/kim /room/x/../kim /room/%6Bim /room/kim%2F /room%2Fkim " +
				"/room/KIM /room/ /room /room/ann room/kim .room.kim /room.kim /room/kim.x /room/{ /room/} /room/kim{} * ** / /room/kim\x00 /room/kım"},
		{destination.Dot, []interceptor.Rule{interceptor.Allow(subscribe|send, "/topic/room.{id}", interceptor.VarIsUser("id"))}, "/topic/room.kim",
			"/topic/room.* /topic/room.{x} /topic/** ** /topic/room.** /topic/*.kim *.kim /topic/room.kim. /topic/room..kim .topic.room.kim /topic.room.kim " +
				"/topic/room.%6Bim /topic/room/kim /topic/room.kim/x /topic/room. /topic/room.kim.*"},
		{destination.Slash, []interceptor.Rule{interceptor.Allow(subscribe|send, "/room/{id}/**", interceptor.VarIsUser("id"), interceptor.Patterns())}, "/room/kim/x",
			"/room/*/x /room/** /** /room/{id}/x /room/{id:kim}/** /room/k*/x /room/?im/x /*/kim/x /room/**/kim /room/*/kim /room//kim/x " +
				"/room/kim/{x:a} /room/kim/{x /room/ann/* /room/ /room/kim*/x"},
	} {
		p := interceptor.NewPolicy(interceptor.PolicyConfig{Separator: tt.sep}, tt.rules...)
		if v := p.Explain(kim, subscribe, tt.own); !v.Allowed {
			t.Errorf("%q: %v", tt.own, v)
		}
		for _, dest := range append(strings.Fields(tt.not), "", " ", "/room/ kim", " "+tt.own, "\n"+tt.own) {
			for _, user := range []message.Principal{kim, message.User("*"), message.User("**"), message.User("{id}"), message.User("k*"), nil} {
				if v := p.Explain(user, subscribe, dest); v.Allowed {
					t.Errorf("%v may subscribe to %q: %v", user, dest, v)
				}
			}
			if v := p.Explain(kim, send, dest); v.Allowed && !strings.HasPrefix(dest, "/room/kim/") {
				t.Errorf("kim may send to %q: %v", dest, v)
			}
		}
	}
}

func TestPolicyPatterns(t *testing.T) {
	ask(t, interceptor.NewPolicy(interceptor.PolicyConfig{},
		interceptor.Deny(subscribe, "/prices/gold/**", interceptor.Role("trial")),
		interceptor.Deny(subscribe, "/prices/secret/{x}", interceptor.If(func(interceptor.Access) bool { return false })),
		interceptor.Deny(send, "/prices/tin"),
		interceptor.Allow(subscribe, "/prices/**", interceptor.Patterns()),
		interceptor.Allow(subscribe, "/room/{id}/**", interceptor.VarIsUser("id"), interceptor.Patterns()),
		interceptor.Allow(subscribe, "/plain/**"),
	), []question{
		{kim, subscribe, "/prices/gold/bid", true},
		{kim, subscribe, "/prices/gold/*", true},
		{kim, subscribe, "/prices/t*", true},
		{kim, subscribe, "/prices/*/bid", false}, // /prices/secret/bid: of a pattern the function is not asked
		{kim, subscribe, "/prices/secret/bid", true},
		{kim, subscribe, "/prices/**", false},
		{kim, subscribe, "/prices/*", true}, // not /prices/secret/x
		{member{"bob", []string{"trial"}}, subscribe, "/prices/gold/*", false},
		{member{"bob", []string{"trial"}}, subscribe, "/prices/*", false}, // "/prices/gold"
		{member{"bob", []string{"trial"}}, subscribe, "/prices/tin/*", true},
		{nil, subscribe, "/prices/tin/*", false},
		{kim, subscribe, "/price*/tin", false},
		{kim, subscribe, "/room/kim/*", true},
		{kim, subscribe, "/room/kim/**", true},
		{kim, subscribe, "/room/ann/*", false},
		{kim, subscribe, "/plain/x", true},
		{kim, subscribe, "/plain/*", false},
		{kim, subscribe, "/plain/#", false},   // a wildcard of RabbitMQ's
		{kim, subscribe, "/plain/x.>", false}, // and one of ActiveMQ's
		{kim, subscribe, "/prices/#", false},  // /prices/secret/bid
		{kim, subscribe, "/prices/tin/#", true},
		{kim, subscribe, "/prices/tin/t.>", true},
		{member{"bob", []string{"trial"}}, subscribe, "/prices/#", false},
		{kim, send, "/plain/#", false},
		{kim, send, "/prices/*", false},
	})
}

// The wildcards of brokers behind a relay take any number of words between dots, whatever
// divides the destinations of the policy: none passes a rule for one word, nor a Deny.
func TestPolicyForeignPatterns(t *testing.T) {
	for sep, tt := range map[destination.Separator]struct {
		rules    []interceptor.Rule
		yes, not string // by white space
	}{
		destination.Dot: {[]interceptor.Rule{
			interceptor.Deny(subscribe, "/topic/prices.secret.{x}"),
			interceptor.Deny(subscribe, "/topic/quotes.gold"),
			interceptor.Allow(subscribe, "/topic/prices.*", interceptor.Patterns()),
			interceptor.Allow(subscribe, "/topic/quotes.**", interceptor.Patterns()),
			interceptor.Allow(subscribe, "/topic/news.**.eu", interceptor.Patterns()),
		}, "/topic/prices.* /topic/quotes.tin.# /topic/quotes.tin.> /topic/quotes.tin.#.eu /topic/quotes.tin.t# /topic/news.#.eu /topic/news.*.#.eu",
			"/topic/prices.# /topic/prices.> /topic/prices.#.# /topic/prices.*.# /topic/prices.tin.# /topic/prices# /topic/# /topic/> /topic/#.tin # > #.tin " +
				"/topic/quotes.# /topic/quotes.> /topic/quotes.#.gold /topic/quotes.g# /topic/quotes.gold.# /topic/news.# /topic/news.#eu /topic/news.x#.eu"},
		destination.Slash: {[]interceptor.Rule{
			interceptor.Deny(subscribe, "/topic/prices.secret.{x}"),
			interceptor.Deny(subscribe, "/topic/quotes"),
			interceptor.Deny(subscribe, "/topic/a/secret"),
			interceptor.Allow(subscribe, "/topic/prices.*", interceptor.Patterns()),
			interceptor.Allow(subscribe, "/exchange/{x}/*", interceptor.Patterns()),
			interceptor.Allow(subscribe, "/topic/**", interceptor.Patterns()),
		}, "/topic/prices.tin.* /topic/prices.tin.# /topic/news.# /topic/news.> /topic/news# /topic/a/x.# /exchange/x/*",
			"/topic/prices.# /topic/prices.> /topic/prices.#.x /topic/prices.secret.# /topic/prices# /topic/quotes.# /topic/quotes.> /topic/# /topic/> " +
				"/topic/a.#/x /topic/a/# /exchange/x/# /exchange/x/prices.# /exchange/x.#/prices /exchange/# # >"},
	} {
		p := interceptor.NewPolicy(interceptor.PolicyConfig{Separator: sep}, tt.rules...)
		for want, dests := range map[bool]string{true: tt.yes, false: tt.not} {
			for _, dest := range strings.Fields(dests) {
				if v := p.Explain(kim, subscribe, dest); v.Allowed != want {
					t.Errorf("%q, divided by %v: %v", dest, sep, v)
				}
			}
		}
	}
}

// TestSec_S25: a user's name is compared byte by byte, wherever it stands, and whatever
// it would mean to a regular expression, a pattern or an alternative.
func TestSec_S25_NamesAreNoPatterns(t *testing.T) {
	p := interceptor.NewPolicy(interceptor.PolicyConfig{},
		interceptor.Allow(subscribe|send, "/room/{id}", interceptor.VarIsUser("id")),
		interceptor.Allow(subscribe|send, "/box/x-{id}-y/{any}", interceptor.VarIsUser("id")))
	hostile := rapid.OneOf(
		rapid.SampledFrom([]string{".*", "[a-z]", "a-z", "|", "kim|ann", "^", "$", ".", "(", ")", "(?i)KIM", `\w+`, `\Qkim\E`, "?", "*", "**", "{id}", "{x:.*}", "+", "%6Bim", "kim\x00", "/", "../kim", ""}),
		rapid.StringMatching(`[kim.*\[\]|a-z?{}/%]{0,6}`), rapid.String())
	plain := rapid.SampledFrom([]string{"kim", "ann", "a", "z", "a-z", "k"})
	rapid.Check(t, func(t *rapid.T) {
		name := hostile.Draw(t, "name")
		room := rapid.OneOf(hostile, plain, rapid.Just(name)).Draw(t, "room")
		for _, dest := range []string{"/room/" + room, "/box/x-" + room + "-y/1"} {
			for _, action := range []interceptor.Action{send, subscribe, deliver} {
				own := name == room && name != "" && !strings.Contains(name, "/")
				if action == subscribe && strings.ContainsAny(room, "*?{}#>") {
					own = false // a pattern, whatever anybody is called
				}
				if v := p.Explain(message.User(name), action, dest); v.Allowed != own {
					t.Fatalf("user %q, %v %q: %v", name, action, dest, v)
				}
			}
		}
	})
}

func TestPolicyConditionsSeeTheAccess(t *testing.T) {
	var got interceptor.Access
	var room, none string
	p := interceptor.NewPolicy(interceptor.PolicyConfig{},
		interceptor.Allow(send, "/room/{id}/{what}", interceptor.If(func(a interceptor.Access) bool {
			got, room, none = a, a.Var("id"), a.Var("other")
			return a.Session != nil
		})))
	s := userSession(kim)
	if err := interceptor.Authorize(p)(rawReturning(nil)).Handle(t.Context(), message.Raw{Destination: "/room/a%2Fb/c", Session: s}); err != nil {
		t.Error(err)
	}
	if got.User != kim || got.Session != s || got.Action != send || got.Destination != "/room/a%2Fb/c" || room != "a%2Fb" || none != "" {
		t.Errorf("asked %+v, id %q, other %q", got, room, none)
	}
	if p.Explain(kim, send, "/room/a/b").Allowed || got.Session != nil {
		t.Error("Explain made up a session")
	}
}

// here returns a place so many lines below the line of its caller.
func here(below int) string {
	_, file, line, _ := runtime.Caller(1)
	return fmt.Sprintf("%s:%d", file, line+below)
}

func TestPolicyExplain(t *testing.T) {
	at := here(1)
	p := interceptor.NewPolicy(interceptor.PolicyConfig{},
		interceptor.Deny(send|subscribe, "/app/admin/**", interceptor.Role("guest", "trial")),
		interceptor.Allow(subscribe, "/room/{id}", interceptor.VarIsUser("id")),
	)
	line := func(n int) string {
		return strings.Replace(at, at[strings.LastIndex(at, ":"):], fmt.Sprint(":", lineOf(at)+n), 1)
	}
	for _, tt := range []struct {
		got  interceptor.Verdict
		want string
	}{
		{p.Explain(member{"eve", []string{"trial"}}, send, "/app/admin/x"), `denied: deny send|subscribe "/app/admin/**" (role guest or trial) at ` + line(1)},
		{p.Explain(kim, subscribe, "/room/kim"), `allowed: allow subscribe "/room/{id}" ({id} is the user) at ` + line(2)},
		{p.Explain(kim, subscribe, "/room/ann"), "denied: no rule of the policy at " + at + " matches"},
		{p.Explain(kim, send|subscribe, "/room/kim"), `denied: "send|subscribe" is not one action: ask about each`},
		{p.Explain(kim, 0, "/room/kim"), `denied: "" is not one action: ask about each`},
	} {
		if got := tt.got.String(); got != tt.want {
			t.Errorf("explained as %q, want %q", got, tt.want)
		}
	}
}

func lineOf(place string) (n int) {
	fmt.Sscan(place[strings.LastIndex(place, ":")+1:], &n)
	return n
}

func TestPolicyDoors(t *testing.T) {
	first := here(2)
	p := interceptor.NewPolicy(interceptor.PolicyConfig{},
		interceptor.Deny(send, "/app/admin/**"),
		interceptor.Allow(send, "/app/**"),
		interceptor.Allow(subscribe, "/topic/news", interceptor.Anonymous()),
		interceptor.Allow(subscribe, "/room/{id}", interceptor.VarIsUser("id")),
		interceptor.Allow(subscribe, "/prices/**", interceptor.Role("trader"), interceptor.Patterns()),
		interceptor.Allow(send|deliver, "/user/{name}/queue/chat", interceptor.Anonymous()),
		interceptor.Allow(send, "/topic/chat", interceptor.Role("chat")),
		interceptor.Allow(send, "/**", interceptor.Role("root")),
	)
	doors := append(p.Doors(), message.Door{Where: "Config.AllowedOrigins", What: "pages of every origin may connect"})
	report := func() string {
		text := doors.String()
		for i := range 9 {
			text = strings.ReplaceAll(text, fmt.Sprintf("%s:%d)", first[:strings.LastIndex(first, ":")], lineOf(first)+i-1), fmt.Sprintf("rule %d)", i))
		}
		return text
	}
	const unmounted = `  clients may send and subscribe whatever the policy says, for no Authorize is mounted (rule 0)
  clients may receive whatever the policy says, for no AuthorizeDelivery is mounted (rule 0)
`
	const want = `  every user may send to /app/** (rule 2)
  who is not logged in may subscribe to /topic/news (rule 3)
  clients may subscribe to patterns below /prices/** (rule 5)
  who is not logged in may send to and receive from /user/{name}/queue/chat (rule 6)
  every user may send to and receive from /user/{name}/queue/chat (rule 6)
  clients may send past the program: to /user/{name}/queue/chat, which reaches below /user (rule 6)
  clients may send past the program: to /topic/chat, which reaches below /topic (rule 7)
  clients may send past the program: to /**, which reaches below /topic (rule 8)
  pages of every origin may connect (Config.AllowedOrigins)
`
	in, out := interceptor.Authorize(p), interceptor.AuthorizeDelivery(p)
	if got := report(); got != "open doors: 11\n"+unmounted+want {
		t.Errorf("report:\n%s\nwant:\n%s", got, unmounted+want)
	}
	in(rawReturning(nil))
	if got := report(); strings.Contains(got, "no Authorize is") || !strings.Contains(got, "no AuthorizeDelivery is") {
		t.Errorf("with Authorize mounted:\n%s", got)
	}
	out(rawReturning(nil))
	if got := report(); got != "open doors: 9\n"+want {
		t.Errorf("with both mounted:\n%s\nwant:\n%s", got, want)
	}
	if now := p.Doors(); len(now) != 8 || len(doors.Open()) != 9 || len(doors) != 11 {
		t.Errorf("%d doors of the policy, %d of %d in all", len(now), len(doors.Open()), len(doors))
	}
	none := interceptor.NewPolicy(interceptor.PolicyConfig{})
	interceptor.Authorize(none)(rawReturning(nil))
	interceptor.AuthorizeDelivery(none)(rawReturning(nil))
	if none := none.Doors(); none == nil || len(none) > 0 { // nil is not said
		t.Errorf("a policy that opens nothing says %#v", none)
	}
	if closed := (message.Doors)(nil).String(); closed != "open doors: 0\n" {
		t.Errorf("without doors: %q", closed)
	}
}

func TestSecure(t *testing.T) {
	p := interceptor.Secure(interceptor.PolicyConfig{},
		interceptor.Allow(send, "/app/**"),
		interceptor.Allow(send, "/topics/x"),
		interceptor.Deny(send, "/topic/**"),
		interceptor.Allow(subscribe, "/topic/**"))
	ask(t, p, []question{
		{kim, send, "/app/x", true},
		{kim, send, "/topic/x", false},
		{kim, send, "/queue/x", false},
		{kim, send, "/user/ann/queue/x", false},
		{kim, subscribe, "/topic/x", true},
		{kim, subscribe, "/topic/*", false},
		{kim, subscribe, "/queue/x", false},
	})
	dots := interceptor.PolicyConfig{Separator: destination.Dot}
	own := interceptor.PolicyConfig{BrokerPrefixes: []string{"/feed/"}}
	for name, tt := range map[string]struct {
		config interceptor.PolicyConfig
		rule   interceptor.Rule
		text   string
	}{
		"topic":         {interceptor.PolicyConfig{}, interceptor.Allow(send, "/topic/x"), "lets clients send to /topic"},
		"the prefix":    {interceptor.PolicyConfig{}, interceptor.Allow(send, "/queue"), "lets clients send to /queue"},
		"everything":    {interceptor.PolicyConfig{}, interceptor.Allow(send|subscribe, "/**"), "lets clients send to /topic"},
		"part of it":    {interceptor.PolicyConfig{}, interceptor.Allow(send, "/*/orders", interceptor.Role("x")), "lets clients send to /topic"},
		"other users":   {interceptor.PolicyConfig{}, interceptor.Allow(send, "/user/{name}/chat"), "lets clients send to /user"},
		"dots":          {dots, interceptor.Allow(send, "/topic/trades.{symbol}"), "lets clients send to /topic"},
		"dots only":     {dots, interceptor.Allow(send, "/topic.trades"), "lets clients send to /topic"},
		"own prefix":    {own, interceptor.Allow(send, "/feed/x"), "lets clients send to /feed"},
		"with patterns": {interceptor.PolicyConfig{}, interceptor.Allow(subscribe, "/topic/**", interceptor.Patterns()), "lets in patterns"},
	} {
		if text := panics(func() { interceptor.Secure(tt.config, tt.rule) }); !strings.Contains(text, tt.text) {
			t.Errorf("%s: panic %q, want %q", name, text, tt.text)
		}
		interceptor.NewPolicy(tt.config, tt.rule) // which is for those who want it
	}
	interceptor.Secure(own, interceptor.Allow(send, "/topic/x"))
}

// panics returns the text with which f panics, "" if it does not.
func panics(f func()) (text string) {
	defer func() {
		if r := recover(); r != nil {
			text = fmt.Sprint(r)
		}
	}()
	f()
	return ""
}

func TestPolicyWiringMistakes(t *testing.T) {
	allow, deny := interceptor.Allow, interceptor.Deny
	for _, tt := range []struct {
		rules []interceptor.Rule
		text  string
	}{
		{[]interceptor.Rule{{}}, "is not made by Allow or Deny"},
		{[]interceptor.Rule{allow(0, "/a")}, "names no action"},
		{[]interceptor.Rule{allow(8, "/a")}, "names no action"},
		{[]interceptor.Rule{allow(send, "/a/{")}, "has no pattern"},
		{[]interceptor.Rule{deny(send, "/a", interceptor.Anonymous())}, "is for everybody"},
		{[]interceptor.Rule{deny(subscribe, "/a/*", interceptor.Patterns())}, "is for everybody"},
		{[]interceptor.Rule{allow(send, "/a/*", interceptor.Patterns())}, "no subscription"},
		{[]interceptor.Rule{allow(subscribe, "/**/{id}", interceptor.Patterns())}, `behind "**"`},
		{[]interceptor.Rule{allow(send, "/a/{id}", interceptor.VarIsUser("name"))}, "no such variable"},
		{[]interceptor.Rule{allow(send, "/a", interceptor.If(nil))}, "If without a function"},
		{[]interceptor.Rule{allow(send, "/a", interceptor.Role())}, "Role without roles"},
		{[]interceptor.Rule{allow(send, "/a/**"), deny(send, "/a/b")}, "never decides"},
		{[]interceptor.Rule{deny(send, "/a/**"), allow(send, "/a/*", interceptor.Anonymous())}, "never decides"},
		{[]interceptor.Rule{allow(subscribe, "/a/*"), allow(deliver, "/a/b")}, "never decides"},
		{[]interceptor.Rule{allow(subscribe|send, "/a/*"), allow(send, "/a/*", interceptor.Role("x"))}, "never decides"},
		{[]interceptor.Rule{allow(subscribe, "/a/**", interceptor.Anonymous()), deny(subscribe, "/a/b")}, "never decides"},
	} {
		text := panics(func() { interceptor.NewPolicy(interceptor.PolicyConfig{}, tt.rules...) })
		if !strings.Contains(text, tt.text) {
			t.Errorf("%v: panic %q, want %q", tt.rules, text, tt.text)
		}
		if got := strings.Count(text, "policy_test.go:"); tt.rules[0].String() != "deny  \"\"" && got != len(tt.rules) {
			t.Errorf("%v: panic %q names %d lines", tt.rules, text, got)
		}
	}
	for _, rules := range [][]interceptor.Rule{
		{allow(send, "/a/*"), allow(send, "/a/b", interceptor.Anonymous())},
		{allow(subscribe, "/a/*"), allow(subscribe, "/a/*", interceptor.Patterns())},
		{allow(send, "/a/*", interceptor.Role("x")), allow(send, "/a/*")},
		{allow(deliver, "/a/*"), allow(subscribe, "/a/*")},
		{deny(send, "/a/*"), deny(subscribe, "/a/*")},
		{allow(send, "/a/**"), deny(send, "/a/b/*"), allow(send, "/a/**", interceptor.Anonymous())},
		{allow(subscribe, "/a/**"), deny(subscribe, "/a/b/*"), allow(subscribe, "/a/**", interceptor.Patterns())},
	} {
		if text := panics(func() { interceptor.NewPolicy(interceptor.PolicyConfig{}, rules...) }); text != "" {
			t.Errorf("%v: panic %q", rules, text)
		}
	}
	mustPanic(t, func() { interceptor.Authorize(nil) })
	mustPanic(t, func() { interceptor.AuthorizeDelivery(nil) })
}

// What is denied behind an Allow for users is denied to nobody and to patterns, whom a
// later one lets in.
func TestPolicyDeniesNobodyWhatUsersMay(t *testing.T) {
	policy := interceptor.NewPolicy(interceptor.PolicyConfig{},
		interceptor.Allow(send|subscribe, "/a/**"),
		interceptor.Deny(send|subscribe, "/a/b/*"),
		interceptor.Allow(send|subscribe, "/a/**", interceptor.Anonymous(), interceptor.Patterns()),
	)
	for _, tt := range []struct {
		user   message.Principal
		action interceptor.Action
		dest   string
		want   bool
	}{
		{message.User("kim"), send, "/a/b/c", true},
		{nil, send, "/a/b/c", false},
		{nil, send, "/a/c", true},
		{message.User("kim"), subscribe, "/a/b/*", false},
		{message.User("kim"), subscribe, "/a/c/*", true},
	} {
		if got := policy.Explain(tt.user, tt.action, tt.dest); got.Allowed != tt.want {
			t.Errorf("%v, %v %s: %v", tt.user, tt.action, tt.dest, got)
		}
	}
}
