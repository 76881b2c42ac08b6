package e2e_test

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestTracing follows an order from a page over two nodes and back.
func TestTracing(t *testing.T) {
	chrome := browser(t)
	server := start(t, "tracing", "localhost:0")
	p := open(t, chrome, "http://"+server.addr+"/")
	p.shows("#recent", "client") // the Go client's came before

	p.do(chromedp.WaitEnabled(chromedp.CSS("#form button")), chromedp.Click(chromedp.CSS("#form button")))
	p.shows("#answer", "A coffee for table")
	p.shows("#trace", "browser order")
	const lines = `[...document.querySelectorAll("#trace summary")].map((s) =>
		s.querySelector(".service").innerText + " " + s.querySelector(".name").innerText).join("\n")`
	want := strings.Join([]string{
		"browser order",
		"west send /app/orders/{table}",
		"west process /app/orders/{table}",
		"west brew",
		"west send /topic/orders",
		"west publish /topic/orders",
		"west send /topic/orders gochannel",
		"east process /topic/orders gochannel",
		"east send /topic/orders",
		"east publish /topic/orders",
		"east deliver /topic/orders",
	}, "\n")
	if got := ask[string](p, lines); got != want {
		t.Errorf("the page shows\n%s\nwant\n%s", got, want)
	}
	// Every bar lies within its track, and the browser's takes in all of them.
	if stray := ask[int](p, `[...document.querySelectorAll("#trace .bar")].filter((bar) => {
		const [b, track] = [bar.getBoundingClientRect(), bar.parentElement.getBoundingClientRect()];
		return b.width < 3 || b.left < track.left - 1 || b.right > track.right + 3;
	}).length`); stray != 0 {
		t.Errorf("%d bars are not where they belong", stray)
	}
	p.do(chromedp.Click(chromedp.CSS("#trace li:nth-child(2) summary")))
	p.shows("#trace details[open] dl", "messaging.destination.template /app/orders/{table}")
	fits(p, 390, 844)
	fits(p, 1280, 900)

	// The Go client's is still there, and whoever comes later sees both.
	p.do(chromedp.Click(chromedp.CSS("#recent li:last-child button")))
	p.shows("#trace", "east subscribe /topic/orders")
	late := open(t, chrome, "http://"+server.addr+"/")
	late.until("two traces", patience, `() => document.querySelectorAll("#recent li").length === 2`)
	p.wantNoProblems()
	late.wantNoProblems()
}
