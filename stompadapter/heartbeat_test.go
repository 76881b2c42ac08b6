package stompadapter_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/stompadapter"
	"github.com/headrace/headrace/stompadapter/frame"
	"github.com/headrace/headrace/transport"
)

// quiet keeps the transport from asking on its own whether the client lives.
var quiet = stompadapter.Config{WebSocket: transport.WebSocketConfig{IdleTimeout: -1}}

// TestHeartbeats counts both sides' beats in virtual time.
func TestHeartbeats(t *testing.T) {
	for _, tt := range []struct {
		name, client  string
		server        stompadapter.HeartbeatConfig
		send, receive time.Duration
	}{
		{"defaults", "10000,10000", stompadapter.HeartbeatConfig{}, 10 * time.Second, 10 * time.Second},
		{"the slower decides", "5000,20000", stompadapter.HeartbeatConfig{}, 20 * time.Second, 10 * time.Second},
		{"slow client", "15000,3000", stompadapter.HeartbeatConfig{}, 10 * time.Second, 15 * time.Second},
		{"client wants none", "0,0", stompadapter.HeartbeatConfig{}, 0, 0},
		{"server wants none", "1000,1000", stompadapter.HeartbeatConfig{Send: -1, Receive: -1}, 0, 0},
		{"one way", "0,1000", stompadapter.HeartbeatConfig{Send: time.Second}, time.Second, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := quiet
				c.Heartbeat = tt.server
				client := serve(t, new(inbound), c).dial()
				client.send("CONNECT\naccept-version:1.2\nheart-beat:" + tt.client + "\n\n\x00")
				client.want(frame.Connected)
				began := time.Now()

				if tt.receive == 0 { // nobody is closed for silence
					go func() { time.Sleep(time.Hour); client.send("DISCONNECT\n\n\x00") }()
				}
				beats, last := 0, began
				for {
					_, p, err := client.ws.ReadMessage()
					if err != nil {
						break
					}
					if string(p) == "\n" {
						if gap := time.Since(last); gap > tt.send || gap < tt.send*8/10 {
							t.Fatalf("a beat after %v, want %v at most", gap, tt.send)
						}
						beats++
						last = time.Now()
					}
				}
				if tt.send == 0 && beats > 0 {
					t.Errorf("%d beats, want none", beats)
				}
				if tt.send > 0 && time.Since(last) > tt.send && tt.receive > 0 {
					t.Errorf("the last beat was %v ago", time.Since(last))
				}
				want := 3 * tt.receive
				if tt.receive == 0 {
					want = time.Hour
				}
				if lasted := time.Since(began); lasted != want {
					t.Errorf("closed after %v, want %v", lasted, want)
				}
			})
		})
	}
}

// TestBeatsKeepAlive sends nothing but beats for an hour.
func TestBeatsKeepAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := serve(t, new(inbound), quiet).dial()
		c.send("CONNECT\naccept-version:1.2\nheart-beat:1000,0\n\n\x00")
		c.want(frame.Connected)
		for range 360 {
			time.Sleep(29 * time.Second) // within the tolerance of 30 s
			c.send("\n")
		}
		c.send("DISCONNECT\nreceipt:r\n\n\x00")
		c.receipts(1)
	})
}

// TestHeartbeatOnTheWire is the same over a socket, with wide bounds.
func TestHeartbeatOnTheWire(t *testing.T) {
	c := serve(t, new(inbound), stompadapter.Config{Heartbeat: stompadapter.HeartbeatConfig{Send: 50 * time.Millisecond, Receive: 500 * time.Millisecond}}, true).dial()
	began, beats := time.Now(), 0 // before the server's time begins to run
	c.send("CONNECT\naccept-version:1.2\nheart-beat:1,1\n\n\x00")
	c.want(frame.Connected)
	for {
		_, p, err := c.ws.ReadMessage()
		if err != nil {
			break
		}
		beats += strings.Count(string(p), "\n")
	}
	if lasted := time.Since(began); lasted < 1400*time.Millisecond || lasted > 10*time.Second {
		t.Errorf("closed after %v, want about 1.5s", lasted)
	}
	if beats < 2 || beats > 100 {
		t.Errorf("%d beats", beats)
	}
}

func TestLoginTimeout(t *testing.T) {
	for name, first := range map[string]string{"silent": "", "beating": "\n", "unanswered": "CONNECT\naccept-version:1.2\n\n\x00"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				in := new(inbound)
				login(in)
				s := serve(t, in, stompadapter.Config{LoginTimeout: 7 * time.Second})
				began := time.Now()
				c := s.dial()
				if first != "" {
					c.send(first)
				}
				c.wantError("login took too long")
				if lasted := time.Since(began); lasted != 7*time.Second {
					t.Errorf("after %v", lasted)
				}
				s.adapter.Close()
				if kinds := in.kinds(); kinds != "" && kinds != "connect disconnect" {
					t.Errorf("inbound saw %q", kinds)
				}
			})
		})
	}
}

func TestLoginTimeoutEndsWithConnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := serve(t, new(inbound), quiet).connect()
		time.Sleep(time.Minute)
		c.send(send("/a", "r"))
		c.receipts(1)
	})
}
