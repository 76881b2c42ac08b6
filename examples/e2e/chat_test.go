package e2e_test

import (
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// TestChat lets the four clients of the page, and one at a terminal, hear each
// other.
func TestChat(t *testing.T) {
	chrome := browser(t)
	server := start(t, "chat", "localhost:0")
	page := open(t, chrome, "http://"+server.addr+"/")
	rooms := []string{"stomp", "sockjs", "json", "sse"}
	for _, room := range rooms {
		page.shows("#"+room+" [role=status]", "connected")
	}
	kim := joinChat(t, "ws://"+server.addr+"/ws", "kim")
	for _, room := range rooms {
		text := "said over " + room
		page.do(
			chromedp.Focus(chromedp.CSS("#"+room+" [name=text]")),
			chromedp.KeyEvent(text+"\r"),
		)
		for _, other := range rooms {
			page.shows("#"+other+" ol", text)
		}
		kim.hears(text)
	}
	kim.says("hello from a terminal")
	for _, room := range rooms {
		page.shows("#"+room+" ol", "kim hello from a terminal")
	}
	fits(page, 390, 844)
	fits(page, 1280, 900)
	page.wantNoProblems()
	kim.leave()
}

// terminal is the chat program as somebody at a terminal uses it.
type terminal struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.WriteCloser
	out chan string
}

func joinChat(t *testing.T, url, name string) *terminal {
	t.Helper()
	term := &terminal{t: t, cmd: exec.Command(filepath.Join(bin, "chat"), "-as", name, "-url", url), out: make(chan string, 100)}
	var err error
	if term.in, err = term.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	term.cmd.Stdout, term.cmd.Stderr = &eachLine{lines: term.out}, t.Output()
	if err := term.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { term.in.Close() })
	term.hears("you are " + name)
	return term
}

// hears waits for a line with this text.
func (term *terminal) hears(text string) {
	term.t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case line := <-term.out:
			if strings.Contains(line, text) {
				return
			}
		case <-timeout:
			term.t.Fatalf("the terminal does not show %q", text)
		}
	}
}

func (term *terminal) says(text string) {
	term.t.Helper()
	if _, err := io.WriteString(term.in, text+"\n"); err != nil {
		term.t.Fatal(err)
	}
}

// leave ends the input.
func (term *terminal) leave() {
	term.t.Helper()
	term.in.Close()
	if err := term.cmd.Wait(); err != nil {
		term.t.Error("the terminal ended with", err)
	}
}

// eachLine passes on every line that is written to it.
type eachLine struct {
	lines chan<- string
	rest  string
}

func (e *eachLine) Write(p []byte) (int, error) {
	e.rest += string(p)
	for {
		line, rest, ok := strings.Cut(e.rest, "\n")
		if !ok {
			return len(p), nil
		}
		e.lines <- line
		e.rest = rest
	}
}
