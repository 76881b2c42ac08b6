package message_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/headrace/headrace/message"
)

var errLimit = message.Errorf(message.CodeFull, "over the limit")

func TestErrorIs(t *testing.T) {
	for _, tt := range []struct {
		name   string
		err    error
		target error
		want   bool
	}{
		{"itself", errLimit, errLimit, true},
		{"with a cause", errLimit.WithCause(io.EOF), errLimit, true},
		{"the cause", errLimit.WithCause(io.EOF), io.EOF, true},
		{"wrapped", fmt.Errorf("stage: %w", errLimit), errLimit, true},
		{"made again", message.Errorf(message.CodeFull, "over the %s", "limit"), errLimit, true},
		{"another text", message.Errorf(message.CodeFull, "full"), errLimit, false},
		{"another code", message.Errorf(message.CodeDenied, "over the limit"), errLimit, false},
		{"not an Error", io.EOF, errLimit, false},
		{"an authored drop", message.Errorf(message.CodeDropped, "another reason"), message.ErrDropped, false},
	} {
		if got := errors.Is(tt.err, tt.target); got != tt.want {
			t.Errorf("%s: Is = %v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestDrop: who dropped a message is for those who count, and no other matter.
func TestDrop(t *testing.T) {
	quota := message.Drop("quota")
	for err, want := range map[error]string{
		quota: "quota", fmt.Errorf("stage: %w", quota): "quota", message.ErrDropped: "", io.EOF: "", errLimit.WithCause(quota): "quota",
	} {
		if got := message.DroppedBy(err); got != want {
			t.Errorf("%v was dropped by %q, want %q", err, got, want)
		}
	}
	if !errors.Is(quota, message.ErrDropped) || *message.Public(quota) != *message.Public(message.ErrDropped) {
		t.Errorf("the sender is told %v", message.Public(quota))
	}
	if quota.Error() != "dropped: message dropped: by quota" {
		t.Errorf("the log is told %q", quota)
	}
}

func TestErrorWithCause(t *testing.T) {
	caused := errLimit.WithCause(io.EOF)
	if errors.Unwrap(errLimit) != nil {
		t.Error("WithCause changed the predeclared error")
	}
	if errors.Unwrap(caused) != io.EOF {
		t.Errorf("Unwrap = %v, want the cause", errors.Unwrap(caused))
	}
	if errLimit.Error() != "full: over the limit" || caused.Error() != "full: over the limit: EOF" {
		t.Errorf("texts %q and %q", errLimit, caused)
	}
	long := errLimit.WithCause(errors.New(strings.Repeat("ü", 10_000)))
	if want := "full: over the limit: " + strings.Repeat("ü", 500); long.Error() != want {
		t.Errorf("a long cause has %d bytes, want %d", len(long.Error()), len(want))
	}
	if wrapped := message.Errorf(message.CodeInternal, "no: %v", io.EOF); errors.Is(wrapped, io.EOF) {
		t.Error("Errorf wrapped an argument")
	}
}

// TestPublic: a client learns an authored text and a code, never a cause.
func TestPublic(t *testing.T) {
	const secret = "password=hunter2"
	cause := errors.New(secret)
	denied := message.Errorf(message.CodeDenied, "not yours")
	for _, tt := range []struct {
		name string
		err  error
		code message.Code
		text string
	}{
		{"authored", denied, message.CodeDenied, "not yours"},
		{"authored with a cause", denied.WithCause(cause), message.CodeDenied, "not yours"},
		{"wrapped by a text of ours", fmt.Errorf("%s: %w", secret, denied.WithCause(cause)), message.CodeDenied, "not yours"},
		{"the outermost counts", errLimit.WithCause(denied.WithCause(cause)), message.CodeFull, "over the limit"},
		{"joined", errors.Join(cause, denied), message.CodeDenied, "not yours"},
		{"foreign", cause, message.CodeInternal, "internal error"},
		{"foreign, wrapped", fmt.Errorf("query: %w", cause), message.CodeInternal, "internal error"},
		{"panic", message.NewPanicError(secret), message.CodeInternal, "internal error"},
		{"panic with an authored error", message.NewPanicError(denied), message.CodeDenied, "not yours"},
		{"dropped", message.ErrDropped, message.CodeDropped, "message dropped"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := message.Public(tt.err)
			if got.Code != tt.code || got.Message != tt.text {
				t.Errorf("Public = %q %q, want %q %q", got.Code, got.Message, tt.code, tt.text)
			}
			if errors.Is(got, cause) || errors.Unwrap(got) != nil || strings.Contains(got.Error(), secret) {
				t.Errorf("the cause leaks: %v", got)
			}
		})
	}
	if message.Public(nil) != nil {
		t.Error("Public(nil) is not nil")
	}
}

func explode() { panic(io.ErrUnexpectedEOF) }

func TestPanicError(t *testing.T) {
	var err *message.PanicError
	func() {
		defer func() { err = message.NewPanicError(recover()) }()
		explode()
	}()
	if err.Value != io.ErrUnexpectedEOF || !errors.Is(err, io.ErrUnexpectedEOF) || err.Error() != "panic: unexpected EOF" {
		t.Errorf("PanicError = %v with value %v", err, err.Value)
	}
	if !strings.Contains(string(err.Stack), "explode") {
		t.Errorf("the stack does not name the function that panicked:\n%s", err.Stack)
	}
	if other := message.NewPanicError("no error"); errors.Unwrap(other) != nil || strings.Contains(other.Error(), "goroutine") {
		t.Errorf("PanicError of a string = %q wraps %v", other, errors.Unwrap(other))
	}
}
