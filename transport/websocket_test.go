package transport_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/transport"
)

func echo(p *peer, b []byte) error { return p.conn.Send(text(string(b))) }

func TestEchoes(t *testing.T) {
	for name, tls := range map[string]bool{"tcp": false, "tls": true} {
		t.Run(name, func(t *testing.T) {
			f := start(t, setup{receive: echo, tls: tls})
			ws, p := f.dial(t, nil)
			for range 3 {
				if err := ws.WriteMessage(websocket.TextMessage, []byte("hello")); err != nil {
					t.Fatal(err)
				}
				kind, b, err := ws.ReadMessage()
				if err != nil || kind != websocket.TextMessage || string(b) != "hello" {
					t.Fatalf("got %d %q %v", kind, b, err)
				}
			}
			ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, "bye"), time.Now().Add(time.Second))
			_, _, err := ws.ReadMessage()
			if !websocket.IsCloseError(err, 1000) {
				t.Errorf("the client's goodbye was answered with %v", err)
			}
			if err := <-p.closed; err != nil {
				t.Errorf("reason of an orderly end: %v", err)
			}
		})
	}
}

func TestFrameKinds(t *testing.T) {
	f := start(t, setup{})
	ws, p := f.dial(t, nil)
	for _, tt := range []struct {
		payload string
		kind    int
	}{
		{"", websocket.TextMessage},
		{"grüße", websocket.TextMessage},
		{"\xff\xfe", websocket.BinaryMessage},
		{strings.Repeat("a", 125), websocket.TextMessage},
		{strings.Repeat("a", 126), websocket.TextMessage},
		{strings.Repeat("a", 65535), websocket.TextMessage},
		{strings.Repeat("a", 65536), websocket.TextMessage},
		{strings.Repeat("a", 300000), websocket.TextMessage},
	} {
		if err := p.conn.Send(text(tt.payload)); err != nil {
			t.Fatal(err)
		}
		kind, b, err := ws.ReadMessage()
		if err != nil || kind != tt.kind || string(b) != tt.payload {
			t.Errorf("payload of %d bytes: kind %d, %d bytes, %v", len(tt.payload), kind, len(b), err)
		}
	}
}

func TestSubprotocols(t *testing.T) {
	f := start(t, setup{ws: transport.WebSocketConfig{Subprotocols: []string{"v12", "v11"}}})
	for _, tt := range []struct {
		offered []string
		want    string
	}{
		{[]string{"v10", "v11", "v12"}, "v12"},
		{[]string{"v11"}, "v11"},
		{[]string{"other"}, ""},
		{nil, ""},
	} {
		ws, p := f.dial(t, nil, tt.offered...)
		if ws.Subprotocol() != tt.want || p.conn.Subprotocol() != tt.want {
			t.Errorf("%v: client %q, server %q, want %q", tt.offered, ws.Subprotocol(), p.conn.Subprotocol(), tt.want)
		}
	}
}

func TestMessagesComeInPieces(t *testing.T) {
	done := make(chan struct{})
	payload := strings.Repeat("0123456789", 5000)
	f := start(t, setup{receive: func(p *peer, b []byte) error {
		if len(p.received()) == len(payload) {
			close(done)
		}
		return nil
	}})
	ws, p := f.dial(t, nil)
	w, err := ws.NextWriter(websocket.BinaryMessage)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range bytes.SplitAfter([]byte(payload), []byte("7")) { // gorilla makes fragments of a message larger than its buffer
		w.Write(b)
	}
	w.Close()
	<-done
	if p.received() != payload {
		t.Error("the message changed on the way")
	}
	if p.most > 4096 {
		t.Errorf("a piece of %d bytes", p.most)
	}
}

// A pong that is not queued lands inside a frame that is half written.
func TestPongsGoThroughTheOutbox(t *testing.T) {
	const frames, pings = 300, 50
	f := start(t, setup{connect: smallSendBuffer, receive: func(p *peer, _ []byte) error {
		for i := range frames {
			p.conn.Send(text(strings.Repeat(string(rune('a'+i%26)), 1000)))
		}
		return nil
	}})
	raw, _ := f.dialRaw(t)
	raw.frame(websocket.TextMessage, true, []byte("go"))
	for i := range pings {
		raw.frame(websocket.PingMessage, true, []byte{byte(i)})
	}
	texts, pongs := 0, 0
	for texts < frames || pongs < pings {
		op, b, err := raw.next(t)
		switch {
		case err != nil:
			t.Fatal(err)
		case op == websocket.TextMessage && len(b) == 1000 && b[0] == byte('a'+texts%26):
			texts++
		case op == websocket.PongMessage && len(b) == 1 && b[0] == byte(pongs) && texts == frames:
			pongs++
		default:
			t.Fatalf("opcode %x with %d bytes after %d texts and %d pongs", op, len(b), texts, pongs)
		}
	}
}

func TestCloseCodes(t *testing.T) {
	for _, tt := range []struct {
		reason error
		code   int
		text   string
	}{
		{nil, 1000, ""},
		{transport.ErrShutdown, 1012, "server is shutting down"},
		{&transport.ShutdownError{RetryAfter: 1250 * time.Millisecond}, 1012, "server is shutting down; retry-after=1250ms"},
		{message.Errorf(message.CodeInvalid, "bad"), 1002, "bad"},
		{message.Errorf(message.CodeDenied, "no").WithCause(http.ErrNoCookie), 1008, "no"},
		{message.Errorf(message.CodeUnauthenticated, "who"), 1008, "who"},
		{message.Errorf(message.CodeTimeout, "late"), 1008, "late"},
		{message.Errorf(message.CodeTooLarge, "big"), 1009, "big"},
		{http.ErrAbortHandler, 1011, "internal error"},
		{message.Errorf(message.CodeFull, "full"), 1013, "full"},
		{message.Errorf(message.CodeUnavailable, "away"), 1013, "away"},
		{message.Errorf(message.CodeDenied, "%s", strings.Repeat("é", 100)), 1008, strings.Repeat("é", 61)},
	} {
		f := start(t, setup{})
		ws, p := f.dial(t, nil)
		p.conn.Send(text("last words"))
		p.conn.Close(tt.reason)
		p.conn.Close(message.Errorf(message.CodeInternal, "a second reason"))
		if err := p.conn.Send(text("too late")); err != transport.ErrClosed {
			t.Errorf("Send after Close: %v", err)
		}
		_, b, err := ws.ReadMessage()
		if string(b) != "last words" {
			t.Errorf("%v: lost what was queued: %q %v", tt.reason, b, err)
		}
		_, _, err = ws.ReadMessage()
		ce, ok := err.(*websocket.CloseError)
		if !ok || ce.Code != tt.code || ce.Text != tt.text {
			t.Errorf("%v: closed with %v, want %d %q", tt.reason, err, tt.code, tt.text)
		}
		if got := <-p.closed; got != tt.reason {
			t.Errorf("Closed got %v, want %v", got, tt.reason)
		}
	}
}

func TestReceiveErrorClosesAndNothingFollows(t *testing.T) {
	calls := 0
	f := start(t, setup{receive: func(p *peer, b []byte) error {
		calls++
		p.conn.Send(text("error frame"))
		return message.Errorf(message.CodeInvalid, "not a frame")
	}})
	ws, p := f.dial(t, nil)
	for range 100 {
		if err := ws.WriteMessage(websocket.TextMessage, []byte("x")); err != nil {
			break
		}
	}
	if _, b, err := ws.ReadMessage(); string(b) != "error frame" {
		t.Errorf("got %q, %v", b, err)
	}
	if _, _, err := ws.ReadMessage(); !websocket.IsCloseError(err, 1002) {
		t.Errorf("closed with %v", err)
	}
	<-p.closed
	if calls != 1 {
		t.Errorf("Receive was called %d times", calls)
	}
}

func TestPanicCostsItsOwnClientOnly(t *testing.T) {
	f := start(t, setup{receive: func(p *peer, b []byte) error {
		if string(b) == "boom" {
			panic("a secret")
		}
		return echo(p, b)
	}})
	bad, p := f.dial(t, nil)
	good, _ := f.dial(t, nil)
	bad.WriteMessage(websocket.TextMessage, []byte("boom"))
	_, _, err := bad.ReadMessage()
	if !websocket.IsCloseError(err, 1011) || strings.Contains(err.Error(), "secret") {
		t.Errorf("closed with %v", err)
	}
	<-p.closed
	good.WriteMessage(websocket.TextMessage, []byte("still here"))
	if _, b, err := good.ReadMessage(); string(b) != "still here" {
		t.Errorf("the other got %q, %v", b, err)
	}
}

func TestTextMustBeUTF8(t *testing.T) {
	for _, tt := range []struct {
		name      string
		kind      int
		fragments []string
		bad       bool
	}{
		{"valid", websocket.TextMessage, []string{"grüße €"}, false},
		{"character split", websocket.TextMessage, []string{"\xe2", "\x82", "\xac and \xf0\x9f", "\x98\x80"}, false},
		{"invalid", websocket.TextMessage, []string{"a\xffb"}, true},
		{"ends within a character", websocket.TextMessage, []string{"a\xe2\x82"}, true},
		{"surrogate", websocket.TextMessage, []string{"\xed\xa0\x80"}, true},
		{"overlong", websocket.TextMessage, []string{"\xc0\xaf"}, true},
		{"split and invalid", websocket.TextMessage, []string{"\xe2", "\x82", "x"}, true},
		{"binary", websocket.BinaryMessage, []string{"a\xffb"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := start(t, setup{})
			raw, p := f.dialRaw(t)
			for i, s := range tt.fragments {
				op := byte(tt.kind)
				if i > 0 {
					op = 0
				}
				raw.frame(op, i == len(tt.fragments)-1, []byte(s))
			}
			raw.frame(websocket.CloseMessage, true, []byte{3, 232})
			want := 1000
			if tt.bad {
				want = 1007
			}
			if code := raw.closeCode(t); code != want {
				t.Errorf("close code %d, want %d", code, want)
			}
			<-p.closed
			if all := strings.Join(tt.fragments, ""); !tt.bad && p.received() != all {
				t.Errorf("received %q", p.received())
			}
		})
	}
}
