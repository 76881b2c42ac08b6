package bare_test

import (
	"net"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/headrace/headrace/bench/internal/bare"
	"github.com/headrace/headrace/bench/internal/load"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// What one client sends reaches all subscribers, in order.
func TestBroadcasts(t *testing.T) {
	for _, tt := range []struct {
		name, scheme, end string
		serve             func(net.Listener) error
	}{
		{"joined", "ws", "", func(ln net.Listener) error { return bare.ServeWebSocket(ln, true) }},
		{"single", "ws", "", func(ln net.Listener) error { return bare.ServeWebSocket(ln, false) }},
		{"tcp", "tcp", "\n", bare.ServeTCP},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			var serving sync.WaitGroup
			serving.Go(func() { tt.serve(ln) })
			defer serving.Wait()
			defer ln.Close()
			var all []*load.Conn
			for range 4 {
				c, err := load.Dial(tt.scheme+"://"+ln.Addr().String()+"/", load.Options{})
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				c.SetDeadline(time.Now().Add(10 * time.Second))
				if err := c.Send(bare.Subscribe + tt.end); err != nil {
					t.Fatal(err)
				}
				if err := c.Expect(bare.Subscribe); err != nil {
					t.Fatal(err)
				}
				all = append(all, c)
			}
			for _, text := range []string{"one ", "two ", "three"} {
				if err := all[0].Send(text + tt.end); err != nil {
					t.Fatal(err)
				}
			}
			for _, c := range all {
				if err := c.Expect("one " + tt.end + "two " + tt.end + "three"); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
