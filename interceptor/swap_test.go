package interceptor_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/headrace/headrace/interceptor"
	"github.com/headrace/headrace/message"
)

// noting notes a name on the way in and on the way out.
func noting(log *[]string, name string) message.Interceptor[int] {
	return func(next message.Handler[int]) message.Handler[int] {
		*log = append(*log, "make "+name)
		return message.HandlerFunc[int](func(ctx context.Context, m message.Message[int]) error {
			*log = append(*log, name)
			err := next.Handle(ctx, m)
			*log = append(*log, "/"+name)
			return err
		})
	}
}

func TestSwap(t *testing.T) {
	var log []string
	var s interceptor.Swap[int]
	handle := func(name string) message.Handler[int] {
		return s.Intercept(message.HandlerFunc[int](func(context.Context, message.Message[int]) error {
			log = append(log, name)
			return nil
		}))
	}
	one, two := handle("one"), handle("two")
	want := func(h message.Handler[int], said string) {
		t.Helper()
		log = nil
		if err := h.Handle(t.Context(), message.Message[int]{}); err != nil {
			t.Error(err)
		}
		if got := strings.Join(log, " "); got != said {
			t.Errorf("%q, want %q", got, said)
		}
	}
	want(one, "one") // the zero value lets everything pass
	s.Store(noting(&log, "a"), noting(&log, "b"))
	want(one, "make b make a a b one /b /a")
	want(one, "a b one /b /a") // made once
	want(two, "make b make a a b two /b /a")
	list := []message.Interceptor[int]{noting(&log, "c")}
	s.Store(list...)
	list[0] = nil // it was copied
	want(one, "make c c one /c")
	want(two, "make c c two /c")
	s.Store()
	want(one, "one")
	refused := errors.New("refused")
	s.Store(func(message.Handler[int]) message.Handler[int] { // another handler in its place
		return message.HandlerFunc[int](func(context.Context, message.Message[int]) error { return refused })
	})
	log = nil
	if err := one.Handle(t.Context(), message.Message[int]{}); err != refused || log != nil {
		t.Errorf("%v, %q", err, log)
	}
}

// A mistake panics where it is made, and changes nothing.
func TestSwapRefusesNil(t *testing.T) {
	var s interceptor.Swap[int]
	handled := 0
	h := s.Intercept(message.HandlerFunc[int](func(context.Context, message.Message[int]) error { handled++; return nil }))
	func() {
		defer func() {
			if v, _ := recover().(string); v != "interceptor: Swap: interceptor 1 is nil" {
				t.Errorf("panic %q", v)
			}
		}()
		s.Store(interceptor.Recover[int], nil)
	}()
	if err := h.Handle(t.Context(), message.Message[int]{}); err != nil || handled != 1 {
		t.Errorf("%v, handled %d", err, handled)
	}
}

// What is with the old interceptors stays with them to its end.
func TestSwapLeavesWhatIsUnderWay(t *testing.T) {
	var s interceptor.Swap[int]
	entered, leave := make(chan struct{}), make(chan struct{})
	var log []string
	h := s.Intercept(message.HandlerFunc[int](func(_ context.Context, m message.Message[int]) error {
		if m.Payload == 1 {
			entered <- struct{}{}
			<-leave
		}
		return nil
	}))
	s.Store(noting(&log, "old"))
	done := make(chan error)
	go func() { done <- h.Handle(t.Context(), message.Message[int]{Payload: 1}) }()
	<-entered
	s.Store(noting(&log, "new"))
	if err := h.Handle(t.Context(), message.Message[int]{}); err != nil {
		t.Error(err)
	}
	close(leave)
	if err := <-done; err != nil || !slices.Equal(log, []string{"make old", "old", "make new", "new", "/new", "/old"}) {
		t.Errorf("%v, %q", err, log)
	}
}
