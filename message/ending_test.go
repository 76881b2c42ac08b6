package message_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/headrace/headrace/message"
)

type evicted struct{}

func (evicted) Error() string     { return "evicted" }
func (evicted) EndReason() string { return "eviction" }

// The reason of an end is one of few words, whatever the error says.
func TestEndReason(t *testing.T) {
	for want, errs := range map[string][]error{
		"client":    {nil},
		"heartbeat": {message.Errorf(message.CodeTimeout, "silent")},
		"limit":     {message.Errorf(message.CodeFull, "full")},
		"protocol": {
			message.Errorf(message.CodeInvalid, "x"), message.Errorf(message.CodeTooLarge, "x"),
			message.Errorf(message.CodeConflict, "x"), message.Errorf(message.CodeNotFound, "x"),
		},
		"auth":      {message.Errorf(message.CodeDenied, "x"), message.Errorf(message.CodeUnauthenticated, "x")},
		"transport": {message.Errorf(message.CodeUnavailable, "lost").WithCause(errors.New("reset by peer"))},
		"internal":  {errors.New("user alice, token 42"), message.Errorf(message.CodeInternal, "x"), message.ErrDropped},
		"eviction":  {evicted{}, fmt.Errorf("why: %w", evicted{}), message.Errorf(message.CodeDenied, "x").WithCause(evicted{})},
	} {
		for _, err := range errs {
			if got := message.EndReason(err); got != want {
				t.Errorf("%v is %q, want %q", err, got, want)
			}
		}
	}
}
