package proc

import (
	"testing"

	"github.com/headrace/headrace/internal/need"
)

// Redis is a Redis that keeps what it has in an append-only file, written before it answers.
// With everysec, its default, it answers without that while it waits for the disk.
type Redis struct {
	*Process // the server, to kill and start anew
	// Addr is where it listens.
	Addr string
}

// StartRedis starts a server that shares nothing with another one on the machine. Where
// it is not installed the test does not go on.
func StartRedis(t testing.TB) *Redis {
	t.Helper()
	addr := FreeAddrs(t, 1)[0]
	p := Start(t, Config{
		Args: []string{
			need.Program(t, "redis-server"), "--bind", "127.0.0.1", "--port", port(addr), "--dir", t.TempDir(),
			"--appendonly", "yes", "--appendfsync", "no", "--save", "",
		},
		Addrs: []string{addr},
	})
	return &Redis{Process: p, Addr: addr}
}
