package headrace_test

import (
	"context"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/headrace/headrace"
)

// Who sends a request's header octet by octet is not waited for, unless the
// server's owner says so.
func TestSec_S47_HeaderTimeout(t *testing.T) {
	for _, tt := range []struct{ header, read, want time.Duration }{
		{0, 0, 5 * time.Second},
		{time.Second, 0, time.Second},
		{0, time.Minute, 0},
		{-1, 0, -1},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		server := &http.Server{Addr: "127.0.0.1:0", ReadHeaderTimeout: tt.header, ReadTimeout: tt.read}
		serving := time.Duration(-2)
		server.BaseContext = func(net.Listener) context.Context {
			serving = server.ReadHeaderTimeout
			cancel()
			return context.Background()
		}
		if err := headrace.New(headrace.Config{}).Serve(ctx, server); err != nil {
			t.Error(err)
		}
		if serving != tt.want {
			t.Errorf("header %v, read %v: %v, want %v", tt.header, tt.read, serving, tt.want)
		}
		cancel()
	}
}
