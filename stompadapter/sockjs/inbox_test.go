package sockjs_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/stompadapter/sockjs"
)

// TestPendingBytes: few messages may be many bytes. One that is larger than all
// may be together passes alone.
func TestPendingBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := everyone()
		c.DisconnectDelay = time.Hour
		v := startVirtual(t, c, func(s *sockjs.Session) {
			for range 4 {
				time.Sleep(10 * time.Second)
				s.Receive(s.Context())
			}
		})
		defer v.stop()
		v.post("/0/a/xhr", "").want(t, 200, "o\n")
		began := time.Now()
		for _, tt := range []struct {
			size int
			at   time.Duration // when it is taken
		}{
			{700 << 10, 0},
			{300 << 10, 10 * time.Second},
			{200 << 10, 10 * time.Second},
			{100 << 10, 20 * time.Second},
		} {
			v.post("/0/a/xhr_send", `["`+strings.Repeat("x", tt.size)+`"]`).want(t, 204, "")
			if d := time.Since(began); d != tt.at {
				t.Errorf("%d bytes were taken after %v, want %v", tt.size, d, tt.at)
			}
		}
	})
}

// TestReceiveDrains: what came before the end is received, though the context
// that Receive is given is the session's.
func TestReceiveDrains(t *testing.T) {
	for range 20 { // a select that has the choice takes any
		synctest.Test(t, func(t *testing.T) {
			var got string
			received := make(chan struct{})
			v := startVirtual(t, everyone(), func(s *sockjs.Session) {
				defer close(received)
				<-s.Context().Done()
				for {
					m, err := s.Receive(s.Context())
					if err != nil {
						return
					}
					got += m
				}
			})
			defer v.stop()
			ws := v.dial("/0/a/websocket")
			read(t, ws, "o")
			write(t, ws, `["1","2","3"]`)
			synctest.Wait()
			ws.Close()
			<-received
			if got != "123" {
				t.Errorf("received %q", got)
			}
		})
	}
}
