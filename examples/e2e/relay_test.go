package e2e_test

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/headrace/headrace/internal/proc"
)

// TestRelay does what the page invites to: people talk and jobs are done by RabbitMQ,
// which is killed meanwhile, as kill -9 does, and starts again. Nobody loses his
// connection, and nothing is lost.
func TestRelay(t *testing.T) {
	rabbit := proc.StartRabbitMQ(t)
	chrome := browser(t)
	server := start(t, "relay", "localhost:0", "-rabbitmq", rabbit.STOMP)
	p := open(t, chrome, "http://"+server.addr+"/")
	p.shows("#state", "there")
	for _, who := range []string{"ann", "bob"} {
		p.shows("#"+who+" .at", "connected")
	}
	write(p, "ann", "", "hello to all")
	for _, who := range []string{"ann", "bob"} {
		p.shows("#"+who+" .log", "ann hello to all")
	}
	write(p, "ann", "bob", "hello to bob")
	for _, who := range []string{"ann", "bob"} {
		p.shows("#"+who+" .log", "ann to bob hello to bob")
	}

	// A job is RabbitMQ's until it is done: what one refuses, or leaves, another one gets.
	p.do(chromedp.Click(chromedp.CSS("#add button")), chromedp.Click(chromedp.CSS("#add button")))
	press(p, "carl", "work")
	p.shows("#carl .job", "Job 1")
	press(p, "carl", "work") // and home
	p.shows("#carl .job", "Gets no jobs.")
	press(p, "dora", "work")
	p.shows("#events", "dora gets Job 1, which comes again.")
	press(p, "dora", "done")
	p.shows("#dora .job", "Job 2")
	rabbit.Control("eval", "mnesia:dump_log().") // a queue that is younger than some seconds may be forgotten

	// RabbitMQ ends.
	rabbit.Kill()
	p.shows("#state", "away")
	p.shows("#events", "RabbitMQ is away. Who is connected stays so.")
	p.shows("#dora .job", "RabbitMQ has taken it back: it comes again.")
	write(p, "bob", "", "said meanwhile")
	p.shows("#bob .waits", "1 waits for RabbitMQ.")
	p.do(chromedp.Click(chromedp.CSS("#add button")))
	p.shows("#added", "Job 3 waits for RabbitMQ.")
	fits(p, 390, 844)

	rabbit.Launch()
	p.shows("#state", "there")
	p.shows("#events", "RabbitMQ is there again, after ")
	p.shows("#bob .log", "bob said meanwhile") // ann may be subscribed again too late for it
	p.until("nothing of bob waits", patience, `() => document.querySelector("#bob .waits").innerText === ""`)
	p.shows("#events", "dora gets Job 2, which comes again.")
	press(p, "dora", "done")
	p.shows("#dora .job", "Job 3")
	press(p, "dora", "done")
	attached(p, "ann")
	write(p, "bob", "ann", "hello to ann")
	p.shows("#ann .log", "bob to ann hello to ann")

	// The same by the plug.
	p.do(chromedp.Click(chromedp.ID("plug")))
	p.shows("#state", "away")
	p.shows("#plug", "Put the plug in")
	p.do(chromedp.Click(chromedp.ID("plug")))
	p.shows("#state", "there")
	attached(p, "bob")
	write(p, "ann", "bob", "hello again")
	p.shows("#bob .log", "ann to bob hello again")
	if happened := ask[string](p, `document.getElementById("events").innerText`); strings.Contains(happened, "no connection") {
		t.Errorf("somebody lost his connection: %s", happened)
	}
	fits(p, 1280, 900)
	p.wantNoProblems()
}

// attached waits until somebody has his subscriptions again: what he says behind them
// comes to himself.
func attached(p *tab, who string) {
	p.t.Helper()
	write(p, who, "", who+" is back")
	p.shows("#"+who+" .log", who+" is back")
}

// press presses a button of somebody, by its name.
func press(p *tab, who, name string) {
	p.t.Helper()
	p.do(chromedp.Click(chromedp.CSS("#" + who + " [name=" + name + "]:enabled")))
}
