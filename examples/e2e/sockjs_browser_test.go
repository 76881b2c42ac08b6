package e2e_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// TestBrowser lets sockjs-client in a page use the echo example over each
// transport in turn: from another origin, and where that is not possible by
// way of a proxy that makes it the same.
func TestBrowser(t *testing.T) {
	chrome := browser(t)
	mux := http.NewServeMux()
	mux.Handle("/", http.FileServer(http.Dir(npm(t))))
	pages := httptest.NewServer(mux)
	t.Cleanup(pages.Close)
	server := start(t, "echo", "127.0.0.1:0", "-client", pages.URL+"/node_modules/sockjs-client/dist/sockjs.min.js")
	echo := &url.URL{Scheme: "http", Host: server.addr}
	mux.Handle("/proxy/", http.StripPrefix("/proxy", httputil.NewSingleHostReverseProxy(echo)))

	page := open(t, chrome, pages.URL+"/browser.html")
	passed := make(checks)
	for _, transport := range []string{
		"websocket", "xhr-streaming", "eventsource", "iframe-eventsource", "iframe-htmlfile",
		"xhr-polling", "iframe-xhr-polling", "jsonp-polling",
	} {
		page.use(transport, echo.String(), passed)
	}
	page.use("htmlfile", pages.URL+"/proxy", passed)
	passed.want(t, "browser.html")
}

// TestCookies: a browser keeps the cookie and brings it with each request, and
// the server leaves one alone that is there: it may be a load balancer's.
func TestCookies(t *testing.T) {
	chrome := browser(t)
	pages := httptest.NewServer(http.FileServer(http.Dir(npm(t))))
	t.Cleanup(pages.Close)
	server := start(t, "echo", "127.0.0.1:0")
	page := open(t, chrome, pages.URL+"/browser.html")
	echo := "http://" + server.addr
	cookies := func() (all []string) {
		got, err := chromedp.Call(page.ctx, network.GetCookies, network.GetCookiesParams{URLs: []string{echo}})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range got.Cookies {
			all = append(all, c.Name+"="+c.Value)
		}
		return all
	}
	for _, want := range []string{"dummy", "mill"} {
		page.use("xhr-polling", echo, make(checks))
		if got := cookies(); len(got) != 1 || got[0] != "JSESSIONID="+want {
			t.Errorf("cookies %q, want %s", got, want)
		}
		mill := network.SetCookieParams{Name: "JSESSIONID", Value: "mill", URL: echo, Path: "/"}
		if _, err := chromedp.Call(page.ctx, network.SetCookie, mill); err != nil {
			t.Fatal(err)
		}
	}
}

// use does the checks of one transport in browser.html.
func (p *tab) use(transport, url string, passed checks) {
	p.t.Helper()
	p.do(chromedp.Evaluate[chromedp.Void](`use("` + url + `", "` + transport + `")`))
	p.until(transport+" is done", time.Minute, `() => done`)
	if failure := ask[string](p, `failed`); failure != "" {
		p.t.Error(failure)
	}
	for _, line := range ask[[]string](p, `said`) {
		if !passed.add(line) {
			p.t.Errorf("the page says %q", line)
		}
	}
}
