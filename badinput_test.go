package headrace_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/handler"
	"github.com/headrace/headrace/stompadapter"
	frames "github.com/headrace/headrace/stompadapter/frame"
)

const connectFrame = "CONNECT\naccept-version:1.2\nhost:h\n\n\x00"

// Every wrong frame is answered with an ERROR that says what is wrong, and
// costs its sender alone.
func TestBadInput(t *testing.T) {
	s := serve(t, setup{
		stomp: stompadapter.Config{Limits: frames.Limits{Frame: 32 << 10}},
		wire:  func(n *headrace.Node) { handler.Handle(n.Router, "/echo", echo) },
	})
	good := s.connect()
	good.subscribe("echo", "/topic/echo")
	for _, tc := range []struct {
		name    string
		connect bool // log in first
		frames  string
		want    string // message of the ERROR
		code    string
		receipt string
	}{
		{"unknown command", true, "SHOUT\nreceipt:r\n\n\x00", `unknown command "SHOUT"`, "invalid", ""},
		{"command of a server", true, "MESSAGE\nreceipt:r\n\n\x00", "only servers send MESSAGE frames", "invalid", "r"},
		{"over-long frame", true, "SEND\nreceipt:r\ndestination:/topic/x\n\n" + strings.Repeat("x", 60<<10) + "\x00", "the frame is larger than 32768 octets", "too-large", "r"},
		{"over-long content-length", true, "SEND\nreceipt:r\ndestination:/topic/x\ncontent-length:1000000\n\n", "the frame is larger than 32768 octets", "too-large", "r"},
		{"undefined escape", true, "SEND\nreceipt:r\ndestination:/topic/\\t\n\nx\x00", "a header has an undefined escape", "invalid", "r"},
		{"content-length is no number", true, "SEND\nreceipt:r\ndestination:/topic/x\ncontent-length:ten\n\nx\x00", "content-length is not a number of octets", "invalid", "r"},
		{"negative content-length", true, "SEND\nreceipt:r\ndestination:/topic/x\ncontent-length:-1\n\nx\x00", "content-length is not a number of octets", "invalid", "r"},
		{"no NUL after the body", true, "SEND\nreceipt:r\ndestination:/topic/x\ncontent-length:2\n\nxyz\x00", "no NUL after the 2 octets of content-length", "invalid", "r"},
		{"header without a colon", true, "SEND\nreceipt:r\ndestination\n\nx\x00", "a header has no colon", "invalid", "r"},
		{"no destination", true, "SEND\nreceipt:r\n\nx\x00", "SEND needs the header destination", "invalid", "r"},
		{"subscribe to nothing", true, "SUBSCRIBE\nid:1\nreceipt:r\n\n\x00", "SUBSCRIBE needs the header destination", "invalid", "r"},
		{"subscribe without id", true, "SUBSCRIBE\ndestination:/topic/x\nreceipt:r\n\n\x00", "SUBSCRIBE needs the header id", "invalid", "r"},
		{"duplicate subscription", true, "SUBSCRIBE\nid:1\ndestination:/topic/x\n\n\x00" + subscribeFrame("1", "/topic/y", "r"), "the session has a subscription of this id already", "conflict", "r"},
		{"bad pattern", true, subscribeFrame("1", "/topic/{x", "r"), "", "invalid", "r"},
		{"unsubscribe from nothing", true, "UNSUBSCRIBE\nid:1\nreceipt:r\n\n\x00", "the session has no subscription of this id", "not-found", "r"},
		{"second CONNECT", true, connectFrame, "the session has begun already", "conflict", ""},
		{"transaction twice", true, "BEGIN\ntransaction:t\n\n\x00BEGIN\ntransaction:t\nreceipt:r\n\n\x00", "the session has a transaction of this id already", "conflict", "r"},
		{"unknown transaction", true, "COMMIT\ntransaction:t\nreceipt:r\n\n\x00", "the session has no transaction of this id", "not-found", "r"},
		{"SEND in an unknown transaction", true, "SEND\ntransaction:t\ndestination:/topic/x\nreceipt:r\n\n\x00", "the session has no transaction of this id", "not-found", "r"},
		{"selector", true, "SUBSCRIBE\nid:1\ndestination:/topic/x\nselector:a = 1\nreceipt:r\n\n\x00", "selectors are not supported", "invalid", "r"},
		{"acknowledgement", true, "ACK\nid:1\nreceipt:r\n\n\x00", "there is nothing to acknowledge by this id", "not-found", "r"},
		{"two CONNECTs at once", false, connectFrame + connectFrame, "", "conflict", ""},
		{"SEND before CONNECT", false, sendFrame("/topic/x", "r", ""), "the first frame must be CONNECT or STOMP, not SEND", "invalid", "r"},
		{"SUBSCRIBE before CONNECT", false, subscribeFrame("1", "/topic/x", "r"), "the first frame must be CONNECT or STOMP, not SUBSCRIBE", "invalid", "r"},
		{"unsupported version", false, "CONNECT\naccept-version:2.0\nhost:h\n\n\x00", "none of the client's versions is supported, only 1.0,1.1,1.2 are", "invalid", ""},
		{"bad heart-beat", false, "CONNECT\naccept-version:1.2\nhost:h\nheart-beat:often\n\n\x00", "heart-beat is not two numbers of milliseconds divided by a comma", "invalid", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bad := s.dial()
			if tc.connect {
				bad.login()
			}
			bad.send(tc.frames)
			f, ok := bad.next()
			if ok && f.command == "CONNECTED" { // the first of two
				f, ok = bad.next()
			}
			if !ok || f.command != "ERROR" {
				t.Fatalf("got %v (closed with %d), want ERROR", f, bad.code)
			}
			if got := f.header["message"]; tc.want != "" && got != tc.want || got == "" {
				t.Errorf("message %q, want %q", got, tc.want)
			}
			if got := f.header["code"]; got != tc.code {
				t.Errorf("code %q, want %q", got, tc.code)
			}
			if got := f.header["receipt-id"]; got != tc.receipt {
				t.Errorf("receipt-id %q, want %q", got, tc.receipt)
			}
			wantNoInternals(t, f)
			bad.wantClosed()
			good.send(sendFrame("/app/echo", "", "still here"))
			good.wantMessage("echo", "still here")
		})
	}
	eventually(t, "the bad sessions are gone", func() bool { return s.node.Stats().Broker.Sessions == 1 })
}

// wantNoInternals fails for an ERROR that tells of the program's inside.
func wantNoInternals(t *testing.T, f frame) {
	t.Helper()
	for _, inside := range []string{".go", "goroutine", "headrace", "panic", "0x", "runtime"} {
		if text := fmt.Sprint(f); strings.Contains(text, inside) {
			t.Errorf("%q tells of %q", text, inside)
		}
	}
}

// A frame that never ends holds up nobody, and ends with its connection.
func TestFrameWithoutEnd(t *testing.T) {
	s := serve(t, setup{})
	stuck, good := s.connect(), s.connect()
	stuck.send("SEND\ndestination:/topic/x\n\nno NUL")
	good.subscribe("x", "/topic/x")
	good.send(sendFrame("/topic/x", "", "hello"))
	good.wantMessage("x", "hello")
	stuck.send(" yet\x00")
	good.wantMessage("x", "no NUL yet")

	stuck.send("SEND\ndestination:/topic/x\n\nnever")
	stuck.ws.Close()
	eventually(t, "the session is gone", func() bool { return s.node.Stats().Broker.Sessions == 1 })
	good.sync()
}

func TestFrameWithoutEndBeforeConnect(t *testing.T) {
	s := serve(t, setup{stomp: stompadapter.Config{LoginTimeout: 20 * time.Millisecond}})
	c := s.dial()
	c.send("CONNECT\naccept-version:1.2\n")
	c.wantError("the login took too long")
}
