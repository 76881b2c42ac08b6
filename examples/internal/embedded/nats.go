// Package embedded starts the servers that examples need inside of their own process, so
// that one command is enough.
package embedded

import (
	"errors"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// NATS starts a server of NATS on a free port of the loopback interface, without
// JetStream: it keeps nothing. stop ends it.
func NATS() (url string, stop func(), err error) {
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true})
	if err != nil {
		return "", nil, err
	}
	s.Start()
	stop = func() {
		s.Shutdown()
		s.WaitForShutdown()
	}
	if !s.ReadyForConnections(10 * time.Second) {
		stop()
		return "", nil, errors.New("the NATS server does not start")
	}
	return s.ClientURL(), stop, nil
}
