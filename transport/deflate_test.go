package transport_test

import (
	"bytes"
	"compress/flate"
	"errors"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/transport"
)

const offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"

// deflated returns what a client sends for s (RFC 7692, section 7.2.1).
func deflated(s string) []byte {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestCompression)
	w.Write([]byte(s))
	w.Flush()
	return bytes.TrimSuffix(b.Bytes(), []byte("\x00\x00\xff\xff"))
}

const rsv1 = 0x40

func TestCompressedMessages(t *testing.T) {
	f := start(t, setup{ws: transport.WebSocketConfig{Compression: true}, receive: echo})
	d := websocket.Dialer{EnableCompression: true}
	ws, resp, err := d.Dial(f.url(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	ws.SetReadDeadline(time.Now().Add(20 * time.Second))
	if !strings.Contains(resp.Header.Get("Sec-WebSocket-Extensions"), "permessage-deflate") {
		t.Errorf("%v", resp.Header)
	}
	for i, s := range []string{"", "a", strings.Repeat("grüße ", 100), "plain", strings.Repeat("x", 4000)} {
		ws.EnableWriteCompression(i != 3)
		ws.WriteMessage(websocket.TextMessage, []byte(s))
		if s == "" {
			continue
		}
		if _, b, err := ws.ReadMessage(); string(b) != s || err != nil {
			t.Fatalf("%q, %v", b, err)
		}
	}
}

func TestCompressionOffers(t *testing.T) {
	for offer, accepted := range map[string]bool{
		"permessage-deflate":                                                         true,
		"permessage-deflate; client_max_window_bits":                                 true,
		"permessage-deflate; client_max_window_bits=10":                              true,
		"permessage-deflate;server_no_context_takeover;client_no_context_takeover":   true,
		"x-zip, permessage-deflate":                                                  true,
		"permessage-deflate; server_max_window_bits=10, permessage-deflate":          true,
		"permessage-deflate; server_max_window_bits=10":                              false,
		"permessage-deflate; unknown":                                                false,
		"permessage-deflate; server_no_context_takeover=1":                           false,
		"permessage-deflate; client_no_context_takeover; client_no_context_takeover": false,
		"permessage-deflate; ":                                                       false,
		"permessage-deflated":                                                        false,
	} {
		f := start(t, setup{ws: transport.WebSocketConfig{Compression: true}})
		resp := f.attempt(t, http.Header{"Sec-WebSocket-Extensions": {offer}})
		if got := resp.Header.Get("Sec-WebSocket-Extensions"); accepted != (got == "permessage-deflate; server_no_context_takeover; client_no_context_takeover") || !accepted && got != "" {
			t.Errorf("%s: %q", offer, got)
		}
	}
}

func TestHostileCompression(t *testing.T) {
	type frame struct {
		op    byte
		final bool
		data  []byte
	}
	bomb := deflated(strings.Repeat("\x00", 16<<20)) // 1000:1
	half := len(bomb) / 2
	for _, tt := range []struct {
		name   string
		frames []frame
		code   int
	}{
		{"bomb", []frame{{rsv1 | websocket.BinaryMessage, true, bomb}}, 1009},
		{"bomb in fragments", []frame{{rsv1 | websocket.BinaryMessage, false, bomb[:half]}, {0, true, bomb[half:]}}, 1009},
		{"one byte too many", []frame{{rsv1 | websocket.TextMessage, true, deflated(strings.Repeat("x", 64<<10+1))}}, 1009},
		{"as many as may be", []frame{{rsv1 | websocket.TextMessage, true, deflated(strings.Repeat("x", 64<<10))}}, 1000},
		{"not UTF-8", []frame{{rsv1 | websocket.TextMessage, true, deflated("a\xff")}}, 1007},
		{"ends within a character", []frame{{rsv1 | websocket.TextMessage, true, deflated("a\xe2\x82")}}, 1007},
		{"garbage", []frame{{rsv1 | websocket.TextMessage, true, []byte("\xff\xff\xff\xff")}}, 1002},
		{"compressed ping", []frame{{rsv1 | websocket.PingMessage, true, nil}}, 1002},
		{"compressed continuation", []frame{{websocket.TextMessage, false, []byte("a")}, {rsv1, true, []byte("b")}}, 1002},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := start(t, setup{ws: transport.WebSocketConfig{Compression: true}})
			raw, p := f.dialRaw(t, offer)
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			for _, fr := range tt.frames {
				raw.frame(fr.op, fr.final, fr.data)
			}
			raw.frame(websocket.CloseMessage, true, []byte{3, 232})
			code := raw.closeCode(t)
			runtime.ReadMemStats(&after)
			if code != tt.code {
				t.Errorf("close code %d, want %d", code, tt.code)
			}
			// All that was ever allocated: the peak is below it.
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 64<<10+1<<20 {
				t.Errorf("%d bytes allocated", grown)
			}
			if err := <-p.closed; (err == nil) != (tt.code == 1000) {
				t.Errorf("reason %v", err)
			}
			if n := len(p.received()); n > 64<<10 {
				t.Errorf("%d bytes received", n)
			}
		})
	}
}

// Without a limit a compressed message is still not gathered without end.
func TestCompressedWithoutLimit(t *testing.T) {
	f := start(t, setup{ws: transport.WebSocketConfig{Compression: true, MessageBytes: -1}})
	raw, p := f.dialRaw(t, offer)
	raw.frame(rsv1|websocket.TextMessage, true, deflated(strings.Repeat("x", 1<<20)))
	raw.Write([]byte{rsv1 | 0x80 | websocket.BinaryMessage, 0xFF, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0}) // 16 MiB and one
	if code := raw.closeCode(t); code != 1009 {
		t.Errorf("close code %d", code)
	}
	<-p.closed
	if n := len(p.received()); n != 1<<20 {
		t.Errorf("%d bytes received", n)
	}
}

func TestCompressedWithoutLeave(t *testing.T) {
	f := start(t, setup{})
	raw, p := f.dialRaw(t, offer)
	raw.frame(rsv1|websocket.TextMessage, true, deflated("a"))
	if code := raw.closeCode(t); code != 1002 {
		t.Errorf("close code %d", code)
	}
	if err := <-p.closed; message.Public(err).Code != message.CodeInvalid || errors.Is(err, transport.ErrLost) {
		t.Errorf("reason %v", err)
	}
}
