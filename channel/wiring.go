package channel

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/headrace/headrace/message"
)

// wiring holds who is connected to a channel. Every change compiles the
// interceptors and subscribers into one handler, which senders load without a
// lock: a send sees the wiring before a change or after it, never between.
type wiring[T any] struct {
	// entry is where a send begins: interceptors around the inlet. It is nil
	// where it would be the inlet itself, which its channel calls directly.
	entry atomic.Pointer[message.Handler[T]]
	// dispatch is where the subscribers begin.
	dispatch atomic.Pointer[message.Handler[T]]

	mu           sync.Mutex
	inlet        message.Handler[T] // where the send side ends; nil means the subscribers
	interceptors []*message.Interceptor[T]
	subscribers  []*message.Handler[T]
}

func (w *wiring[T]) subscribe(h message.Handler[T], interceptors []message.Interceptor[T]) (unsubscribe func()) {
	if h == nil {
		panic("channel: the subscriber is nil")
	}
	checkInterceptors(interceptors)
	h = message.Chain(h, interceptors...)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.subscribers = append(w.subscribers, &h)
	w.compile()
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.subscribers = without(w.subscribers, []*message.Handler[T]{&h})
		w.compile()
	}
}

func (w *wiring[T]) intercept(interceptors []message.Interceptor[T]) (remove func()) {
	checkInterceptors(interceptors)
	added := make([]*message.Interceptor[T], len(interceptors))
	for i := range interceptors {
		ic := interceptors[i]
		added[i] = &ic
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	before := w.interceptors
	w.interceptors = slices.Concat(before, added)
	wired := false
	defer func() {
		if !wired { // an interceptor panicked when it was mounted
			w.interceptors = before
		}
	}()
	w.compile()
	wired = true
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.interceptors = without(w.interceptors, added)
		w.compile()
	}
}

func checkInterceptors[T any](interceptors []message.Interceptor[T]) {
	for i, ic := range interceptors {
		if ic == nil {
			panic(fmt.Sprintf("channel: interceptor %d is nil", i))
		}
	}
}

// without returns list less the pointers in gone, leaving list as it was.
func without[P comparable](list, gone []P) []P {
	return slices.DeleteFunc(slices.Clone(list), func(p P) bool { return slices.Contains(gone, p) })
}

func (w *wiring[T]) compile() {
	dispatch := w.dispatcher()
	w.dispatch.Store(&dispatch)
	entry := w.inlet
	switch {
	case entry == nil:
		entry = dispatch
	case len(w.interceptors) == 0:
		w.entry.Store(nil)
		return
	}
	for _, ic := range slices.Backward(w.interceptors) {
		entry = (*ic)(entry)
	}
	w.entry.Store(&entry)
}

func (w *wiring[T]) dispatcher() message.Handler[T] {
	switch len(w.subscribers) {
	case 0:
		return message.HandlerFunc[T](func(context.Context, message.Message[T]) error { return ErrNoSubscriber })
	case 1:
		return *w.subscribers[0]
	}
	all := make(fanOut[T], len(w.subscribers))
	for i, h := range w.subscribers {
		all[i] = *h
	}
	return all
}
