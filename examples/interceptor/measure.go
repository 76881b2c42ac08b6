package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/headrace/headrace/message"
)

// meter adds up what passes the places where it is mounted.
type meter struct {
	mu   sync.Mutex
	sums map[string]*sum
}

type sum struct {
	ends
	took time.Duration
}

type ends struct{ handled, dropped, failed int }

func (e ends) String() string {
	return fmt.Sprintf("%d handled, %d dropped, %d failed", e.handled, e.dropped, e.failed)
}

// measure measures at one place. It is generic, as the payload is nothing to it.
func measure[T any](m *meter, place string) message.Interceptor[T] {
	return func(next message.Handler[T]) message.Handler[T] {
		return message.HandlerFunc[T](func(ctx context.Context, msg message.Message[T]) error {
			if msg.Kind != message.KindData {
				return next.Handle(ctx, msg)
			}
			began, err := time.Now(), errors.New("panic")
			defer func() { m.add(place, time.Since(began), err) }() // in any case
			err = next.Handle(ctx, msg)
			return err
		})
	}
}

func (m *meter) add(place string, took time.Duration, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.sums[place]
	if s == nil {
		s = new(sum)
		m.sums[place] = s
	}
	s.took += took
	switch {
	case err == nil:
		s.handled++
	case errors.Is(err, message.ErrDropped):
		s.dropped++
	default:
		s.failed++
	}
}

// String returns a line for each place.
func (m *meter) String() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var b strings.Builder
	for _, place := range slices.Sorted(maps.Keys(m.sums)) {
		s := m.sums[place]
		fmt.Fprintf(&b, "%-14s %v in %v\n", place, s.ends, s.took)
	}
	return b.String()
}
