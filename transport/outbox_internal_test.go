package transport

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/headrace/headrace/message"
)

// outboxes returns a server that is not started and n connections of it whose
// sockets take everything at once.
func outboxes(t testing.TB, n int) (*Server, []*Conn) {
	s := NewServer(Config{Flushers: 1})
	conns := make([]*Conn, n)
	for i := range conns {
		near, far := net.Pipe()
		t.Cleanup(func() { near.Close(); far.Close() })
		c := &Conn{server: s, link: streamLink{near}, gone: make(chan struct{})}
		c.out = outbox{conn: c, nc: near, flusher: s.flushers[0], limit: 1 << 20,
			try: func(p []byte) (int, error) { return len(p), nil }}
		c.beats.conn = c
		conns[i] = c
	}
	return s, conns
}

// round is one round of the first flusher, on the caller's goroutine.
func round(s *Server) {
	f := s.flushers[0]
	f.next()
	for i, o := range f.round {
		f.round[i] = nil
		o.flush(f)
	}
}

func TestABurstLeavesNoMemoryBehind(t *testing.T) {
	s, conns := outboxes(t, 2)
	f := NewFrame(FramingWebSocket, make([]byte, 10))
	for range 5000 {
		conns[0].Send(f)
	}
	round(s)
	if got := cap(s.flushers[0].spare); got > keepFrames {
		t.Errorf("a queue of %d frames was kept", got)
	}
	for i := range 100 {
		conns[i%2].Send(f)
		round(s)
		if got := cap(conns[i%2].out.queue); got > keepFrames {
			t.Errorf("an idle outbox holds %d frames", got)
		}
	}
}

// A timer that goes on would keep a connection that is gone in memory.
func TestTheTimerEndsWithTheConnection(t *testing.T) {
	_, conns := outboxes(t, 1)
	c := conns[0]
	c.Heartbeat(time.Hour, time.Hour, NewFrame(FramingWebSocket, nil))
	c.drop(nil, reset)
	<-c.gone
	c.Heartbeat(time.Hour, time.Hour, NewFrame(FramingWebSocket, nil))
	if c.beats.timer.Stop() {
		t.Error("the timer goes on")
	}
}

// What a flusher holds counts again when the socket does not take it.
func TestWhatComesBackCounts(t *testing.T) {
	s, conns := outboxes(t, 1)
	c := conns[0]
	f := NewFrame(FramingWebSocket, make([]byte, 600<<10))
	c.out.try = func([]byte) (int, error) {
		if err := c.Send(f); err != nil {
			t.Error(err)
		}
		return 0, nil
	}
	c.Send(f)
	round(s)
	<-c.gone
	if err := c.Send(f); err != ErrSlow {
		t.Errorf("Send returned %v", err)
	}
}

// Where the oldest is dropped, what comes back makes room for what came meanwhile.
func TestWhatComesBackMakesRoom(t *testing.T) {
	s, conns := outboxes(t, 1)
	s.config.DropOldest = true
	c := conns[0]
	frame := func() *Frame {
		f := NewFrame(FramingWebSocket, make([]byte, 600<<10))
		f.passing = true
		return f
	}
	first, second := frame(), frame()
	c.out.try = func([]byte) (int, error) {
		if err := c.Send(second); err != nil {
			t.Error(err)
		}
		return 0, nil
	}
	c.out.write = func([]byte) (int, error) { <-c.gone; return 0, net.ErrClosed }
	c.Send(first)
	round(s)
	if n := s.flushers[0].dropped.Load(); n != 1 || c.ended() != nil {
		t.Errorf("%d frames dropped, the connection ends with %v", n, c.ended())
	}
	c.drop(nil, reset)
	s.tasks.Wait()
}

// Whatever a socket takes at a time, the frames come out whole and in order.
func TestBatch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var frames []*Frame
		var want []byte
		for _, n := range rapid.SliceOfN(rapid.IntRange(1, 40), 1, 30).Draw(t, "sizes") {
			wire := bytes.Repeat([]byte{byte('a' + len(frames)%26)}, n)
			frames = append(frames, &Frame{wire: wire})
			want = append(want, wire...)
		}
		buf := make([]byte, 0, rapid.IntRange(1, 60).Draw(t, "buffer"))
		b := batch{frames: frames}
		var got []byte
		done := 0
		for !b.done() {
			if b.size() != len(want)-len(got) {
				t.Fatalf("size %d, want %d", b.size(), len(want)-len(got))
			}
			p := b.next(buf)
			if len(p) == 0 || len(p) > cap(buf) {
				t.Fatalf("%d bytes for a buffer of %d", len(p), cap(buf))
			}
			n := rapid.IntRange(0, len(p)).Draw(t, "taken")
			got = append(got, p[:n]...)
			done += len(b.advance(n))
		}
		if !bytes.Equal(got, want) || done != len(frames) {
			t.Fatalf("%d frames: %q, want %d: %q", done, got, len(frames), want)
		}
	})
}

// Whatever a socket takes and whatever is left out, frames come out whole and in
// order, and nothing is lost that must stay.
func TestDropOldestWritesWholeFrames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := NewServer(Config{Flushers: 1, DropOldest: true})
		near, far := net.Pipe()
		defer near.Close()
		defer far.Close()
		c := newConn(s, streamLink{near}, FramingStream, message.SessionInfo{}, place{})
		some := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)) // one goroutine writes at a time
		var wire []byte
		take := func(p []byte) (int, error) {
			n := some.IntN(len(p) + 1)
			wire = append(wire, p[:n]...)
			return n, nil
		}
		c.out = outbox{conn: c, nc: near, flusher: s.flushers[0], limit: 40_000, try: take, write: take}
		stays := func(id int) bool { return id%10 == 0 }
		sizes := map[int]int{} // of the frames that did not come
		for id := range rapid.IntRange(1, 200).Draw(t, "frames") {
			sizes[id] = rapid.IntRange(1, 5000).Draw(t, "size")
			if stays(id) {
				sizes[id] = 1
			}
			if err := c.Send(&Frame{wire: bytes.Repeat([]byte{byte(id)}, sizes[id]), passing: !stays(id)}); err != nil {
				t.Fatal(err)
			}
			if rapid.IntRange(0, 9).Draw(t, "flush") == 0 {
				drain(s)
			}
		}
		drain(s)
		s.tasks.Wait()
		for last, rest := -1, wire; len(rest) > 0; {
			id, size := int(rest[0]), sizes[int(rest[0])]
			if id <= last || size == 0 || !bytes.HasPrefix(rest, bytes.Repeat(rest[:1], size)) {
				t.Fatalf("frame %d of %d octets after %d", id, size, last)
			}
			last, rest = id, rest[size:]
			delete(sizes, id)
		}
		for id := range sizes {
			if stays(id) {
				t.Fatalf("frame %d is missing", id)
			}
		}
		if n := s.flushers[0].dropped.Load(); n != uint64(len(sizes)) {
			t.Fatalf("%d dropped, %d missing", n, len(sizes))
		}
	})
}

// drain is a round unless nothing is dirty.
func drain(s *Server) {
	f := s.flushers[0]
	f.mu.Lock()
	dirty := len(f.dirty) > 0
	f.mu.Unlock()
	if dirty {
		round(s)
	}
}

func TestUTF8Check(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 12), func(b []byte) string { return string(b) })).Draw(t, "text")
		checkPieces(t, []byte(s), func() int { return rapid.IntRange(0, 5).Draw(t, "piece") })
	})
}

func FuzzUTF8Check(f *testing.F) {
	for _, s := range []string{"", "a", "grüße", "\xe2\x82", "\xf0\x9f\x98\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xc0\xaf", "\x80"} {
		f.Add([]byte(s), uint8(1))
	}
	f.Fuzz(func(t *testing.T, b []byte, size uint8) {
		checkPieces(t, b, func() int { return int(size)%7 + 1 })
	})
}

// checkPieces compares with the standard library's answer for the whole.
func checkPieces(t interface{ Fatalf(string, ...any) }, b []byte, piece func() int) {
	var u utf8Check
	ok := true
	for rest := b; len(rest) > 0 && ok; {
		n := min(piece(), len(rest))
		ok = u.next(rest[:n])
		rest = rest[n:]
	}
	if got, want := ok && u.complete(), utf8.Valid(b); got != want {
		t.Fatalf("%q: %v, want %v", b, got, want)
	}
}

// BenchmarkFanOut is one delivery of a broadcast: Send to each of a thousand
// connections and the flush, to sockets that take everything.
func BenchmarkFanOut(b *testing.B) {
	s, conns := outboxes(b, 1000)
	f := NewNamedFrame(FramingWebSocket, "message", make([]byte, 128))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		conns[i%len(conns)].Send(f)
		if i%len(conns) == len(conns)-1 {
			round(s)
		}
	}
}

// BenchmarkFanOutChannels is the anchor: a channel and a goroutine for each
// connection.
func BenchmarkFanOutChannels(b *testing.B) {
	var wg sync.WaitGroup
	defer wg.Wait()
	conns := make([]chan *Frame, 1000)
	for i := range conns {
		c := make(chan *Frame, 256)
		conns[i] = c
		wg.Go(func() {
			for f := range c {
				io.Discard.Write(f.wire)
			}
		})
		defer close(c)
	}
	f := NewFrame(FramingWebSocket, make([]byte, 128))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		conns[i%len(conns)] <- f
	}
}
