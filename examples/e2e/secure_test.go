package e2e_test

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestSecure logs in, is refused what is not allowed, renews a session and sees it
// end.
func TestSecure(t *testing.T) {
	chrome := browser(t)
	server := start(t, "secure", "localhost:0", "-life", "30s")
	if door := <-server.said; !strings.Contains(door, "open door") || !strings.Contains(door, "who is not logged in may subscribe to /topic/announcements") {
		t.Errorf("the program says %q", door)
	}
	url := "http://" + server.addr + "/"
	kim, ann, bob, guest := open(t, chrome, url), open(t, chrome, url), open(t, chrome, url), open(t, chrome, url)
	tabs := []*tab{kim, ann, bob, guest}
	for _, p := range tabs {
		p.shows("#who", "nobody is logged in")
	}
	enter(guest, "garden")
	guest.shows("#refused ol", `nobody: enter garden unauthenticated: to subscribe to "/topic/room/garden" needs a login`)

	login(kim, "kim", "sluice")
	kim.shows("#who", "kim (admin)")
	says(kim, "announcements", "<b>closed</b> on Monday")
	for _, p := range tabs {
		p.shows("#announcements ol", "kim <b>closed</b> on Monday") // as it was written
	}
	enter(kim, "workshop")
	kim.shows("#refused ol", `kim: enter workshop denied: to subscribe to "/topic/room/workshop" is not allowed`)

	login(bob, "bob", "millstone")
	bob.shows("#who", "bob (room:workshop)")
	enter(bob, "workshop")
	bob.shows("#workshop h2", "inside")
	says(bob, "garden", "hello")
	bob.shows("#refused ol", `bob: say in garden denied: to send to "/app/room/garden" is not allowed`)
	bob.do(chromedp.Click(chromedp.CSS("#refused button")))
	bob.shows("#refused ol", `bob: subscribe /topic/room/* denied: to subscribe to "/topic/room/*" is not allowed`)
	says(bob, "announcements", "open on Monday")
	bob.shows("#refused ol", `bob: announce denied: to send to "/app/announce" is not allowed`)

	// A session goes on with a new token, and in its rooms.
	login(ann, "ann", "paddle")
	ann.shows("#who", "ann (room:garden, room:workshop)")
	enter(ann, "workshop")
	ann.shows("#workshop h2", "inside")
	ann.until("the token has less than 25 s", patience, `() => Number(document.getElementById("left").innerText.match(/\d+/)) < 25`)
	ann.do(chromedp.Click(chromedp.ID("renew")))
	ann.until("the token has more than 25 s", patience, `() => Number(document.getElementById("left").innerText.match(/\d+/)) > 25`)
	says(bob, "workshop", "hello <i>all</i>")
	ann.shows("#workshop ol", "bob hello <i>all</i>")

	// Bob did not renew: his session ends, and what he saw in the room goes.
	bob.until("the session is closed", 2*patience, `() => document.getElementById("closed").checkVisibility()`)
	bob.shows("#closed", "Your session was closed: the credentials have expired.")
	bob.shows("#who", "nobody is logged in")
	bob.shows("#workshop h2", "outside")
	if said := ask[string](bob, `document.querySelector("#workshop ol").innerText`); said != "" {
		t.Errorf("who is logged out still sees %q", said)
	}
	ann.until("the session outlasts its first token", 2*patience, `() => Number(document.getElementById("left").innerText.match(/\d+/)) < 4
		&& document.getElementById("who").innerText.startsWith("ann") && document.querySelector("#workshop h2").innerText.includes("inside")`)
	for _, p := range tabs {
		fits(p, 390, 844)
		fits(p, 1280, 900)
		p.wantNoProblems()
	}
	login(bob, "bob", "guess")
	bob.shows("#login-error", "name or password are wrong")
}

// A question that is open when the connection ends is answered: nothing seems dead.
func TestSecureAnswersWhatTheServerDoesNot(t *testing.T) {
	server := start(t, "secure", "localhost:0")
	<-server.said
	guest := open(t, browser(t), "http://"+server.addr+"/")
	guest.shows("#who", "nobody is logged in")
	ask[bool](guest, `(() => {
		const send = WebSocket.prototype.send;
		WebSocket.prototype.send = function () { WebSocket.prototype.send = send; this.close(); };
		return true;
	})()`)
	enter(guest, "garden")
	guest.shows("#refused ol", "nobody: enter garden unavailable: the connection ended before the answer came")
	guest.until("the server is back", patience, `() => document.getElementById("banner").hidden`)
	enter(guest, "garden")
	guest.shows("#refused ol", "nobody: enter garden unauthenticated")
	guest.wantNoProblems()
}

func login(p *tab, name, password string) {
	p.t.Helper()
	p.fill("name", name)
	p.fill("password", password)
	p.do(chromedp.Click(chromedp.CSS("#login form button")))
}

// enter asks to be let into a room.
func enter(p *tab, room string) {
	p.t.Helper()
	p.do(chromedp.Click(chromedp.CSS("#" + room + " h2 button")))
}

// says types a line into a card.
func says(p *tab, card, text string) {
	p.t.Helper()
	p.do(chromedp.Focus(chromedp.CSS("#"+card+" [name=text]")), chromedp.KeyEvent(text+"\r"))
}
