package chaos_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/headrace/headrace/internal/chaos"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo is a server that says what it hears.
func echo(t *testing.T) (addr string, heard func() string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var all bytes.Buffer
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer conn.Close()
				buffer := make([]byte, 1024)
				for {
					n, err := conn.Read(buffer)
					mu.Lock()
					all.Write(buffer[:n])
					mu.Unlock()
					if err != nil {
						return
					}
					conn.Write(buffer[:n])
				}
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		running.Wait()
	})
	return l.Addr().String(), func() string { mu.Lock(); defer mu.Unlock(); return all.String() }
}

type client struct {
	net.Conn
	t *testing.T
}

func dial(t *testing.T, p *chaos.Proxy) client {
	t.Helper()
	conn, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return client{conn, t}
}

func (c client) say(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		c.t.Fatal(err)
	}
}

// hears reads what the server said.
func (c client) hears(want string) {
	c.t.Helper()
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c, got); err != nil || string(got) != want {
		c.t.Fatalf("heard %q, %v, want %q", got[:n], err, want)
	}
}

// silence hears nothing for a moment.
func (c client) silence() {
	c.t.Helper()
	c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if n, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Fatalf("heard %d octets, %v", n, err)
	}
}

// loses waits until black holes have taken so many octets.
func loses(t *testing.T, p *chaos.Proxy, n int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); p.Lost() < n; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d octets are lost, want %d", p.Lost(), n)
		}
	}
}

// ends hears that the connection is broken.
func (c client) ends() {
	c.t.Helper()
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if n, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Fatalf("heard %d octets, %v", n, err)
	}
}

// refused dials, and is not let in: at once, or as soon as it listens.
func refused(t *testing.T, p *chaos.Proxy) {
	t.Helper()
	conn, err := net.Dial("tcp", p.Addr())
	if err == nil {
		defer conn.Close()
		client{conn, t}.ends()
	}
}

func start(t *testing.T) (p *chaos.Proxy, c client, heard func() string) {
	t.Helper()
	addr, heard := echo(t)
	p = chaos.New(t, addr)
	c = dial(t, p)
	c.say("hello")
	c.hears("hello")
	return p, c, heard
}

func TestPause(t *testing.T) {
	p, c, _ := start(t)
	p.Pause()
	c.say("one")
	c.silence()
	p.Heal()
	c.hears("one")
}

func TestBlackholeToClient(t *testing.T) {
	p, c, heard := start(t)
	p.Blackhole(chaos.ToClient)
	c.say("one")
	loses(t, p, len("one"))
	c.silence()
	if heard() != "helloone" {
		t.Errorf("the server heard %q", heard())
	}
	p.Heal()
	c.say("two")
	c.hears("two")
}

func TestBlackholeToServer(t *testing.T) {
	p, c, heard := start(t)
	p.Blackhole(chaos.ToServer)
	c.say("one")
	loses(t, p, len("one"))
	c.silence()
	p.Heal()
	c.say("two")
	c.hears("two")
	if heard() != "hellotwo" {
		t.Errorf("the server heard %q", heard())
	}
}

func TestDelay(t *testing.T) {
	p, c, _ := start(t)
	const delay = 100 * time.Millisecond
	p.Delay(delay)
	began := time.Now()
	c.say("one")
	c.hears("one")
	if took := time.Since(began); took < 2*delay {
		t.Errorf("there and back took %v", took)
	}
}

func TestReset(t *testing.T) {
	p, c, _ := start(t)
	p.Reset()
	c.ends()
	other := dial(t, p)
	other.say("again")
	other.hears("again")
	if p.Broken() != 1 || p.Accepted() != 2 {
		t.Errorf("%d broken of %d", p.Broken(), p.Accepted())
	}
}

func TestCutAfter(t *testing.T) {
	p, c, _ := start(t)
	p.CutAfter(4)
	c.say("1")
	c.hears("1")
	c.say("23456")
	c.hears("234")
	c.ends()
	other := dial(t, p)
	other.say("whole")
	other.hears("whole")
}

func TestRefuse(t *testing.T) {
	p, c, _ := start(t)
	p.Refuse()
	c.say("one") // it was there before
	c.hears("one")
	refused(t, p)
	p.Heal()
	other := dial(t, p)
	other.say("again")
	other.hears("again")
}

func TestRedirect(t *testing.T) {
	p, c, heard := start(t)
	addr, otherHeard := echo(t)
	p.Redirect(addr)
	c.say("one")
	c.hears("one")
	other := dial(t, p)
	other.say("two")
	other.hears("two")
	if heard() != "helloone" || otherHeard() != "two" {
		t.Errorf("the servers heard %q and %q", heard(), otherHeard())
	}
}

func TestServerIsAway(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	refused(t, chaos.New(t, l.Addr().String()))
}
