package transport_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/transport"
)

func TestEndMessage(t *testing.T) {
	ends := ""
	f := start(t, setup{ws: transport.WebSocketConfig{Compression: true}, end: func(p *peer) error {
		ends += fmt.Sprintf("%d ", len(p.received()))
		return nil
	}})
	raw, p := f.dialRaw(t, offer)
	raw.frame(websocket.TextMessage, true, []byte("one"))
	raw.frame(websocket.TextMessage, false, []byte("tw"))
	raw.frame(websocket.PingMessage, true, nil) // no end of a message
	raw.frame(0, true, []byte("o"))
	raw.frame(websocket.TextMessage, true, nil)
	raw.frame(websocket.BinaryMessage, true, []byte(strings.Repeat("x", 20000)))
	raw.frame(rsv1|websocket.TextMessage, true, deflated("three"))
	raw.frame(websocket.TextMessage, false, []byte("no end"))
	raw.frame(websocket.CloseMessage, true, []byte{3, 232})
	raw.closeCode(t)
	<-p.closed
	if want := "3 6 6 20006 20011 "; ends != want {
		t.Errorf("ends after %s bytes, want %s", ends, want)
	}
}

func TestEndMessageFails(t *testing.T) {
	for name, tt := range map[string]struct {
		end  func(*peer) error
		code int
	}{
		"error": {func(*peer) error { return message.Errorf(message.CodeDenied, "no") }, 1008},
		"panic": {func(*peer) error { panic("a secret") }, 1011},
	} {
		t.Run(name, func(t *testing.T) {
			raw, p := start(t, setup{end: tt.end}).dialRaw(t)
			raw.frame(websocket.TextMessage, true, []byte("one"))
			raw.frame(websocket.TextMessage, true, []byte("two"))
			if code := raw.closeCode(t); code != tt.code {
				t.Errorf("close code %d", code)
			}
			<-p.closed
			if p.received() != "one" {
				t.Errorf("received %q", p.received())
			}
		})
	}
}

// Proxies close what is silent in either direction: 25 s without a word of ours
// bring a ping although the client talks, and 25 s without one of the client's
// although we do.
func TestPingsKeepProxiesFromClosing(t *testing.T) {
	for name, talks := range map[string]func(*websocket.Conn, *peer){
		"the client talks": func(ws *websocket.Conn, _ *peer) { ws.WriteMessage(websocket.TextMessage, []byte("x")) },
		"the server talks": func(_ *websocket.Conn, p *peer) { p.conn.Send(text("x")) },
		"nobody talks":     func(*websocket.Conn, *peer) {},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := startVirtual(setup{})
				defer v.stop()
				ws, p := v.dial(t)
				defer ws.Close()
				var pings []time.Duration
				began := time.Now()
				ws.SetPingHandler(func(s string) error {
					pings = append(pings, time.Since(began))
					return ws.WriteControl(websocket.PongMessage, []byte(s), time.Now().Add(time.Second))
				})
				arrivals(ws)
				for range 60 {
					time.Sleep(5 * time.Second)
					talks(ws, p)
				}
				synctest.Wait()
				if len(pings) < 10 || len(pings) > 12 {
					t.Errorf("pings at %v", pings)
				}
			})
		})
	}
}

func TestNoPingsWhileBothTalk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := startVirtual(setup{receive: echo})
		defer v.stop()
		ws, _ := v.dial(t)
		defer ws.Close()
		ws.SetPingHandler(func(string) error { t.Error("ping"); return nil })
		arrivals(ws)
		for range 60 {
			time.Sleep(20 * time.Second)
			ws.WriteMessage(websocket.TextMessage, []byte("x"))
		}
		synctest.Wait()
	})
}
