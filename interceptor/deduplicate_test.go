package interceptor_test

import (
	"context"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/interceptor"
	"github.com/headrace/headrace/message"
)

func keyed(s *message.Session, key string) orderMessage {
	return orderMessage{Session: s, Header: message.NewHeader(message.Field{Name: "idempotency-key", Value: key})}
}

func at(destination string, m orderMessage) orderMessage {
	m.Destination = destination
	return m
}

// handledBy sends messages through i and returns how many the handler saw.
func handledBy(t *testing.T, i message.Interceptor[order], messages ...orderMessage) int {
	t.Helper()
	n := 0
	h := i(orderFunc(func(context.Context, orderMessage) error {
		n++
		return nil
	}))
	for _, m := range messages {
		if err := h.Handle(t.Context(), m); err != nil {
			t.Errorf("outcome %v", err)
		}
	}
	return n
}

func TestDeduplicateHandlesOnce(t *testing.T) {
	one, two := userSession(kim), userSession(kim)
	ann, nobody, stranger := userSession(message.User("ann")), userSession(nil), userSession(message.User(""))
	like := userSession(message.User(nobody.ID()))
	subscribe := keyed(one, "a")
	subscribe.Kind = message.KindSubscribe
	bySymbol := interceptor.DeduplicateConfig[order]{Key: func(m orderMessage) string { return m.Payload.symbol }}
	for name, tt := range map[string]struct {
		config   interceptor.DeduplicateConfig[order]
		messages []orderMessage
		want     int
	}{
		"twice":                   {messages: []orderMessage{keyed(one, "a"), keyed(one, "a"), keyed(one, "a")}, want: 1},
		"two keys":                {messages: []orderMessage{keyed(one, "a"), keyed(one, "b")}, want: 2},
		"no key":                  {messages: []orderMessage{{Session: one}, {Session: one}, keyed(one, ""), keyed(one, "")}, want: 4},
		"two sessions of a user":  {messages: []orderMessage{keyed(one, "a"), keyed(two, "a")}, want: 1},
		"two users":               {messages: []orderMessage{keyed(one, "a"), keyed(ann, "a")}, want: 2},
		"two of nobody":           {messages: []orderMessage{keyed(nobody, "a"), keyed(stranger, "a"), keyed(nobody, "a")}, want: 2},
		"named like a session":    {messages: []orderMessage{keyed(nobody, "a"), keyed(like, "a")}, want: 2},
		"two destinations":        {messages: []orderMessage{at("/app/buy", keyed(one, "a")), at("/app/sell", keyed(one, "a")), at("/app/buy", keyed(one, "a"))}, want: 2},
		"shared":                  {config: interceptor.DeduplicateConfig[order]{Shared: true}, messages: []orderMessage{keyed(one, "a"), keyed(ann, "a"), keyed(nil, "a")}, want: 1},
		"the program's":           {messages: []orderMessage{keyed(nil, "a"), keyed(one, "a"), keyed(nil, "a")}, want: 2},
		"another kind":            {messages: []orderMessage{subscribe, subscribe}, want: 2},
		"by another header":       {config: interceptor.DeduplicateConfig[order]{Header: "n"}, messages: []orderMessage{keyed(one, "a"), keyed(one, "a")}, want: 2},
		"by a function":           {config: bySymbol, messages: []orderMessage{{Payload: order{"X"}}, {Payload: order{"Y"}}, {Payload: order{"X"}}, keyed(nil, "a"), keyed(nil, "a")}, want: 4},
		"more than is remembered": {config: interceptor.DeduplicateConfig[order]{Max: 2}, messages: []orderMessage{keyed(one, "a"), keyed(one, "b"), keyed(one, "b"), keyed(one, "c"), keyed(one, "c"), keyed(one, "b"), keyed(one, "a")}, want: 4},
	} {
		if got := handledBy(t, interceptor.Deduplicate(tt.config), tt.messages...); got != tt.want {
			t.Errorf("%s: handled %d of %d, want %d", name, got, len(tt.messages), tt.want)
		}
	}
}

func TestDeduplicateWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := interceptor.Deduplicate(interceptor.DeduplicateConfig[order]{Window: time.Minute})
		n := handledBy(t, i, keyed(nil, "a"))
		time.Sleep(time.Minute - 1)
		n += handledBy(t, i, keyed(nil, "a"), keyed(nil, "b")) // which does not renew it
		time.Sleep(time.Nanosecond)
		if n += handledBy(t, i, keyed(nil, "a"), keyed(nil, "b")); n != 3 {
			t.Errorf("handled %d times, want 3", n)
		}
	})
}

// What failed, or panicked, was not handled: the next attempt of its sender counts.
func TestDeduplicateForgetsFailures(t *testing.T) {
	outcomes := []error{io.EOF, message.ErrDropped, message.NewPanicError("boom"), nil, nil}
	calls := 0
	h := message.Chain(orderFunc(func(context.Context, orderMessage) error {
		calls++
		if p, ok := outcomes[calls-1].(*message.PanicError); ok {
			panic(p.Value)
		}
		return outcomes[calls-1]
	}), interceptor.Recover, interceptor.Deduplicate(interceptor.DeduplicateConfig[order]{}))
	for i := range outcomes {
		err := h.Handle(t.Context(), keyed(nil, "a"))
		if (err == nil) != (i >= 3) {
			t.Errorf("attempt %d: %v", i, err)
		}
	}
	if calls != 4 {
		t.Errorf("%d calls, want 4", calls)
	}
}

func TestDeduplicateWhileUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		outcomes := make(chan error)
		calls := 0
		h := interceptor.Deduplicate(interceptor.DeduplicateConfig[order]{Window: time.Minute})(orderFunc(func(context.Context, orderMessage) error {
			calls++
			return <-outcomes
		}))
		begin := func() {
			go func() { _ = h.Handle(t.Context(), keyed(nil, "a")) }()
			synctest.Wait()
		}
		begin()
		if err := h.Handle(t.Context(), keyed(nil, "a")); message.Public(err).Code != message.CodeConflict {
			t.Errorf("while the first is handled: %v", err)
		}
		time.Sleep(time.Hour) // it is forgotten
		begin()
		outcomes <- io.EOF // of one of the two, which fails
		outcomes <- nil
		synctest.Wait()
		if calls != 2 {
			t.Errorf("%d calls, want 2", calls)
		}
	})
}

// However many others come meanwhile, what is under way is not handled a second time.
func TestDeduplicateUnderWayIsNotPushedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		calls := 0
		h := interceptor.Deduplicate(interceptor.DeduplicateConfig[order]{Max: 2})(orderFunc(func(_ context.Context, m orderMessage) error {
			if m.Header.Get("idempotency-key") == "slow" {
				calls++
				<-hold
			}
			return nil
		}))
		go func() { _ = h.Handle(t.Context(), keyed(nil, "slow")) }()
		synctest.Wait()
		for i := range 5 {
			if err := h.Handle(t.Context(), keyed(nil, fmt.Sprint(i))); err != nil {
				t.Error(err)
			}
		}
		time.AfterFunc(time.Second, func() { close(hold) })
		if err := h.Handle(t.Context(), keyed(nil, "slow")); err == nil || message.Public(err).Code != message.CodeConflict || calls != 1 {
			t.Errorf("the second is told %v, after %d calls", err, calls)
		}
		<-hold
		synctest.Wait()
	})
}

// A message that fails when it was forgotten already takes no later one with it.
func TestDeduplicateLateFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		late := make(chan error)
		calls := 0
		h := interceptor.Deduplicate(interceptor.DeduplicateConfig[order]{Window: time.Minute})(orderFunc(func(context.Context, orderMessage) error {
			if calls++; calls == 1 {
				return <-late
			}
			return nil
		}))
		go func() { _ = h.Handle(t.Context(), keyed(nil, "a")) }()
		synctest.Wait()
		time.Sleep(time.Minute)
		first := h.Handle(t.Context(), keyed(nil, "a"))
		late <- io.EOF
		synctest.Wait()
		if second := h.Handle(t.Context(), keyed(nil, "a")); first != nil || second != nil || calls != 2 {
			t.Errorf("%v and %v, %d calls", first, second, calls)
		}
	})
}

// Many senders of the same few messages at once: each message is handled once.
func TestDeduplicateConcurrently(t *testing.T) {
	var mu sync.Mutex
	handled := map[string]int{}
	h := interceptor.Deduplicate(interceptor.DeduplicateConfig[order]{Max: 100})(orderFunc(func(_ context.Context, m orderMessage) error {
		mu.Lock()
		defer mu.Unlock()
		handled[m.Header.Get("idempotency-key")]++
		return nil
	}))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 100 {
				if err := h.Handle(t.Context(), keyed(nil, fmt.Sprint(i))); err != nil && message.Public(err).Code != message.CodeConflict {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for key, n := range handled {
		if n != 1 {
			t.Errorf("message %s was handled %d times", key, n)
		}
	}
	if len(handled) != 100 {
		t.Errorf("%d messages were handled", len(handled))
	}
}

func TestDeduplicateWiringMistakes(t *testing.T) {
	key := func(orderMessage) string { return "" }
	for _, c := range []interceptor.DeduplicateConfig[order]{{Window: -1}, {Max: -1}, {Header: "x", Key: key}} {
		mustPanic(t, func() { interceptor.Deduplicate(c) })
	}
}
