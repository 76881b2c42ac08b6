package e2e_test

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestCluster does what the page invites to: three people at three nodes talk, the node
// of one is killed, he is at another one, and all go on.
func TestCluster(t *testing.T) {
	chrome := browser(t)
	server := start(t, "cluster", "localhost:0", "-nodes", "3")
	p := open(t, chrome, "http://"+server.addr+"/")
	people := []string{"ann", "bob", "cem"}
	nodes := map[string]string{}
	for _, who := range people {
		p.shows("#"+who+" .at", "at node-")
		nodes[who] = strings.TrimPrefix(ask[string](p, `document.querySelector("#`+who+` .at").innerText`), "at ")
	}
	if nodes["ann"] == nodes["bob"] || nodes["bob"] == nodes["cem"] || nodes["cem"] == nodes["ann"] {
		t.Fatalf("not each at a node of his own: %v", nodes)
	}
	for who, node := range nodes {
		p.shows("#"+node+" .users", who) // all nodes are in the registry of any
		p.shows("#"+node+" .state", "process ")
	}
	write(p, "ann", "", "hello to all")
	for _, who := range people {
		p.shows("#"+who+" .log", "ann at "+nodes["ann"]+" hello to all")
	}
	write(p, "ann", "bob", "hello to bob")
	for _, who := range people[:2] {
		p.shows("#"+who+" .log", "ann to bob at "+nodes["ann"]+" hello to bob")
	}

	// Killed for real: who was there comes back by himself, the others notice nothing.
	p.setOffline(true)
	p.do(chromedp.Click(chromedp.CSS("#" + nodes["bob"] + " button")))
	p.shows("#"+nodes["bob"]+" .state", "killed")
	p.shows("#events", "bob has lost "+nodes["bob"])
	p.until("bob is elsewhere", patience, `(dead) => {
		const at = document.querySelector("#bob .at").innerText;
		return at.startsWith("at node-") && at !== "at " + dead;
	}`, nodes["bob"])
	p.setOffline(false)
	write(p, "bob", "", "here again")
	for _, who := range people {
		p.shows("#"+who+" .log", "here again")
	}
	write(p, "cem", "bob", "hello again")
	p.shows("#bob .log", "cem to bob at "+nodes["cem"]+" hello again")
	if told := ask[string](p, `document.querySelector("#cem .log").innerText`); strings.Contains(told, "hello to bob") {
		t.Errorf("cem was told what was bob's: %q", told)
	}
	if lost := ask[string](p, `document.getElementById("events").innerText`); strings.Contains(lost, "ann has lost") || strings.Contains(lost, "cem has lost") {
		t.Errorf("others lost their nodes: %s", lost)
	}
	fits(p, 390, 844)
	fits(p, 1280, 900)

	p.do(chromedp.Click(chromedp.CSS("#" + nodes["bob"] + " button")))
	p.shows("#"+nodes["bob"]+" .state", "process ")
	kim := open(t, chrome, "http://"+server.addr+"/?as=kim")
	kim.shows("#kim .at", "at node-")
	write(kim, "kim", "", "hello from another page")
	p.shows("#ann .log", "hello from another page")
	p.shows("#nodes", "kim")
	p.wantNoProblems()
	kim.wantNoProblems()
}

// write lets somebody write, to all or to one.
func write(p *tab, who, to, text string) {
	p.t.Helper()
	p.until(who+" can write to "+to, patience, `(who, to = "") => {
		const form = document.querySelector("#" + who + " form"), select = form.elements.to;
		select.value = to;
		return !form.querySelector("button").disabled && select.value === to;
	}`, who, to)
	p.do(chromedp.Focus(chromedp.CSS("#"+who+" [name=text]")), chromedp.KeyEvent(text+"\r"))
}
