package message_test

import (
	"errors"
	"testing"

	"github.com/headrace/headrace/message"
)

func TestRecover(t *testing.T) {
	cause := errors.New("cause")
	run := func(value any) (err error) {
		defer message.Recover(&err)
		if value != nil {
			panic(value)
		}
		return cause
	}
	if err := run(nil); err != cause {
		t.Errorf("without a panic: %v", err)
	}
	p, ok := errors.AsType[*message.PanicError](run(cause))
	if !ok || p.Value != cause || len(p.Stack) == 0 {
		t.Errorf("a panic became %+v", p)
	}
	if err := run(cause); !errors.Is(err, cause) {
		t.Error("the error that was the value is not found")
	}
	if err := run(message.ErrDropped); errors.Is(err, message.ErrDropped) {
		t.Error("a panic passes for a drop")
	}
}
