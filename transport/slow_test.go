package transport_test

import (
	"encoding/binary"
	"errors"
	"net"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/transport"
)

func TestWhoIsOverBudgetIsCut(t *testing.T) {
	for name, tls := range map[string]bool{"tcp": false, "tls": true} {
		t.Run(name, func(t *testing.T) {
			su := setup{tls: tls, config: transport.Config{OutboxBytes: 64 << 10}}
			if !tls {
				su.connect = smallSendBuffer
			}
			f := start(t, su)
			ws, p := f.dial(t, nil)
			frame := text(strings.Repeat("x", 1000))
			most := 0
			var err error
			for err == nil {
				err = p.conn.Send(frame)
				most = max(most, f.Stats().QueuedBytes)
			}
			if err != transport.ErrSlow {
				t.Errorf("Send returned %v", err)
			}
			if err := p.conn.Send(frame); err != transport.ErrSlow {
				t.Errorf("Send after that: %v", err)
			}
			if reason := <-p.closed; !errors.Is(reason, transport.ErrSlow) || message.EndReason(reason) != "buffer_limit" {
				t.Errorf("reason %v, %q", reason, message.EndReason(reason))
			}
			if most > 64<<10 {
				t.Errorf("%d bytes waited", most)
			}
			for err = nil; err == nil; {
				_, err = ws.UnderlyingConn().Read(make([]byte, 4096))
			}
			if !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("the kernel went on sending: %v", err)
			}
			f.Close()
			if st := f.Stats(); st.Closed["buffer_limit"] != 1 || st.QueuedBytes != 0 || st.Open != 0 {
				t.Errorf("%+v", st)
			}
		})
	}
}

// Who was slow once is written without blocking again, and an old deadline
// means nothing to those writes.
func TestASlowClientRecovers(t *testing.T) {
	const timeout = 2 * time.Second
	f := start(t, setup{connect: smallSendBuffer, config: transport.Config{WriteTimeout: timeout}})
	ws, p := f.dial(t, nil)
	for round := range 3 {
		if round > 0 {
			<-time.After(timeout + timeout/4)
		}
		for range 100 {
			p.conn.Send(text(strings.Repeat("x", 4000)))
		}
		for range 100 {
			if _, _, err := ws.ReadMessage(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestOneFrameMayBeLargerThanTheBudget(t *testing.T) {
	f := start(t, setup{connect: smallSendBuffer, config: transport.Config{OutboxBytes: 1000}})
	ws, p := f.dial(t, nil)
	big := strings.Repeat("x", 1<<20)
	if err := p.conn.Send(text(big)); err != nil {
		t.Fatal(err)
	}
	if _, b, err := ws.ReadMessage(); err != nil || string(b) != big {
		t.Errorf("%d bytes, %v", len(b), err)
	}
}

// A publisher that is faster than the flusher is woken must not cost a client
// its connection: it reads all it can get.
func TestABurstIsNotTheClientsFault(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	const burst = 2000 // twice the budget, yet far less than the kernel takes
	f := start(t, setup{config: transport.Config{OutboxBytes: 128 << 10}})
	ws, p := f.dial(t, nil)
	frame := text(strings.Repeat("x", 128))
	for i := range burst {
		if err := p.conn.Send(frame); err != nil {
			t.Fatalf("frame %d: %v", i, err)
		}
	}
	for i := range burst {
		if _, _, err := ws.ReadMessage(); err != nil {
			t.Fatalf("frame %d: %v", i, err)
		}
	}
}

// The bound is exact, and there is no other traffic that would find out.
func TestWriteTimeoutIsExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := startVirtual(setup{ws: transport.WebSocketConfig{IdleTimeout: -1}})
		defer v.stop()
		ws, p := v.dial(t)
		defer ws.Close()
		began := time.Now()
		p.conn.Send(text("nobody reads this"))
		reason := <-p.closed
		if d := time.Since(began); d != 10*time.Second {
			t.Errorf("cut after %v", d)
		}
		if !errors.Is(reason, transport.ErrSlow) || message.EndReason(reason) != "send_limit" {
			t.Errorf("reason %v", reason)
		}
	})
}

func TestProgressKeepsAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := startVirtual(setup{ws: transport.WebSocketConfig{IdleTimeout: -1}})
		defer v.stop()
		ws, p := v.dial(t)
		defer ws.Close()
		frame := text(strings.Repeat("x", 16000))
		for range 10 {
			p.conn.Send(frame)
		}
		for i := range 10 {
			time.Sleep(9 * time.Second)
			if _, _, err := ws.ReadMessage(); err != nil {
				t.Fatalf("message %d: %v", i, err)
			}
		}
		p.conn.Close(nil)
		if _, _, err := ws.ReadMessage(); !websocket.IsCloseError(err, 1000) {
			t.Error(err)
		}
		<-p.closed
	})
}

func TestWriteTimeoutOfASocket(t *testing.T) {
	f := start(t, setup{connect: smallSendBuffer, config: transport.Config{WriteTimeout: 300 * time.Millisecond, OutboxBytes: 64 << 20}})
	ws, p := f.dial(t, nil)
	ws.UnderlyingConn().(*net.TCPConn).SetReadBuffer(4096)
	frame := text(strings.Repeat("x", 32<<20))
	began := time.Now()
	p.conn.Send(frame)
	reason := <-p.closed
	if d := time.Since(began); d < 300*time.Millisecond || d > 5*time.Second {
		t.Errorf("cut after %v", d)
	}
	if !errors.Is(reason, transport.ErrSlow) {
		t.Errorf("reason %v", reason)
	}
}

// Slow clients must not keep the others waiting: with those that do not read
// at all, everybody else still gets everything.
func TestSlowClientsDoNotHoldUpOthers(t *testing.T) {
	const clients, rounds = 20, 500
	f := start(t, setup{connect: smallSendBuffer})
	var all []*peer
	var readers sync.WaitGroup
	for i := range clients {
		ws, p := f.dial(t, nil)
		all = append(all, p)
		if i%2 == 0 {
			continue // never reads
		}
		readers.Go(func() {
			for want := range uint32(rounds) {
				_, b, err := ws.ReadMessage()
				if err != nil || binary.BigEndian.Uint32(b) != want {
					t.Errorf("message %d: %v", want, err)
					return
				}
				if want%50 == 49 { // keeps the publisher from outrunning the readers
					ws.WriteMessage(websocket.BinaryMessage, []byte{1})
				}
			}
		})
	}
	payload := make([]byte, 2000)
	for i := range rounds {
		binary.BigEndian.PutUint32(payload, uint32(i))
		frame := transport.NewFrame(transport.FramingWebSocket, payload)
		for _, p := range all {
			p.conn.Send(frame)
		}
		if i%50 == 49 {
			for j := 1; j < clients; j += 2 {
				for len(all[j].received()) < (i+1)/50 {
					waitABit()
				}
			}
		}
	}
	readers.Wait()
	for i := 0; i < clients; i += 2 {
		if err := <-all[i].closed; !errors.Is(err, transport.ErrSlow) {
			t.Errorf("reason %v", err)
		}
	}
}

// Whatever the socket takes at a time, what each goroutine sends arrives in
// its order, and everything arrives.
func TestOrder(t *testing.T) {
	const publishers, each = 8, 2000
	f := start(t, setup{connect: smallSendBuffer, config: transport.Config{OutboxBytes: 1 << 30, Flushers: 3}})
	for range 4 {
		ws, p := f.dial(t, nil)
		var wg sync.WaitGroup
		for who := range publishers {
			wg.Go(func() {
				for i := range each {
					b := make([]byte, 5+(i*7)%300)
					b[0] = byte(who)
					binary.BigEndian.PutUint32(b[1:], uint32(i))
					if err := p.conn.Send(transport.NewFrame(transport.FramingWebSocket, b)); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		var next [publishers]uint32
		for range publishers * each {
			_, b, err := ws.ReadMessage()
			if err != nil {
				t.Fatal(err)
			}
			if i := binary.BigEndian.Uint32(b[1:]); i != next[b[0]] {
				t.Fatalf("publisher %d: message %d, want %d", b[0], i, next[b[0]])
			}
			next[b[0]]++
		}
		wg.Wait()
	}
}
