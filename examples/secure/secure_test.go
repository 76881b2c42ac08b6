package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/interceptor"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/messagetest"
)

const life = time.Minute

// program is the example without a network.
type program struct {
	t      *testing.T
	logins *logins
	node   *headrace.Node
}

// inBubble runs a test in virtual time.
func inBubble(t *testing.T, f func(t *testing.T, p program)) {
	synctest.Test(t, func(t *testing.T) {
		p := program{t: t, logins: newLogins(life)}
		p.node = newNode(newPolicy(), p.logins.verifier)
		t.Cleanup(p.node.Close)
		f(t, p)
	})
}

func (p program) post(serve http.HandlerFunc, token, body string) (status int, g grant, text string) {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	serve(w, r)
	text = strings.TrimSpace(w.Body.String())
	if w.Code == http.StatusOK {
		if err := json.Unmarshal(w.Body.Bytes(), &g); err != nil {
			p.t.Fatal(err)
		}
	}
	return w.Code, g, text
}

// token logs a user in.
func (p program) token(name string) string {
	p.t.Helper()
	status, g, text := p.post(p.logins.login, "", `{"name":"`+name+`","password":"`+passwords[name]+`"}`)
	if status != http.StatusOK || g.Name != name || g.Left <= 0 {
		p.t.Fatalf("login of %s: %d %s", name, status, text)
	}
	return g.Token
}

// connect begins the session of a user; "" is nobody.
func (p program) connect(name string) *messagetest.Client {
	p.t.Helper()
	if name == "" {
		return messagetest.Connect(p.t, p.node)
	}
	return messagetest.Connect(p.t, p.node, messagetest.ConnectHeader("authorization", "Bearer "+p.token(name)))
}

func TestLogin(t *testing.T) {
	inBubble(t, func(t *testing.T, p program) {
		for body, want := range map[string]int{
			`{"name":"ann","password":"paddle"}`: http.StatusOK,
			`{"name":"ann","password":"sluice"}`: http.StatusUnauthorized,
			`{"name":"ann","password":""}`:       http.StatusUnauthorized,
			`{"name":"eve","password":"paddle"}`: http.StatusUnauthorized,
			`{}`:                                 http.StatusUnauthorized,
			`ann`:                                http.StatusBadRequest,
			`{"name":"ann","password":"paddle","x":"` + strings.Repeat("x", 1<<10) + `"}`: http.StatusBadRequest,
		} {
			status, g, text := p.post(p.logins.login, "", body)
			if status != want || (g.Token != "") != (want == http.StatusOK) {
				t.Errorf("%.60s: %d %s, want %d", body, status, text, want)
			}
		}
	})
}

func TestTokens(t *testing.T) {
	inBubble(t, func(t *testing.T, p program) {
		good := p.token("ann")
		foreign := program{t: t, logins: newLogins(life)}.token("ann") // of another run
		for token, want := range map[string]string{good: "", foreign: "the token is not valid", "guess": "the token is not valid"} {
			_, err := messagetest.TryConnect(t, p.node, messagetest.ConnectHeader("authorization", "Bearer "+token))
			if (err == nil) != (want == "") || err != nil && message.Public(err).Message != want {
				t.Errorf("connected with %.10s: %v, want %q", token, err, want)
			}
		}
	})
}

// What each user may do is a table; all that it does not name is denied.
func TestRules(t *testing.T) {
	inBubble(t, func(t *testing.T, p program) {
		all := map[interceptor.Action][]string{
			interceptor.Subscribe: {"/topic/announcements", "/topic/room/garden", "/topic/room/workshop", "/topic/room/*", "/topic/**", "/topic/room/admin", "/user/queue/x"},
			interceptor.Send: {"/app/announce", "/app/room/garden", "/app/room/workshop", "/app/room/*", "/topic/room/workshop",
				"/topic/announcements", "/user/bob/queue/x"},
		}
		may := map[string]string{
			"":    "/topic/announcements",
			"kim": "/topic/announcements /app/announce",
			"ann": "/topic/announcements /topic/room/garden /topic/room/workshop /app/room/garden /app/room/workshop",
			"bob": "/topic/announcements /topic/room/workshop /app/room/workshop",
		}
		for name, allowed := range may {
			c := p.connect(name)
			for action, destinations := range all {
				for _, d := range destinations {
					want := strings.Contains(" "+allowed+" ", " "+d+" ") && (action == interceptor.Subscribe || strings.HasPrefix(d, "/app/"))
					var err error
					if action == interceptor.Send {
						err = c.TrySend(d, "hello")
					} else {
						_, err = c.TrySubscribe(d)
					}
					code := message.CodeDenied
					if name == "" {
						code = message.CodeUnauthenticated
					}
					if (err == nil) != want || err != nil && message.Public(err).Code != code {
						t.Errorf("%q: %v %s: %v, want it allowed: %v", name, action, d, err, want)
					}
				}
			}
		}
	})
}

func TestRooms(t *testing.T) {
	inBubble(t, func(t *testing.T, p program) {
		ann, bob, nobody := p.connect("ann"), p.connect("bob"), p.connect("")
		ann.Subscribe("/topic/room/workshop")
		bob.Subscribe("/topic/room/workshop")
		nobody.Subscribe("/topic/announcements")
		ann.Send("/app/room/workshop", "<b>hello</b>")
		for _, c := range []*messagetest.Client{ann, bob} {
			if got := messagetest.Payload[line](t, c.Next(t)); got != (line{"ann", "<b>hello</b>"}) {
				t.Errorf("got %+v", got)
			}
		}
		p.connect("kim").Send("/app/announce", "closed on Monday")
		late := p.connect("bob")
		late.Subscribe("/topic/announcements") // what was said last is kept
		for _, c := range []*messagetest.Client{nobody, late} {
			if got := messagetest.Payload[line](t, c.Next(t)); got != (line{"kim", "closed on Monday"}) {
				t.Errorf("got %+v", got)
			}
		}
		for _, text := range []string{" ", strings.Repeat("é", 251)} {
			if err := ann.TrySend("/app/room/workshop", text); err == nil || message.Public(err).Code != message.CodeInvalid {
				t.Errorf("said %.5q: %v", text, err)
			}
		}
		bob.Refute(t)
	})
}

// Who loses a role keeps the subscription that he has, and is delivered nothing.
func TestTheGateLooksAtTheRolesOfTheMoment(t *testing.T) {
	inBubble(t, func(t *testing.T, p program) {
		ann, bob := p.connect("ann"), p.connect("bob")
		bob.Subscribe("/topic/room/workshop")
		bob.Session().SetUser(message.User("bob"))
		ann.Send("/app/room/workshop", "secret")
		bob.Refute(t)
	})
}

func TestRate(t *testing.T) {
	inBubble(t, func(t *testing.T, p program) {
		ann := p.connect("ann")
		var err error
		for range 21 {
			err = ann.TrySend("/app/room/garden", "hello")
		}
		if err == nil || message.Public(err).Code != message.CodeFull {
			t.Error("the 21st message at once:", err)
		}
	})
}

func TestExpiry(t *testing.T) {
	inBubble(t, func(t *testing.T, p program) {
		token, ann, nobody := p.token("ann"), p.connect("ann"), p.connect("")
		ann.Subscribe("/topic/room/garden")
		time.Sleep(life - time.Second)
		synctest.Wait()
		if err := ann.Session().Reason(); err != nil {
			t.Fatal("ended too early:", err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if err := ann.Session().Reason(); err == nil || message.Public(err).Message != "the credentials have expired" {
			t.Error("the session ended with", err)
		}
		if err := ann.TrySend("/app/room/garden", "late"); err == nil || message.Public(err).Code != message.CodeUnauthenticated {
			t.Error("said after the end:", err)
		}
		if err := nobody.Session().Reason(); err != nil {
			t.Error("nobody's session ended:", err)
		}
		if status, _, text := p.post(p.logins.renew, token, ""); status != http.StatusUnauthorized {
			t.Error("an old token is renewed:", status, text)
		}
	})
}

func TestRenew(t *testing.T) {
	inBubble(t, func(t *testing.T, p program) {
		token, ann := p.token("ann"), p.connect("ann")
		ann.Subscribe("/topic/room/garden")
		time.Sleep(life / 2)
		for _, bad := range []string{p.token("bob"), "guess"} {
			if err := ann.TrySend("/app/renew", bad); err == nil || message.Public(err).Code != message.CodeUnauthenticated {
				t.Errorf("renewed with %.10s: %v", bad, err)
			}
		}
		status, g, text := p.post(p.logins.renew, token, "")
		if status != http.StatusOK {
			t.Fatal("renew:", status, text)
		}
		ann.Send("/app/renew", g.Token)
		time.Sleep(life - time.Second)
		ann.Send("/app/room/garden", "still here")
		ann.Next(t)
		time.Sleep(time.Second)
		synctest.Wait()
		if ann.Session().Reason() == nil {
			t.Error("the session outlasts its second token")
		}
	})
}

// The page shows who may log in, and with what.
func TestPageKnowsTheUsers(t *testing.T) {
	html, err := page.ReadFile("index.html")
	if err != nil {
		t.Fatal(err)
	}
	for name, password := range passwords {
		if row := "<th scope=\"row\">" + name + "</th><td>" + password + "</td>"; !strings.Contains(string(html), row) {
			t.Errorf("the page has no %s", row)
		}
	}
}

// The page, which has a token, runs the scripts of this program and no others, and is in
// nobody's frame.
func TestPageRunsOwnScriptsOnly(t *testing.T) {
	w := httptest.NewRecorder()
	ownScriptsOnly(http.FileServerFS(page)).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	policy := w.Header().Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'self'", "frame-ancestors 'none'"} {
		if !slices.ContainsFunc(strings.Split(policy, ";"), func(p string) bool { return strings.TrimSpace(p) == part }) {
			t.Errorf("the policy %q has no %s", policy, part)
		}
	}
}

// Two doors are open, on purpose.
func TestDoors(t *testing.T) {
	node := newNode(newPolicy(), newLogins(time.Minute).verifier)
	defer node.Close()
	doors := node.Doors()
	var open []string
	for _, d := range doors {
		open = append(open, d.What)
	}
	if want := []string{"who is not logged in may subscribe to /topic/announcements", "who is not logged in may connect"}; !slices.Equal(open, want) {
		t.Errorf("got %v", doors)
	}
}
