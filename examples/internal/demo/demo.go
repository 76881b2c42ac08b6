// Package demo holds what every example does the same way: it listens where it
// was told to, says so in its first line, and stops on an interrupt.
package demo

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// Context ends when the program is asked to stop.
func Context() (context.Context, context.CancelFunc) {
	return signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
}

// Server returns a server for handler that prints where it listens, which is
// how a caller learns the port that was chosen for port 0.
func Server(addr string, handler http.Handler) *http.Server {
	return &http.Server{
		Addr:              addr,
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		BaseContext: func(l net.Listener) context.Context {
			fmt.Printf("listening on http://%s/\n", l.Addr())
			return context.Background()
		},
	}
}
