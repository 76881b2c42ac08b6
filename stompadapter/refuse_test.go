package stompadapter_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter"
	"github.com/headrace/headrace/stompadapter/frame"
	"github.com/headrace/headrace/transport"
)

// connect12 is a client's first frame.
const connect12 = "CONNECT\naccept-version:1.2\n\n\x00"

func TestBadInput(t *testing.T) {
	for _, tt := range []struct {
		name, frames, text, receipt string
	}{
		{"frame before CONNECT", send("/a", "r"), "first frame must be CONNECT", "r"},
		{"unsupported version", "CONNECT\naccept-version:2.0,3.1\nreceipt:r\n\n\x00", "only 1.0,1.1,1.2 are", "r"},
		{"bad heart-beat", "CONNECT\naccept-version:1.2\nheart-beat:1\n\n\x00", "heart-beat", ""},
		{"negative heart-beat", "CONNECT\naccept-version:1.1\nheart-beat:-1,5\n\n\x00", "heart-beat", ""},
		{"login frame too large", "CONNECT\nlogin:" + strings.Repeat("x", 3000) + "\na:" + strings.Repeat("x", 3000) + "\nb:" + strings.Repeat("x", 3000) + "\n\n\x00", "8192", ""},
		{"two CONNECTs", connect12 + "CONNECT\naccept-version:1.2\nreceipt:r\n\n\x00", "begun already", "r"},
		{"CONNECT, then STOMP", connect12 + "STOMP\naccept-version:1.2\n\n\x00", "begun already", ""},
		{"SEND without destination", connect12 + "SEND\nreceipt:r\n\nbody\x00", "SEND needs the header destination", "r"},
		{"SEND with an empty destination", connect12 + send("", "r"), "SEND needs the header destination", "r"},
		{"SUBSCRIBE without id", connect12 + "SUBSCRIBE\ndestination:/a\nreceipt:r\n\n\x00", "SUBSCRIBE needs the header id", "r"},
		{"SUBSCRIBE without destination", connect12 + "SUBSCRIBE\nid:1\nreceipt:r\n\n\x00", "SUBSCRIBE needs the header destination", "r"},
		{"SUBSCRIBE, 1.0, without destination", "CONNECT\n\n\x00SUBSCRIBE\nid:1\n\n\x00", "SUBSCRIBE needs the header destination", ""},
		{"SUBSCRIBE with a long destination", connect12 + "SUBSCRIBE\nid:1\ndestination:/" + strings.Repeat("a", 255) + "\n\n\x00", "at most 255", ""},
		{"SUBSCRIBE with an unknown ack", connect12 + "SUBSCRIBE\nid:1\ndestination:/a\nack:never\n\n\x00", "ack is none of", ""},
		{"duplicate subscription", connect12 + "SUBSCRIBE\nid:1\ndestination:/a\n\n\x00SUBSCRIBE\nid:1\ndestination:/b\nreceipt:r\n\n\x00", "of this id already", "r"},
		{"UNSUBSCRIBE without id", connect12 + "UNSUBSCRIBE\nreceipt:r\n\n\x00", "UNSUBSCRIBE needs the header id", "r"},
		{"UNSUBSCRIBE of an unknown id", connect12 + "UNSUBSCRIBE\nid:1\nreceipt:r\n\n\x00", "no subscription of this id", "r"},
		{"UNSUBSCRIBE twice", connect12 + "SUBSCRIBE\nid:1\ndestination:/a\n\n\x00UNSUBSCRIBE\nid:1\n\n\x00UNSUBSCRIBE\nid:1\n\n\x00", "no subscription of this id", ""},
		{"ACK without id", connect12 + "ACK\nmessage-id:1\nreceipt:r\n\n\x00", "ACK needs the header id", "r"},
		{"ACK, 1.1, without subscription", "CONNECT\naccept-version:1.1\n\n\x00ACK\nmessage-id:1\n\n\x00", "ACK needs the header subscription", ""},
		{"NACK, 1.1, without message-id", "CONNECT\naccept-version:1.1\n\n\x00NACK\nid:1\nsubscription:1\n\n\x00", "NACK needs the header message-id", ""},
		{"NACK in 1.0", "CONNECT\n\n\x00NACK\nmessage-id:1\n\n\x00", "1.0 has no NACK", ""},
		{"BEGIN without transaction", connect12 + "BEGIN\nreceipt:r\n\n\x00", "BEGIN needs the header transaction", "r"},
		{"COMMIT without transaction", connect12 + "COMMIT\n\n\x00", "COMMIT needs the header transaction", ""},
		{"ABORT without transaction", connect12 + "ABORT\n\n\x00", "ABORT needs the header transaction", ""},
		{"server's command", connect12 + "MESSAGE\nreceipt:r\n\n\x00", "only servers send MESSAGE", "r"},
		{"server's command first", "CONNECTED\nversion:1.2\n\n\x00", "only servers send CONNECTED", ""},
		{"unknown command", connect12 + "NONSENSE\n\n\x00", "unknown command", ""},
		{"header for a command", connect12 + "passcode:hunter2\n\n\x00", "unknown command", ""},
		{"garbage", "\x01\x02\x03\n\n\x00", "unknown command", ""},
		{"HTTP", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "unknown command", ""},
		{"bad escape", connect12 + "SEND\nreceipt:r\ndestination:\\t\n\n\x00", "escape", "r"},
		{"header without a colon", connect12 + "SEND\nreceipt:r\ndestination\n\n\x00", "colon", "r"},
		{"bad content-length", connect12 + "SEND\nreceipt:r\ndestination:/a\ncontent-length:x\n\n\x00", "content-length", "r"},
		{"negative content-length", connect12 + "SEND\nreceipt:r\ndestination:/a\ncontent-length:-1\n\n\x00", "content-length", "r"},
		{"no NUL after the body", connect12 + "SEND\nreceipt:r\ndestination:/a\ncontent-length:1\n\nab\x00", "NUL", "r"},
		{"body where none belongs", connect12 + "SUBSCRIBE\nreceipt:r\nid:1\ndestination:/a\n\nbody\x00", "no body", "r"},
		{"too many headers", connect12 + "SEND\nreceipt:r\n" + strings.Repeat("a:b\n", 64) + "\n\x00", "64", "r"},
		{"header too long", connect12 + "SEND\nreceipt:r\na:" + strings.Repeat("b", 4096) + "\n\n\x00", "4096", "r"},
		{"frame too large", connect12 + "SEND\nreceipt:r\ndestination:/a\ncontent-length:65536\n\nx", "65536", "r"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := new(inbound)
			s := serve(t, in, stompadapter.Config{})
			other := s.connect()
			c := s.dial()
			c.send(tt.frames)
			if strings.HasPrefix(tt.frames, connect12) || strings.HasPrefix(tt.frames, "CONNECT\n\n") || strings.HasPrefix(tt.frames, "CONNECT\naccept-version:1.1\n\n") {
				c.want(frame.Connected)
			}
			f := c.wantError(tt.text)
			if got, ok := f.Header.Lookup("receipt-id"); got != tt.receipt || ok != (tt.receipt != "") {
				t.Errorf("receipt-id %q, want %q", got, tt.receipt)
			}
			if got := f.Header.Get("version"); (got == "1.0,1.1,1.2") != (tt.name == "unsupported version") {
				t.Errorf("version %q", got)
			}
			if log := s.log.String(); strings.Count(log, "\n") != 1 || strings.Contains(log, "hunter2") {
				t.Errorf("log, want one line without secrets: %s", log)
			}
			other.send(send("/still/here", "ok"))
			other.receipts(1)
		})
	}
}

// TestLargeFrames raises the one limit that a user has to know.
func TestLargeFrames(t *testing.T) {
	in := new(inbound)
	c := serve(t, in, stompadapter.Config{Limits: frame.Limits{Frame: 256 << 10}}).connect()
	body := strings.Repeat("x", 200<<10)
	c.send("SEND\ndestination:/a\nreceipt:r\n\n" + body + "\x00")
	c.receipts(1)
	if m := in.only(t, message.KindData); string(m.Payload) != body {
		t.Errorf("a payload of %d octets", len(m.Payload))
	}
}

func TestSubscriptionsAreBounded(t *testing.T) {
	s := serve(t, new(inbound), stompadapter.Config{MaxSubscriptions: 2})
	c := s.connect()
	for id := range 3 {
		c.send(fmt.Sprintf("SUBSCRIBE\nid:%d\ndestination:/a\n\n\x00", id))
	}
	c.wantError("at most 2 subscriptions")
}

func TestFailures(t *testing.T) {
	for _, tt := range []struct {
		name, text, code, level string
		fail                    func() error
		logged                  string
	}{
		{"authored", "too late", "denied", "INFO", func() error { return message.Errorf(message.CodeDenied, "too late") }, ""},
		{"with a cause", "too late", "denied", "WARN", func() error {
			return message.Errorf(message.CodeDenied, "too late").WithCause(errors.New("row 17"))
		}, "row 17"},
		{"its own mistake, with a cause", "no JSON", "invalid", "INFO", func() error {
			return message.Errorf(message.CodeInvalid, "no JSON").WithCause(errors.New("offset 17"))
		}, "offset 17"},
		{"ours, with a cause", "not now", "unavailable", "ERROR", func() error {
			return message.Errorf(message.CodeUnavailable, "not now").WithCause(errors.New("row 17"))
		}, "row 17"},
		{"bare", "internal error", "internal", "ERROR", func() error { return errors.New("row 17") }, "row 17"},
		{"canceled elsewhere", "internal error", "internal", "ERROR", func() error { return context.Canceled }, "context canceled"},
		{"veto", "message dropped", "dropped", "DEBUG", func() error { return message.ErrDropped }, ""},
		{"panic", "internal error", "internal", "ERROR", func() error { panic("row 17") }, "row 17"},
		{"not UTF-8", "caf\uFFFD", "invalid", "INFO", func() error { return message.Errorf(message.CodeInvalid, "caf\xe9") }, ""},
		{"with line ends", "two lines", "invalid", "INFO", func() error { return message.Errorf(message.CodeInvalid, "two\nlines") }, ""},
	} {
		for _, receipt := range []string{"", "receipt:r\n"} {
			t.Run(tt.name+" "+receipt, func(t *testing.T) {
				in := &inbound{on: func(ctx context.Context, m message.Raw) error {
					if m.Kind == message.KindData {
						return tt.fail()
					}
					return accept(ctx, m)
				}}
				s := serve(t, in, stompadapter.Config{})
				c, other := s.connect(), s.connect()
				c.send("SEND\ndestination:/a\nsecret:hunter2\n" + receipt + "\n\x00")
				f := c.wantError(tt.text)
				if got := f.Header.Get("code"); got != tt.code {
					t.Errorf("code %q, want %q", got, tt.code)
				}
				if got := f.Header.Get("receipt-id"); (got == "r") != (receipt != "") {
					t.Errorf("receipt-id %q", got)
				}
				if strings.Contains(fmt.Sprint(f.Header, string(f.Body)), "row 17") {
					t.Errorf("ERROR tells %v %q", f.Header, f.Body)
				}
				log := s.log.String()
				if strings.Count(log, "\n") != 1 || !strings.Contains(log, "level="+tt.level) || strings.Contains(log, "hunter2") {
					t.Errorf("log, want one line of level %s: %s", tt.level, log)
				}
				if !strings.Contains(log, tt.logged) {
					t.Errorf("the cause is not logged: %s", log)
				}
				other.send("DISCONNECT\nreceipt:ok\n\n\x00")
				other.receipts(1)
				if got := s.adapter.Stats().Refused; got != 1 {
					t.Errorf("%d refused", got)
				}
			})
		}
	}
}

// TestPanicOnDisconnect panics where there is no client left to tell.
func TestPanicOnDisconnect(t *testing.T) {
	in := &inbound{on: func(ctx context.Context, m message.Raw) error {
		if m.Kind == message.KindDisconnect {
			panic("boom")
		}
		return accept(ctx, m)
	}}
	s := serve(t, in, stompadapter.Config{})
	s.connect().ws.NetConn().Close()
	eventually(t, "the panic is logged", func() bool { return strings.Contains(s.log.String(), "boom") })
}

// TestCloseIsNoFailure closes the adapter while frames wait in inbound.
func TestCloseIsNoFailure(t *testing.T) {
	for level, wrap := range map[string]func(context.Context) error{
		"DEBUG": func(ctx context.Context) error { return fmt.Errorf("no room: %w", ctx.Err()) },
		"ERROR": func(context.Context) error { return errors.New("the end broke it") },
	} {
		waits := make(chan struct{})
		in := &inbound{on: func(ctx context.Context, m message.Raw) error {
			if m.Kind != message.KindData {
				return accept(ctx, m)
			}
			close(waits)
			<-ctx.Done()
			return wrap(ctx)
		}}
		s := serve(t, in, stompadapter.Config{})
		s.connect().send(send("/a", "r"))
		<-waits
		s.adapter.Close()
		if log := s.log.String(); strings.Count(log, "level=") != 1 || !strings.Contains(log, "level="+level) {
			t.Errorf("log, want one line of level %s: %s", level, log)
		}
	}
}

func TestNewPanics(t *testing.T) {
	for field, c := range map[string]stompadapter.Config{
		"Frame:-1":         {Limits: frame.Limits{Frame: -1}},
		"LoginTimeout":     {LoginTimeout: -1},
		"MaxSubscriptions": {MaxSubscriptions: -1},
		"MaxPending":       {MaxPending: -1},
		"inbound":          {},
	} {
		t.Run(field, func(t *testing.T) {
			defer func() {
				if v := fmt.Sprint(recover()); !strings.Contains(v, field) {
					t.Errorf("panic %s, want the field named", v)
				}
			}()
			if field == "inbound" {
				stompadapter.New(nil, c)
			}
			stompadapter.New(new(inbound), c)
		})
	}
	stompadapter.New(new(inbound), stompadapter.Config{Heartbeat: stompadapter.HeartbeatConfig{Send: -1, Receive: -1}})
}

// TestMessageBytes sets the limit of a WebSocket message below that of a frame.
func TestMessageBytes(t *testing.T) {
	c := serve(t, new(inbound), stompadapter.Config{WebSocket: transport.WebSocketConfig{MessageBytes: 64}}).connect()
	large := send("/a", strings.Repeat("r", 64))
	c.send(large[:50])
	c.send(large[50:])
	c.receipts(1)
	c.send(large)
	c.wantClosed(1009)
}
