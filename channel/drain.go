package channel

import (
	"fmt"
	"slices"
	"strings"

	"github.com/headrace/headrace/message"
)

// DrainError is returned by Shutdown when its context ended before all that was
// accepted was handled.
type DrainError struct {
	// Channel is the name of the channel.
	Channel string
	// Left is how many messages are not handled yet.
	Left int64
	// Running are the destinations of the messages that workers were busy with, 16 at
	// most, sorted, each once; a message without one has its kind there. What a worker
	// took in one go with the one that it is at may be among them.
	Running []string

	cause error
}

// Error says how many messages are left and where workers are busy.
func (e *DrainError) Error() string {
	text := fmt.Sprintf("channel %s: %d messages not handled yet", e.Channel, e.Left)
	if len(e.Running) > 0 {
		text += ", workers are busy with " + strings.Join(e.Running, ", ")
	}
	return text + ": " + e.cause.Error()
}

// Unwrap returns the error of the context.
func (e *DrainError) Unwrap() error { return e.cause }

const (
	maxRunning     = 16
	maxDestination = 200 // octets of a destination that are told
)

// running returns what [DrainError] tells.
func (e *Executor[T]) running() (names []string) {
	visit := func(m *message.Message[T]) {
		name := m.Destination[:min(len(m.Destination), maxDestination)]
		if name == "" {
			name = m.Kind.String()
		}
		if at, found := slices.BinarySearch(names, name); !found {
			names = slices.Insert(names, at, strings.Clone(name))
		}
	}
	if e.pool != nil {
		e.pool.running(visit)
	} else {
		e.lanes.running(visit)
	}
	return names[:min(len(names), maxRunning)]
}
