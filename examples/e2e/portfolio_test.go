package e2e_test

import (
	"flag"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/headrace/headrace/internal/proc"
)

var update = flag.Bool("update", false, "write the screenshots in docs/ anew")

// TestPortfolio does what two people do with the portfolio in their browsers, on each
// broker that it runs on.
func TestPortfolio(t *testing.T) {
	for _, broker := range []string{"memory", "nats", "rabbitmq"} {
		t.Run(broker, func(t *testing.T) {
			args := []string{"-broker", broker}
			if broker == "rabbitmq" {
				args = append(args, "-rabbitmq", proc.StartRabbitMQ(t).STOMP)
			}
			portfolio(t, *update && broker == "memory", args...)
		})
	}
}

func portfolio(t *testing.T, pictures bool, args ...string) {
	chrome := browser(t)
	server := start(t, "portfolio", "localhost:0", args...)
	kim := open(t, chrome, "http://"+server.addr+"/?user=kim")
	lee := open(t, chrome, "http://"+server.addr+"/?user=lee")
	guest := open(t, chrome, "http://"+server.addr+"/")
	tabs := []*tab{kim, lee, guest}
	for _, p := range tabs {
		p.shows("#watch", "MILL")
		pricesMove(p)
	}

	// Everybody sees a trade, the position is the trader's own.
	trade(kim, "buy", "MILL", "7")
	kim.shows("#positions", "MILL 7 ")
	kim.shows("#done", "You bought 7 MILL at")
	lee.shows("#trades", "kim bought 7 MILL at")
	guest.shows("#trades", "kim bought 7 MILL at")
	trade(lee, "buy", "WEIR", "3")
	lee.shows("#positions", "WEIR 3 ") // whatever was sent to him before has come
	for p, foreign := range map[*tab]string{kim: "WEIR", lee: "MILL"} {
		if own := ask[string](p, `document.getElementById("positions").innerText`); strings.Contains(own, foreign) {
			t.Errorf("a user sees the other's position: %q", own)
		}
	}
	guest.shows("#positions", "None yet")
	guest.shows("#login", "Choose a name")

	announce(t, server, "The mill opens at nine")
	for _, p := range tabs {
		p.shows("#news", "The mill opens at nine")
	}
	rejections(kim)
	trade(kim, "sell", "MILL", "2")
	kim.shows("#positions", "MILL 5 ")
	if pictures {
		screenshots(kim)
	}
	for _, p := range tabs {
		fits(p, 390, 844)
		fits(p, 1280, 900)
		p.wantNoProblems()
	}
	restart(t, server, tabs, args...)
	trade(kim, "buy", "OTTR", "4")
	kim.shows("#positions", "OTTR 4 ")
	lee.shows("#trades", "kim bought 4 OTTR at")
	for _, p := range tabs {
		p.wantNoProblems()
	}
}

func pricesMove(p *tab) {
	p.t.Helper()
	for _, selector := range []string{"#watch .price", "#chart-price", "#chart .line"} {
		p.until(selector+" moves", patience, `(selector) => {
			const now = document.querySelector(selector)?.outerHTML;
			const before = (window.before ??= {})[selector] ??= now;
			return Boolean(now) && now !== before && delete window.before[selector];
		}`, selector)
	}
}

func trade(p *tab, side, symbol, shares string) {
	p.t.Helper()
	p.do(chromedp.Click(chromedp.CSS("[value=" + side + "] + span")))
	p.fill("symbol", symbol)
	p.fill("shares", shares)
	p.do(chromedp.Click(chromedp.ID("send")))
}

// rejections: the reason stands beside the field it is about.
func rejections(p *tab) {
	p.t.Helper()
	for _, c := range []struct{ side, symbol, shares, field, reason string }{
		{"buy", "MILL", "0", "shares", "must be 1 or more"},
		{"buy", "MILL", "1000000", "shares", "Not enough cash"},
		{"sell", "MILL", "8", "shares", "you have 7 of MILL"},
		{"buy", "NOPE", "1", "symbol", "NOPE is not traded here"},
		{"buy", "MILL", "1.5", "order", `field "shares": want int`},
	} {
		trade(p, c.side, c.symbol, c.shares)
		p.shows("#"+c.field+"-error", c.reason)
		shown := ask[int](p, `document.querySelectorAll(".error:not([hidden])").length`)
		below := ask[float64](p, `document.getElementById("`+c.field+`-error").getBoundingClientRect().top
			- document.getElementById("`+c.field+`").getBoundingClientRect().bottom`)
		if shown != 1 || below > 40 {
			p.t.Errorf("%+v: %d reasons are shown, this one %v px below its field", c, shown, below)
		}
	}
}

// restart stops the server and starts it again: the pages say so and recover.
func restart(t *testing.T, server *program, tabs []*tab, args ...string) {
	t.Helper()
	for _, p := range tabs {
		p.setOffline(true)
	}
	server.stop(t)
	for _, p := range tabs {
		p.shows("#banner", "The server is away")
	}
	start(t, "portfolio", server.addr, args...)
	for _, p := range tabs {
		p.do(chromedp.WaitNotVisible(chromedp.ID("banner")))
		p.setOffline(false)
		pricesMove(p)
	}
}

func announce(t *testing.T, server *program, text string) {
	t.Helper()
	resp, err := http.Post("http://"+server.addr+"/announce", "text/plain", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		t.Error("announce:", resp.Status)
	}
}

// fits: nothing makes the page scroll sideways.
func fits(p *tab, width, height int64) {
	p.t.Helper()
	p.do(chromedp.EmulateViewport(width, height))
	if wide := ask[int64](p, `document.documentElement.scrollWidth`); wide > width {
		p.t.Errorf("the page is %d px wide in a window of %d px", wide, width)
	}
}

// screenshots writes the pictures of the documentation.
func screenshots(p *tab) {
	p.t.Helper()
	trade(p, "buy", "REED", "600")
	p.shows("#positions", "REED 600 ")
	trade(p, "buy", "EDDY", "40")
	p.shows("#positions", "EDDY 40 ")
	for _, shot := range []struct {
		file, scheme  string
		width, height int64
	}{
		{"../../docs/portfolio-desktop.png", "light", 1280, 900},
		{"../../docs/portfolio-phone.png", "dark", 390, 844},
	} {
		p.prefers(shot.scheme)
		p.do(chromedp.EmulateViewport(shot.width, shot.height), chromedp.Evaluate[chromedp.Void](`scrollTo(0, 0)`))
		pricesMove(p)
		picture, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
		if err != nil {
			p.t.Fatal(err)
		}
		if err := os.WriteFile(shot.file, picture, 0o644); err != nil {
			p.t.Fatal(err)
		}
	}
	p.prefers("light")
}
