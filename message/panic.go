package message

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// PanicError is what a panic in a handler or interceptor becomes: an error of
// that message only.
type PanicError struct {
	// Value is what the code panicked with.
	Value any
	// Stack is the stack of the goroutine that panicked.
	Stack []byte
}

// NewPanicError wraps the value that recover returned. It is called in the
// deferred function that recovered, so that the stack is that of the panic.
func NewPanicError(value any) *PanicError {
	return &PanicError{Value: value, Stack: debug.Stack()}
}

// Recover makes a panic of the surrounding function its error, a [PanicError].
// It is deferred as it is:
//
//	func handle() (err error) {
//		defer message.Recover(&err)
//		...
//	}
func Recover(err *error) {
	if v := recover(); v != nil {
		*err = NewPanicError(v)
	}
}

// Error returns the value, without the stack.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Unwrap returns the value when it is an error, but not [ErrDropped]: a panic is
// never a drop on purpose.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	if errors.Is(err, ErrDropped) {
		return nil
	}
	return err
}
