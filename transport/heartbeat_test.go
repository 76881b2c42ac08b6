package transport_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/transport"
)

// arrivals reads on a goroutine and tells what came and when.
type arrival struct {
	text string
	at   time.Duration
	err  error
}

func arrivals(ws *websocket.Conn) <-chan arrival {
	began, c := time.Now(), make(chan arrival, 1000)
	go func() {
		defer close(c)
		for {
			_, b, err := ws.ReadMessage()
			c <- arrival{string(b), time.Since(began), err}
			if err != nil {
				return
			}
		}
	}()
	return c
}

func TestBeatsAreNeverLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := startVirtual(setup{ws: transport.WebSocketConfig{IdleTimeout: 4 * time.Second}})
		defer v.stop()
		ws, p := v.dial(t)
		defer ws.Close()
		came := arrivals(ws) // answers pings, which are no beats
		last := time.Duration(0)
		p.conn.Heartbeat(10*time.Second, 0, text("\n"))
		for i := range 100 {
			if i%3 == 2 {
				time.Sleep(time.Duration(i)*100*time.Millisecond + 7*time.Millisecond) // not together with a ping
				p.conn.Send(text("data"))
			}
			a := <-came
			if gap := a.at - last; gap > 10*time.Second || a.err != nil {
				t.Fatalf("%q came %v after the one before, %v", a.text, gap, a.err)
			} else if a.text == "\n" && gap < 8*time.Second {
				t.Fatalf("a beat came %v after the one before", gap)
			}
			last = a.at
		}
	})
}

func TestSilenceClosesAtTheBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := startVirtual(setup{ws: transport.WebSocketConfig{IdleTimeout: 4 * time.Second}})
		defer v.stop()
		ws, p := v.dial(t)
		defer ws.Close()
		came := arrivals(ws)         // pongs are no data
		time.Sleep(29 * time.Second) // a slow login is not the client's silence
		p.conn.Heartbeat(0, 30*time.Second, nil)
		for range 20 {
			time.Sleep(29 * time.Second)
			ws.WriteMessage(websocket.TextMessage, []byte("x"))
		}
		last := 21 * 29 * time.Second
		a := <-came
		if !websocket.IsCloseError(a.err, 1008) || a.at != last+30*time.Second {
			t.Errorf("%v at %v, last data at %v", a.err, a.at, last)
		}
		if err := <-p.closed; message.Public(err).Code != message.CodeTimeout {
			t.Errorf("reason %v", err)
		}
	})
}

// A client is not silent while it is the protocol that does not read on.
func TestBackpressureIsNotSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := startVirtual(setup{receive: func(p *peer, b []byte) error {
			time.Sleep(5 * time.Minute)
			return nil
		}})
		defer v.stop()
		ws, p := v.dial(t)
		defer ws.Close()
		ws.SetPingHandler(func(string) error { return nil }) // a pong would wait for the protocol, in a pipe
		came := arrivals(ws)
		p.conn.Heartbeat(0, 30*time.Second, nil)
		began := time.Now()
		ws.WriteMessage(websocket.TextMessage, []byte("x"))
		<-came
		if d := time.Since(began); d != 5*time.Minute+30*time.Second {
			t.Errorf("closed after %v", d)
		}
		<-p.closed
	})
}

func TestIdleClientsArePinged(t *testing.T) {
	for name, alive := range map[string]bool{"answers": true, "is gone": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := startVirtual(setup{})
				defer v.stop()
				ws, p := v.dial(t)
				defer ws.Close()
				if !alive {
					ws.SetPingHandler(func(string) error { return nil })
				}
				came := arrivals(ws)
				select {
				case a := <-came:
					if alive || !websocket.IsCloseError(a.err, 1008) || a.at != 50*time.Second {
						t.Errorf("%+v", a)
					}
					<-p.closed
				case <-time.After(time.Hour):
					if !alive {
						t.Error("still open")
					}
				}
			})
		})
	}
}

func TestHeartbeatMayChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := startVirtual(setup{ws: transport.WebSocketConfig{IdleTimeout: -1}})
		defer v.stop()
		ws, p := v.dial(t)
		defer ws.Close()
		came := arrivals(ws)
		p.conn.Heartbeat(10*time.Second, 0, text("a"))
		time.Sleep(time.Second)
		p.conn.Heartbeat(20*time.Second, 0, text("b"))
		if a := <-came; a.text != "b" || a.at != 18*time.Second {
			t.Errorf("%+v", a)
		}
		p.conn.Heartbeat(0, 0, nil) // which leaves it as it is
		p.conn.Heartbeat(0, 30*time.Second, nil)
		if a := <-came; a.text != "b" || a.at != 36*time.Second {
			t.Errorf("%+v", a)
		}
		if a := <-came; !websocket.IsCloseError(a.err, 1008) || a.at != 48*time.Second {
			t.Errorf("%+v", a)
		}
		<-p.closed
	})
}
