package transport_test

import (
	"bytes"
	"crypto/tls"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/transport"
)

// strict is a protocol that takes nothing but letters.
func strict(_ *peer, b []byte) error {
	for _, c := range b {
		if c < 'a' || c > 'z' {
			return message.Errorf(message.CodeInvalid, "not a letter")
		}
	}
	return nil
}

// descriptors counts the open files of the process, where it can be asked.
func descriptors() int {
	files, _ := os.ReadDir("/proc/self/fd")
	return len(files)
}

// settles waits until now is at most limit.
func settles(t *testing.T, what string, limit int, now func() int) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for now() > limit {
		if time.Now().After(deadline) {
			t.Fatalf("%s: %d left, want %d", what, now(), limit)
		}
		waitABit()
	}
}

// hostile are ways to connect that lead nowhere.
var hostile = map[string]func(net.Conn){
	"nothing":        func(net.Conn) {},
	"half a request": func(nc net.Conn) { io.WriteString(nc, "GET / HT") },
	"half a handshake": func(nc net.Conn) {
		io.WriteString(nc, "GET / HTTP/1.1\r\nHost: own\r\nConnection: Upgrade\r\nUpgrade: webso")
	},
	"HTTP": func(nc net.Conn) { io.WriteString(nc, "GET / HTTP/1.1\r\nHost: own\r\n\r\n") },
	"TLS": func(nc net.Conn) {
		nc.SetDeadline(time.Now().Add(50 * time.Millisecond))
		tls.Client(nc, &tls.Config{InsecureSkipVerify: true}).Handshake()
	},
	"garbage": func(nc net.Conn) {
		junk := make([]byte, 1+rand.IntN(5000))
		for i := range junk {
			junk[i] = byte(rand.Uint32())
		}
		nc.Write(junk)
	},
	"zeros": func(nc net.Conn) { nc.Write(make([]byte, 3000)) },
	"garbage after a handshake": func(nc net.Conn) {
		io.WriteString(nc, "GET / HTTP/1.1\r\nHost: own\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+goodKey+"\r\n")
		nc.Read(make([]byte, 1000))
		nc.Write(bytes.Repeat([]byte{0xFF}, 100))
	},
}

// What leads nowhere leaves nothing behind, on whatever port it comes.
func TestGarbageLeavesNothing(t *testing.T) {
	const each = 40
	var log lockedBuffer
	su := setup{receive: strict, config: transport.Config{Flushers: 2, Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))}}
	web := start(t, su)
	tcp, _ := listen(t, "tcp")
	secure, _ := listen(t, "tls")
	c := transport.StreamConfig{HandshakeTimeout: time.Second}
	servers := []*transport.Server{web.Server, serve(t, tcp, su, c).Server, serve(t, secure, su, c).Server}
	goroutines, files := runtime.NumGoroutine(), descriptors()

	var clients sync.WaitGroup
	for _, address := range []net.Addr{web.http.Listener.Addr(), tcp.Addr(), secure.Addr()} {
		for _, attack := range hostile {
			clients.Go(func() {
				for range each {
					nc, err := net.Dial("tcp", address.String())
					if err != nil {
						t.Error(err)
						return
					}
					nc.SetDeadline(time.Now().Add(20 * time.Second))
					attack(nc)
					nc.Close()
				}
			})
		}
	}
	clients.Wait()
	for _, s := range servers[1:] { // who hung up may still wait to be accepted
		settles(t, "clients to come", 0, func() int {
			st := s.Stats()
			return each*len(hostile) - int(st.Total+st.Refused)
		})
	}
	open := func() (n int) {
		for _, s := range servers {
			n += s.Stats().Open
		}
		return n
	}
	settles(t, "connections", 0, open)
	settles(t, "descriptors", files, descriptors)
	settles(t, "goroutines", goroutines+2*len(servers), runtime.NumGoroutine) // flushers have been started
	if st := servers[1].Stats(); st.Total != uint64(each*len(hostile)) || st.Closed["protocol"] == 0 {
		t.Errorf("%+v", st)
	}
	if st := servers[2].Stats(); st.Refused != uint64(each*(len(hostile)-1)) && st.Refused+st.Total != uint64(each*len(hostile)) {
		t.Errorf("%+v", st)
	}
	for _, want := range []string{"not a letter", "reserved bits", "first record does not look like a TLS handshake", "not a WebSocket handshake"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %q", want)
		}
	}
}

// An idle stream is one goroutine that waits.
func TestAnIdleStreamIsOneGoroutine(t *testing.T) {
	for _, network := range []string{"tcp", "unix", "tls"} {
		t.Run(network, func(t *testing.T) {
			const n = 50
			ln, dial := listen(t, network)
			s := serve(t, ln, setup{config: transport.Config{Flushers: 1}}, transport.StreamConfig{})
			for range n {
				nc := dial()
				nc.Write([]byte("x"))
				p := <-s.peers
				p.conn.Send(plain("y"))
				io.ReadFull(nc, make([]byte, 1))
			}
			settles(t, "goroutines of connections, a flusher and a listener", n+2, ownGoroutines)
			if got := ownGoroutines(); got != n+2 {
				t.Errorf("%d goroutines", got)
			}
		})
	}
}
