package proc_test

import (
	"bufio"
	"net"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/headrace/headrace/internal/proc"
)

// listenAt makes the test's program a server, which says "a" once a connection is
// accepted.
const listenAt = "HEADRACE_PROC_LISTEN"

func TestMain(m *testing.M) {
	if addr := os.Getenv(listenAt); addr != "" {
		serve(addr)
	}
	goleak.VerifyTestMain(m)
}

func serve(addr string) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		os.Exit(1)
	}
	for {
		conn, err := l.Accept()
		if err != nil {
			os.Exit(1)
		}
		_, _ = conn.Write([]byte("a"))
		conn.Close()
	}
}

// answers reports whether the server at addr says something within wait.
func answers(t *testing.T, addr string, wait time.Duration) bool {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return false
	}
	defer conn.Close()
	if err := conn.SetReadDeadline(time.Now().Add(wait)); err != nil {
		t.Fatal(err)
	}
	n, _ := conn.Read(make([]byte, 1))
	return n == 1
}

func TestProcess(t *testing.T) {
	const long = 10 * time.Second
	addr := proc.FreeAddrs(t, 1)[0]
	t.Run("life", func(t *testing.T) {
		p := proc.Start(t, proc.Config{Args: os.Args[:1], Env: append(os.Environ(), listenAt+"="+addr), Addrs: []string{addr}})
		if !answers(t, addr, long) {
			t.Error("it does not answer after Start")
		}
		p.Stop() // its threads take their time
		for begun := time.Now(); answers(t, addr, time.Second); {
			if time.Since(begun) > long {
				t.Fatal("it answers after Stop")
			}
		}
		p.Continue()
		if !answers(t, addr, long) {
			t.Error("it does not answer after Continue")
		}
		p.Kill()
		if answers(t, addr, long) {
			t.Error("it answers after Kill")
		}
		p.Kill() // which does nothing
		p.Launch()
		if !answers(t, addr, long) {
			t.Error("it does not answer after Launch")
		}
	})
	if answers(t, addr, long) {
		t.Error("it outlived its test")
	}
}

func TestRabbitMQ(t *testing.T) {
	r := proc.StartRabbitMQ(t)
	if queues := r.Queues(); len(queues) != 0 {
		t.Errorf("a new node has the queues %q", queues)
	}
}

func TestRedis(t *testing.T) {
	r := proc.StartRedis(t)
	conn, err := net.Dial("tcp", r.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(conn).ReadString('\n'); line != "+PONG\r\n" {
		t.Errorf("it answers %q, %v", line, err)
	}
}

func TestActiveMQ(t *testing.T) {
	a := proc.StartActiveMQ(t)
	conn, err := net.Dial("tcp", a.STOMP)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("CONNECT\naccept-version:1.2\nhost:x\n\n\x00")); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(conn).ReadString('\n'); line != "CONNECTED\n" {
		t.Errorf("it answers %q, %v", line, err)
	}
}
