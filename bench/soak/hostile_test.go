package soak

import (
	"bytes"
	"compress/flate"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/headrace/headrace/bench/internal/load"
	"github.com/headrace/headrace/bench/internal/site"
)

// rude is what clients send that are none, and where.
var rude = []struct{ name, scheme, sends string }{
	{"garbage over HTTP", "ws", garbage},
	{"garbage over TCP", "tcp", garbage},
	{"garbage instead of TLS", "tls", garbage},
	{"silence over HTTP", "ws", ""},
	{"silence over TCP", "tcp", ""},
	{"silence instead of TLS", "wss", ""},
	{"half a handshake", "ws", "GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: webso"},
	{"a handshake without a key", "ws", "GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"},
	{"HTTP on the TCP port", "tcp", "GET / HTTP/1.1\r\nHost: h\r\n\r\n"},
	{"half a CONNECT", "tcp", "CONNECT\naccept-version:1.2\nho"},
	{"SEND without CONNECT", "tcp", "SEND\ndestination:/topic/soak\n\n\x00"},
	{"hello of TLS on the HTTP port", "ws", hello},
	{"hello of TLS on the TCP port", "tcp", hello},
	{"half a hello of TLS", "tls", hello[:3]},
}

var garbage, hello = random(512), clientHello()

func random(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return string(b)
}

// clientHello records what a TLS client says first.
func clientHello() string {
	near, far := net.Pipe()
	go func() {
		tls.Client(near, &tls.Config{InsecureSkipVerify: true}).Handshake()
		near.Close()
	}()
	defer far.Close()
	b := make([]byte, 4096)
	n, _ := far.Read(b)
	return string(b[:n])
}

// Connections that make no sense leave nothing behind.
func TestR16HostileConnections(t *testing.T) {
	all, batch := size(len(rude)*8, 5000), size(len(rude)*2, 500)
	s := here(t, site.Config{LoginTimeout: size(500*time.Millisecond, 5*time.Second)})
	empty := func() bool {
		now := s.Stats()
		return now.Open == 0 && now.Sessions == 0 && now.Known == 0
	}
	attack := func(n int) {
		_, err := load.Each(n, n, func(i int) (struct{}, error) { return struct{}{}, annoy(s, i) })
		if err != nil {
			t.Fatal(err)
		}
	}
	attack(len(rude)) // what is made once is made
	eventually(t, "nothing is open", 30*time.Second, empty)
	before := s.Stats()
	for done := 0; done < all; done += batch {
		attack(batch)
	}
	took := eventually(t, "everything is as before", 30*time.Second, func() bool {
		now := s.Stats()
		return empty() && near(now.Goroutines, before.Goroutines) && near(now.Descriptors, before.Descriptors)
	})
	t.Logf("after %d connections: %+v, %v later", all, s.Stats(), took.Round(time.Millisecond))

	c := must(load.Connect(s.URL("ws"), load.Options{}))(t)
	defer c.Close()
	if err := c.Subscribe("0", topic); err != nil {
		t.Errorf("a good client: %v", err)
	}
}

func near(a, b int) bool { return a-b <= 5 && b-a <= 5 }

// annoy makes one connection: every other waits until the server closes it, as it
// has to within 30 s.
func annoy(s *site.Site, i int) error {
	r := rude[i%len(rude)]
	u, err := url.Parse(s.URL(r.scheme))
	if err != nil {
		return err
	}
	c, err := net.Dial("tcp", u.Host)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := io.WriteString(c, r.sends); err != nil {
		return nil // the server was faster
	}
	if i/len(rude)%2 == 1 {
		return nil
	}
	c.SetReadDeadline(time.Now().Add(30 * time.Second))
	_, err = io.Copy(io.Discard, c)
	if e, ok := err.(net.Error); ok && e.Timeout() {
		return fmt.Errorf("%s: open after 30 s", r.name)
	}
	return nil
}

// attacks are the worst of what is legal, and a little more. Each goes on until
// the server ends the connection or the time is over.
var attacks = []func(c *load.Client, until time.Time) error{
	func(c *load.Client, until time.Time) error { // the largest headers and bodies
		var b strings.Builder
		for i := range 60 {
			fmt.Fprintf(&b, "h%d:%s\n", i, strings.Repeat("v", 200))
		}
		f := "SEND\ndestination:/topic/void\n" + b.String() + "\n" + strings.Repeat("x", 40<<10) + "\x00"
		return repeat(c, until, f)
	},
	func(c *load.Client, until time.Time) error { // a frame that never ends
		if err := c.Send("SEND\ndestination:/topic/void\ncontent-length:60000\n\n"); err != nil {
			return err
		}
		return repeat(c, until, "x")
	},
	func(c *load.Client, until time.Time) error { // a header that never ends
		if err := c.Send("SEND\nh:"); err != nil {
			return err
		}
		return repeat(c, until, strings.Repeat("h", 512))
	},
	func(c *load.Client, until time.Time) error { // subscriptions without end
		return repeat(c, until, "SUBSCRIBE\nid:1\ndestination:/topic/**/a/**/b\n\n\x00UNSUBSCRIBE\nid:1\n\n\x00")
	},
	func(c *load.Client, until time.Time) error { // transactions that are never committed
		return repeat(c, until, "BEGIN\ntransaction:t\n\n\x00"+strings.Repeat("SEND\ndestination:/topic/void\ntransaction:t\n\n"+strings.Repeat("x", 8<<10)+"\x00", 4))
	},
	func(c *load.Client, until time.Time) error { // its own subscription, never read
		if err := c.Subscribe("1", "/topic/own"); err != nil {
			return err
		}
		return repeat(c, until, "SEND\ndestination:/topic/own\n\n"+strings.Repeat("x", 4<<10)+"\x00")
	},
}

// repeat sends a text a hundred times a second.
func repeat(c *load.Client, until time.Time, text string) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for now := range tick.C {
		if now.After(until) {
			break
		}
		if err := c.Send(text); err != nil {
			return err
		}
	}
	return nil
}

// bomb sends a megabyte of heart-beats, compressed to a thousandth.
func bomb(url string) error {
	d := websocket.Dialer{EnableCompression: true}
	ws, _, err := d.Dial(url, nil)
	if err != nil {
		return err
	}
	defer ws.Close()
	if err := ws.SetCompressionLevel(flate.BestCompression); err != nil {
		return err
	}
	if err := ws.WriteMessage(websocket.TextMessage, bytes.Repeat([]byte("\n"), 1<<20)); err != nil {
		return nil // cut already
	}
	ws.SetReadDeadline(time.Now().Add(30 * time.Second))
	for err == nil {
		_, _, err = ws.ReadMessage() // an ERROR frame comes first
	}
	if !websocket.IsCloseError(err, websocket.CloseMessageTooBig) {
		return fmt.Errorf("a bomb ended with %w", err)
	}
	return nil
}

// attack goes on, on one connection after the other, until the time is over.
func attack(url string, i int, until time.Time) error {
	for time.Now().Before(until) {
		if i%(len(attacks)+1) == len(attacks) {
			if err := bomb(url); err != nil {
				return err
			}
			continue
		}
		c, err := load.Connect(url, load.Options{Window: 4 << 10})
		if err != nil {
			return err
		}
		attacks[i%len(attacks)](c, until) // fails when the server ends it, as it may
		c.Close()
	}
	return nil
}

// Attackers do not make the server large, nor cost good clients their connection.
func TestR18MemoryUnderAttack(t *testing.T) {
	n, length := size(21, 200), phase(3*time.Second, time.Minute)
	server := serve(t, site.Config{Compression: true, SendBuffer: smallBuffer})
	good := load.Paced{Subscribers: 50, Rate: 20, Bytes: 128, For: length}
	quiet, err := good.Run(server.URL("ws"), nil)
	if err != nil {
		t.Fatal(err)
	}
	var attackers chan error
	loud, err := good.Run(server.URL("ws"), func() {
		until := time.Now().Add(length)
		attackers = make(chan error, 1)
		go func() {
			_, err := load.Each(n, n, func(i int) (struct{}, error) { return struct{}{}, attack(server.URL("ws"), i, until) })
			attackers <- err
		}()
	})
	if err != nil {
		t.Errorf("a good client lost its connection: %v", err)
	}
	if err := <-attackers; err != nil {
		t.Errorf("an attacker: %v", err)
	}
	peak := must(server.PeakResident())(t)
	before, after := quiet.Quantile(0.99), loud.Quantile(0.99)
	t.Logf("%d attackers for %v: %d MB at the peak, p99 of the good %v before and %v under attack", n, length, peak>>20, before, after)
	if limit := size[int64](400<<20, 150<<20); peak > limit {
		t.Errorf("%d MB resident, want at most %d", peak>>20, limit>>20)
	}
	if limit := size(10*time.Second, 3*before); after > limit {
		t.Errorf("p99 of the good %v, want at most %v", after, limit)
	}
	eventually(t, "the attackers' sessions are gone", 30*time.Second, func() bool {
		return must(site.Ask(server))(t).Sessions == 0
	})
}
