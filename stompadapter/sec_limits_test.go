package stompadapter_test

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/gorilla/websocket"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter"
	"github.com/headrace/headrace/stompadapter/frame"
	"github.com/headrace/headrace/transport"
)

// heapAfterGC returns the octets in use.
func heapAfterGC() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// pour sends a text again and again, until the connection breaks or so much was
// sent.
func pour(a attacker, most int, text string) (sent int) {
	for ; sent < most; sent += len(text) {
		if _, err := a.Write([]byte(text)); err != nil {
			break
		}
	}
	return sent
}

// A flood of headers ends at the limits.
func TestSec_S18_HeaderFlood(t *testing.T) {
	for name, tt := range map[string]struct{ begin, next, text string }{
		"a million headers":      {"SEND\n", strings.Repeat("a:\n", 10_000), "more than 64 headers"},
		"100 MB in one header":   {"SEND\na:", strings.Repeat("x", 30_000), "longer than 4096"},
		"headers without an end": {"SEND\n", "a:" + strings.Repeat("x", 4000) + "\n", "larger than 16384"},
		"before the login":       {"", strings.Repeat("a:\n", 10_000), "unknown command"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, way := range []string{"websocket", "tcp"} {
				f := fortify(t, new(inbound), stompadapter.Config{})
				a := entrances[way](f, nil)
				if tt.begin != "" {
					a.Write([]byte(connect12 + tt.begin))
				}
				pour(a, 3_000_000, tt.next)
				a.rest()
				f.Close()
				if !strings.Contains(f.log.String(), tt.text) {
					t.Errorf("log %s", f.log)
				}
			}
		})
	}
}

// The most that a frame which is not complete makes a connection hold.
func TestSec_S18_MemoryOfAConnection(t *testing.T) {
	const n = 300 // beside which what earlier tests leave is little
	half := "SEND\n" + strings.Repeat("a:"+strings.Repeat("x", 250)+"\n", 63)
	f := fortify(t, new(inbound), stompadapter.Config{})
	ln := &pipes{conns: make(chan net.Conn), done: make(chan struct{})} // on which a Write returns when it was read
	var served sync.WaitGroup
	served.Go(func() { f.ServeTCP(ln) })
	defer served.Wait()
	defer f.Close()
	before := heapAfterGC()
	for range n {
		nc, err := ln.dial(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		go io.Copy(io.Discard, nc)
		fmt.Fprint(nc, connect12, half)
		fmt.Fprint(nc, "a") // which is read when all before it is held
	}
	if each := (heapAfterGC() - before) / n; each > 64<<10 {
		t.Errorf("%d octets a connection", each)
	} else if each < 16<<10 {
		t.Errorf("%d octets a connection: the frame is not there", each)
	}
}

// A frame's limit counts what it is made of, whatever it comes in.
func TestSec_S27_LimitCountsAcrossMessages(t *testing.T) {
	begin := connect12 + "SEND\ndestination:/a\n\n"
	for name, attack := range map[string]func(f *fortress) attacker{
		"messages":         func(f *fortress) attacker { return &socketAttacker{f.socket("/ws", nil)} },
		"segments":         func(f *fortress) attacker { return f.stream() },
		"SockJS messages":  func(f *fortress) attacker { return f.framed(nil) },
		"batches by xhr":   func(f *fortress) attacker { return batching{f.poller(nil)} },
		"fragments of one": func(f *fortress) attacker { return newFragments(f) },
	} {
		t.Run(name, func(t *testing.T) {
			in := new(inbound)
			f := fortify(t, in, stompadapter.Config{WebSocket: transport.WebSocketConfig{MessageBytes: 1 << 20}})
			a := attack(f)
			a.Write([]byte(begin))
			pour(a, 66_000, strings.Repeat("x", 1000))
			if got := a.rest(); !strings.Contains(got, "larger than 65536 octets") {
				t.Errorf("the client got %q", got)
			}
			f.Close()
			if got := in.kinds(); got != "connect disconnect" {
				t.Errorf("inbound saw %q", got)
			}
		})
	}
}

// batching sends ten messages in one request.
type batching struct{ pollAttacker }

func (b batching) Write(p []byte) (int, error) {
	var parts []string
	for rest := string(p); rest != ""; {
		n := min(len(rest), max(1, len(p)/10))
		parts, rest = append(parts, fmt.Sprintf("%q", rest[:n])), rest[n:]
	}
	body := strings.ReplaceAll("["+strings.Join(parts, ",")+"]", `\x00`, `\u0000`)
	b.post("xhr_send", body)
	return len(p), nil
}

// fragments sends one WebSocket message without an end.
type fragments struct {
	socketAttacker
	opcode byte
}

func newFragments(f *fortress) *fragments {
	return &fragments{socketAttacker{f.socket("/ws", nil)}, websocket.TextMessage}
}

func (f *fragments) Write(p []byte) (int, error) {
	f.NetConn().Write(rawFrame(f.opcode, p))
	f.opcode = 0
	return len(p), nil
}

const rawFinal, rawPacked = 0x80, 0x40

// rawFrame is a frame of a client that chose a mask of zeros.
func rawFrame(first byte, payload []byte) []byte {
	head := []byte{first, 0x80 | byte(min(len(payload), 126))}
	if len(payload) >= 126 {
		head = binary.BigEndian.AppendUint16(head, uint16(len(payload)))
	}
	return append(append(head, 0, 0, 0, 0), payload...)
}

// Where compression is on, it is what is inside that counts, before the login
// as after it.
func TestSec_S30_CompressionBomb(t *testing.T) {
	var packed bytes.Buffer
	w, _ := flate.NewWriter(&packed, flate.BestCompression)
	w.Write(bytes.Repeat([]byte{'\n'}, 4<<20))
	w.Flush()
	bomb := bytes.TrimSuffix(packed.Bytes(), []byte("\x00\x00\xff\xff"))
	half := len(bomb) / 2
	for name, frames := range map[string][][]byte{
		"whole":        {rawFrame(rawFinal|rawPacked|websocket.TextMessage, bomb)},
		"in fragments": {rawFrame(rawPacked|websocket.TextMessage, bomb[:half]), rawFrame(rawFinal, bomb[half:])},
	} {
		for login, first := range map[string]string{"before CONNECT": "", "after CONNECT": connect12} {
			t.Run(name+" "+login, func(t *testing.T) {
				f := fortify(t, new(inbound), stompadapter.Config{WebSocket: transport.WebSocketConfig{Compression: true}})
				ws := f.socket("/ws", http.Header{"Sec-WebSocket-Extensions": {"permessage-deflate"}})
				if first != "" {
					ws.WriteMessage(websocket.TextMessage, []byte(first))
					ws.ReadMessage()
				}
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				for _, fr := range frames {
					ws.NetConn().Write(fr)
				}
				got := (&socketAttacker{ws}).rest()
				runtime.ReadMemStats(&after)
				if !strings.Contains(got, "close 1009") {
					t.Errorf("the client got %.300q", got)
				}
				// All that was ever allocated: the peak is below it.
				if grown := after.TotalAlloc - before.TotalAlloc; grown > 64<<10+1<<20 {
					t.Errorf("%d octets allocated", grown)
				}
			})
		}
	}
	t.Run("off by default", func(t *testing.T) {
		f := fortify(t, new(inbound), stompadapter.Config{})
		ws := f.socket("/ws", http.Header{"Sec-WebSocket-Extensions": {"permessage-deflate"}})
		ws.NetConn().Write(rawFrame(rawFinal|rawPacked|websocket.TextMessage, bomb))
		if got := (&socketAttacker{ws}).rest(); !strings.Contains(got, "close 1002") {
			t.Errorf("the client got %.300q", got)
		}
	})
}

// The 129th subscription is refused, and any number of earlier ones that came
// and went leaves nothing: not here, not in the broker.
func TestSec_S36_Subscriptions(t *testing.T) {
	outbound := message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error { return m.Session.Deliver(ctx, m) })
	memory := broker.NewMemory(outbound, broker.Config{})
	f := fortify(t, memory, stompadapter.Config{})
	a := f.stream()
	c := &stream{Conn: a.Conn, t: t, decoder: frame.NewDecoder(frame.Limits{})}
	c.decoder.SetVersion(frame.V12)
	a.Write([]byte(connect12))
	c.want(frame.Connected)
	come := func(n int) {
		var pairs strings.Builder
		for i := range n {
			fmt.Fprintf(&pairs, "SUBSCRIBE\nid:%d\ndestination:/topic/%[1]d\n\n\x00UNSUBSCRIBE\nid:%[1]d\n\n\x00", i)
		}
		a.Write([]byte(pairs.String() + send("/topic/void", "done")))
		c.want(frame.Receipt)
	}
	come(2000)
	before := heapAfterGC()
	come(10_000)
	if grown := heapAfterGC() - before; grown > 64<<10 {
		t.Errorf("%d octets are left", grown)
	}
	for i := range 129 {
		fmt.Fprintf(a, "SUBSCRIBE\nid:%d\ndestination:/topic/a\nreceipt:%[1]d\n\n\x00", i)
	}
	for range 128 {
		c.want(frame.Receipt)
	}
	if e := c.want(frame.Error); !strings.Contains(e.Header.Get("message"), "at most 128 subscriptions") || e.Header.Get("receipt-id") != "128" {
		t.Errorf("%v", e.Header)
	}
	c.wantEOF()
}

// What a broker keeps of a SEND takes as much memory as it counts: not that of the headers
// which came with it and did not go on.
func TestSec_S36_HeadsAreNotKept(t *testing.T) {
	const n = 500
	memory := broker.NewMemory(message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
		return m.Session.Deliver(ctx, m)
	}), broker.Config{Rules: []broker.Rule{{Mode: broker.Queue}}})
	defer memory.Close()
	f := fortify(t, memory, stompadapter.Config{})
	a := f.stream()
	fmt.Fprint(a, connect12)
	head := "SEND\ndestination:/queue/a\na:b\n" + strings.Repeat("hr-a:"+strings.Repeat("x", 3800)+"\n", 4)
	before := heapAfterGC()
	for range n - 1 {
		fmt.Fprint(a, head, "\nx\x00")
	}
	fmt.Fprint(a, head, "receipt:last\n\nx\x00")
	for got := ""; !strings.Contains(got, "receipt-id:last"); {
		var p [1000]byte
		k, err := a.Read(p[:])
		if err != nil {
			t.Fatal(err)
		}
		got += string(p[:k])
	}
	grown, counted := heapAfterGC()-before, memory.Stats().Bytes
	if counted < n || grown > 2*counted+256<<10 {
		t.Errorf("%d octets are kept, %d counted", grown, counted)
	}
}
