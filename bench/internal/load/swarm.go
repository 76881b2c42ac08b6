package load

import (
	"sync"
	"sync/atomic"
	"time"
)

// Swarm keeps idle clients alive: it reads what they are sent and sends their
// heart-beats. End it with Close.
type Swarm struct {
	clients []*Client
	ended   atomic.Int64
	stop    chan struct{}
	running sync.WaitGroup
}

// KeepAlive starts a swarm in which each client sends a heart-beat every period,
// and no two at once.
func KeepAlive(clients []*Client, period time.Duration) *Swarm {
	s := &Swarm{clients: clients, stop: make(chan struct{})}
	for _, c := range clients {
		s.running.Go(func() {
			for {
				if _, err := c.Next(); err != nil {
					s.ended.Add(1)
					return
				}
			}
		})
	}
	s.running.Go(func() { s.beat(period) })
	return s
}

func (s *Swarm) beat(period time.Duration) {
	const steps = 100
	tick := time.NewTicker(period / steps)
	defer tick.Stop()
	for step := 0; ; step = (step + 1) % steps {
		for i := step; i < len(s.clients); i += steps {
			s.clients[i].Send("\n") // a client that is gone is counted by its reader
		}
		select {
		case <-tick.C:
		case <-s.stop:
			return
		}
	}
}

// Ended returns how many clients lost their connection.
func (s *Swarm) Ended() int { return int(s.ended.Load()) }

// Close cuts all connections.
func (s *Swarm) Close() {
	close(s.stop)
	CloseAll(s.clients)
	s.running.Wait()
}
