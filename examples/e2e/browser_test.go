package e2e_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/headrace/headrace/internal/need"
)

// browser starts a browser that nobody used before.
func browser(t *testing.T) context.Context {
	t.Helper()
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(need.Browser(t)),
		chromedp.NoSandbox,
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
	)
	allocator, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, _ := chromedp.NewContext(allocator)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal("no browser:", err)
	}
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			t.Error("the browser does not end:", err)
		}
	})
	return ctx
}

// tab is a page of somebody who shares nothing with the other tabs.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	offline  bool // the server is away: connections that fail are no problem
	problems []string
}

func open(t *testing.T, browser context.Context, url string) *tab {
	t.Helper()
	page := &tab{t: t}
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext(), chromedp.WithListener(page.listen))
	t.Cleanup(cancel)
	page.ctx = ctx
	if err := chromedp.Do(ctx); err != nil { // its context is the tab's
		t.Fatal(err)
	}
	page.do(chromedp.EmulateViewport(1280, 900), chromedp.Navigate(url))
	return page
}

// patience is how long a page may take for one step.
const patience = 15 * time.Second

func (p *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.t.Fatal(err)
	}
}

// ask returns the value of an expression.
func ask[T any](p *tab, expression string) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		p.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// until waits for a function of the page to return true.
func (p *tab) until(what string, within time.Duration, function string, args ...any) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, within+patience)
	defer cancel()
	wait := chromedp.PollFunction[bool](function, chromedp.WithPollingArgs(args...),
		chromedp.WithPollingTimeout(within), chromedp.WithPollingInterval(20*time.Millisecond))
	if _, err := chromedp.Run(ctx, wait); err != nil {
		text := ask[string](p, `document.body.innerText`)
		p.t.Fatalf("%s: not within %v: %v\nthe page:\n%s", what, within, err, text)
	}
}

// shows waits for an element to be visible and to have a text.
func (p *tab) shows(selector, text string) {
	p.t.Helper()
	p.until(selector+" shows "+text, patience, `(selector, text) => {
		const e = document.querySelector(selector);
		return e?.checkVisibility() && e.innerText.replace(/\s+/g, " ").includes(text);
	}`, selector, text)
}

// fill types a value over what a field holds.
func (p *tab) fill(field, value string) {
	p.t.Helper()
	p.do(
		chromedp.Focus(chromedp.ID(field)),
		chromedp.Evaluate[chromedp.Void](`document.activeElement.select()`),
		chromedp.KeyEvent(value),
	)
}

// prefers makes the page think that its reader likes it light or dark.
func (p *tab) prefers(scheme string) {
	p.t.Helper()
	media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}
	if _, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, media); err != nil {
		p.t.Fatal(err)
	}
}

// listen collects what a developer would see in red in the console. It runs on
// the goroutine that reads the browser's messages.
func (p *tab) listen(event any) {
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		p.problem(e.ExceptionDetails.Text + " " + e.ExceptionDetails.URL)
	case *runtime.EventConsoleAPICalled:
		if e.Type == "error" || e.Type == "warning" {
			p.problem("console." + string(e.Type))
		}
	case *cdplog.EventEntryAdded:
		if e.Entry.Level == cdplog.EntryLevelError || e.Entry.Level == cdplog.EntryLevelWarning {
			p.problem(e.Entry.Text + " " + e.Entry.URL)
		}
	}
}

func (p *tab) problem(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.offline && strings.HasPrefix(text, "WebSocket connection to") {
		return
	}
	p.problems = append(p.problems, text)
}

func (p *tab) setOffline(offline bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.offline = offline
}

// wantNoProblems fails the test when anything was red so far.
func (p *tab) wantNoProblems() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, problem := range p.problems {
		p.t.Error("console:", problem)
	}
}
