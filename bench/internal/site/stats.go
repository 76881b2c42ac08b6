package site

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"runtime"
	"time"

	"github.com/headrace/headrace/bench/internal/child"
)

// Stats is what a child tells of itself when asked for "stats".
type Stats struct {
	Sessions    int               // of the adapter
	Known       int               // sessions of the broker
	Open        int               // connections
	Closed      map[string]uint64 // connections, by message.EndReason
	Published   uint64            // messages that came to the broker
	Encodings   uint64            // of the adapter
	Goroutines  int               // of the process
	Descriptors int               // that the process has open
	Live        uint64            // bytes of heap and stacks
}

// Stats returns a snapshot.
func (s *Site) Stats() Stats {
	stomp, brokered := s.Stomp.Stats(), s.Node.Stats().Broker
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	open, _ := os.ReadDir("/proc/self/fd")
	return Stats{
		Sessions: stomp.Sessions, Known: brokered.Sessions,
		Open: stomp.Transport.Open, Closed: stomp.Transport.Closed,
		Published: brokered.Published, Encodings: stomp.Encodings,
		Goroutines: runtime.NumGoroutine(), Descriptors: len(open), Live: m.HeapInuse + m.StackInuse,
	}
}

// answer answers what [Ask] and [Drain] ask.
func (s *Site) answer(question string) string {
	if question == drainQuestion {
		ctx, cancel := context.WithTimeout(context.Background(), 25*time.Second)
		defer cancel()
		if err := s.Stomp.Shutdown(ctx); err != nil {
			return err.Error()
		}
		return drained
	}
	text, err := json.Marshal(s.Stats())
	if err != nil {
		return err.Error()
	}
	return string(text)
}

const (
	drainQuestion = "drain"
	drained       = "drained"
)

// Drain has a child let its clients go, and returns when all are gone.
func Drain(p *child.Process) error {
	text, err := p.Ask(drainQuestion)
	if err == nil && text != drained {
		err = errors.New(text)
	}
	return err
}

// Ask asks a child for its Stats.
func Ask(p *child.Process) (Stats, error) {
	var s Stats
	text, err := p.Ask("stats")
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal([]byte(text), &s)
}
