package client

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// A server that confirms nothing leaves nothing behind in the client.
func TestGivenUpReceiptsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := Dial(t.Context(), Config{
			URL:       "tcp://mill",
			Heartbeat: HeartbeatConfig{Send: -1, Receive: -1},
			Dial: func(context.Context) (net.Conn, error) {
				ours, theirs := net.Pipe()
				go func() {
					r := bufio.NewReader(theirs)
					r.ReadString(0)
					io.WriteString(theirs, "CONNECTED\nversion:1.2\n\n\x00")
					io.Copy(io.Discard, r)
				}()
				return ours, nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		for range 100 {
			for _, call := range []func(context.Context) error{
				func(ctx context.Context) error { return c.SendReceipt(ctx, "/a", "x") },
				func(ctx context.Context) error {
					_, err := c.Subscribe(ctx, "/a", SubscribeConfig{}, nil)
					return err
				},
			} {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				if err := call(ctx); !errors.Is(err, context.DeadlineExceeded) {
					t.Error(err)
				}
				cancel()
			}
		}
		synctest.Wait()
		c.link.mu.Lock()
		if n := len(c.link.waiting); n > 0 {
			t.Errorf("%d frames wait for receipts", n)
		}
		c.link.mu.Unlock()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		c.Close(ctx)
	})
}
