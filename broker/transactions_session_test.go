package broker_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"weak"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
)

// heapAfter returns how many bytes are in use after f that were not before.
func heapAfter(f func()) int {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	f()
	runtime.GC()
	runtime.ReadMemStats(&after)
	return int(after.HeapAlloc) - int(before.HeapAlloc)
}

func TestTransactionsEndWithTheirSession(t *testing.T) {
	k := newTxKit(t, broker.TransactionsConfig{})
	c, other := k.client(), k.client()
	k.filled(c, "t", "1", "2")
	k.filled(c, "u", "3")
	k.filled(other, "t", "4")
	k.must(k.disconnect(c))
	k.want()
	for range 2 {
		wantCode(t, k.begin(c, "t"), message.CodeInvalid) // what comes late leaves nothing
		wantCode(t, k.sendIn(c, "t", "late"), message.CodeNotFound)
		wantCode(t, k.commit(c, "t"), message.CodeNotFound)
		wantCode(t, k.abort(c, "u"), message.CodeNotFound)
		k.must(k.disconnect(c))
	}
	k.must(k.commit(other, "t"))
	k.want("4")
	k.must(k.disconnect(other))
	k.wantStats(broker.TransactionsStats{Committed: 1, Abandoned: 2})
}

// TestTransactionsHandleWhatWasAccepted: a client who sends everything and closes gets
// his transaction, for KindDisconnect comes behind it.
func TestTransactionsHandleWhatWasAccepted(t *testing.T) {
	k := newTxKit(t, broker.TransactionsConfig{})
	c := k.client()
	c.Session.Close(io.EOF)
	k.filled(c, "t", "1")
	k.must(k.commit(c, "t"))
	k.want("1")
}

// TestTransactionsKeepNothing: sessions leave nothing, however they end, and one that
// was refused has nothing.
func TestTransactionsKeepNothing(t *testing.T) {
	var refuse error
	tx := broker.NewTransactions(broker.TransactionsConfig{})
	h := tx.Intercept(message.HandlerFunc[[]byte](func(_ context.Context, m message.Raw) error {
		if m.Kind == message.KindConnect && refuse == io.EOF {
			panic(refuse)
		}
		return refuse
	}))
	k := &txKit{ops: ops{t, h}, tx: tx}
	for _, refuse = range []error{errors.New("refused"), io.EOF} {
		c := newClient("")
		if err := k.do(message.Raw{Kind: message.KindConnect, Session: c.Session}); !errors.Is(err, refuse) {
			t.Errorf("CONNECT: %v, want %v", err, refuse)
		}
		wantCode(t, k.begin(c, "t"), message.CodeInvalid)
	}
	refuse = nil
	c := k.client()
	k.filled(c, "t", "1")
	refuse = errors.New("refused")
	if err := k.do(message.Raw{Kind: message.KindConnect, Session: c.Session}); err != refuse {
		t.Errorf("second CONNECT: %v", err)
	}
	k.must(k.sendIn(c, "t", "2")) // which is no end of the first
	if err := k.disconnect(c); err != refuse {
		t.Errorf("DISCONNECT: %v", err)
	}
	wantCode(t, k.commit(c, "t"), message.CodeNotFound)
	k.wantStats(broker.TransactionsStats{Abandoned: 1})

	refuse = nil
	gone := func() weak.Pointer[message.Session] {
		c := k.client()
		k.filled(c, "t", "1")
		k.must(k.disconnect(c))
		_ = k.begin(c, "t")
		return weak.Make(c.Session)
	}()
	runtime.GC()
	if gone.Value() != nil {
		t.Error("a session that ended is still there")
	}
	runtime.KeepAlive(tx)
}

type txKey struct{}

// TestTransactionsKeepContexts: a message is handled with the values that it came
// with, and as long as its COMMIT may take.
func TestTransactionsKeepContexts(t *testing.T) {
	k := newTxKit(t, broker.TransactionsConfig{})
	c := k.client()
	handle := func(ctx context.Context, m message.Raw) { k.t.Helper(); k.must(k.b.Handle(ctx, m)) }
	same := context.WithValue(t.Context(), txKey{}, "same")
	timeout, cancel := context.WithCancelCause(context.WithValue(t.Context(), txKey{}, "other"))

	k.filled(c, "t")
	handle(same, inTx(message.KindData, c, "t", ""))
	k.must(k.commit(c, "t"))
	if k.ctxs[0] != same {
		t.Error("a context that ends when its COMMIT's does is another one")
	}

	k.filled(c, "t")
	handle(timeout, inTx(message.KindData, c, "t", ""))
	cancel(errors.New("the SEND's time is over"))
	ended, stop := make(chan struct{}), func() {}
	k.answer = func(ctx context.Context, _ message.Raw) error {
		if v := ctx.Value(txKey{}); v != "other" || ctx.Err() != nil {
			t.Errorf("value %v, error %v", v, ctx.Err())
		}
		if _, ok := ctx.Deadline(); !ok {
			t.Error("it has not the deadline of the COMMIT")
		}
		before := runtime.NumGoroutine()
		for range 100 {
			_, release := context.WithCancel(ctx)
			defer release()
		}
		if more := runtime.NumGoroutine() - before; more > 50 { // others may begin one meanwhile
			t.Errorf("%d goroutines for 100 derived contexts", more)
		}
		var derived context.Context
		derived, stop = context.WithCancel(ctx)
		context.AfterFunc(derived, func() { close(ended) })
		return nil
	}
	commit, end := context.WithTimeout(context.WithValue(t.Context(), txKey{}, "COMMIT's"), 1<<40)
	handle(commit, inTx(message.KindCommit, c, "t", ""))
	end()
	if ctx := k.ctxs[1]; context.Cause(ctx) != context.Canceled {
		t.Fatalf("it did not end as the COMMIT's did: %v", context.Cause(ctx))
	}
	<-ended
	stop()
}

// receipt counts how a message was completed.
type receipt struct {
	told atomic.Int32
	err  error
}

func (r *receipt) completion(l message.Level) *message.Completion {
	return message.NewCompletion(l, func(err error) { r.err = err; r.told.Add(1) })
}

// as handles m as an adapter does.
func (k *txKit) as(m message.Raw, l message.Level) *receipt {
	r := new(receipt)
	m.Done = r.completion(l)
	m.Done.Release(k.do(m))
	return r
}

func (r *receipt) want(t *testing.T, told bool, err error) {
	t.Helper()
	if n := r.told.Load(); n > 1 || (n == 1) != told || !errors.Is(r.err, err) || (r.err == nil) != (err == nil) {
		t.Errorf("told %d times, error %v; want %v, %v", n, r.err, told, err)
	}
}

// taker stores messages, takes them over, and ends them when the test says so.
type taker struct{ taken []message.Raw }

func (ta *taker) take(_ context.Context, m message.Raw) error {
	m.Done.Reached(message.Stored)
	m.Done.Hold()
	ta.taken = append(ta.taken, m)
	return nil
}

// TestTransactionsReceipts: the receipt of a message that is held says that it is; that
// of the COMMIT waits for all, and says the worst.
func TestTransactionsReceipts(t *testing.T) {
	stored := func(_ context.Context, m message.Raw) error { m.Done.Reached(message.Stored); return nil }
	suffice := func(next func(context.Context, message.Raw) error) func(context.Context, message.Raw) error {
		return func(ctx context.Context, m message.Raw) error { m.Done.Suffice(message.Stored); return next(ctx, m) }
	}
	broken := errors.New("broken")
	storedBut := func(ctx context.Context, m message.Raw) error {
		if string(m.Payload) == "3" {
			return broken
		}
		return stored(ctx, m)
	}
	for _, tc := range []struct {
		name   string
		answer func(context.Context, message.Raw) error
		want   error
	}{
		{"handled", nil, nil},
		{"stored", stored, nil},
		{"stored, which suffices", suffice(stored), nil},
		{"stored, the last one not", storedBut, broken},
		{"stored, which suffices, the last one not", suffice(storedBut), broken},
	} {
		for _, level := range []message.Level{message.Stored, message.Handled} {
			t.Run(fmt.Sprint(tc.name, level), func(t *testing.T) {
				k := newTxKit(t, broker.TransactionsConfig{})
				c := k.client()
				k.answer = tc.answer
				k.as(inTx(message.KindBegin, c, "t", ""), level).want(t, true, nil)
				for i := range 3 {
					k.as(inTx(message.KindData, c, "t", fmt.Sprint(i+1)), level).want(t, true, nil)
				}
				k.as(inTx(message.KindCommit, c, "t", ""), level).want(t, true, tc.want)
				k.as(inTx(message.KindCommit, c, "t", ""), level).want(t, true, k.commit(c, "t"))
				k.must(k.begin(c, "t"))
				k.as(inTx(message.KindAbort, c, "t", ""), level).want(t, true, nil)
			})
		}
	}
}

// TestTransactionsReceiptsOfWhatIsTakenOver: in whatever order they end.
func TestTransactionsReceiptsOfWhatIsTakenOver(t *testing.T) {
	denied, broken := message.Errorf(message.CodeDenied, "denied"), errors.New("broken")
	for _, tc := range []struct {
		name    string
		sync    map[string]error // what is refused at once
		late    []error          // of what is taken over
		want    error
		partial uint64
	}{
		{"all well", nil, []error{nil, nil, nil}, nil, 0},
		{"one fails late", nil, []error{nil, broken, nil}, broken, 1},
		{"first fails late", nil, []error{denied, nil, nil}, denied, 1},
		{"two fail late", nil, []error{nil, denied, broken}, denied, 1},
		{"one at once", map[string]error{"2": denied}, []error{nil, nil}, denied, 1},
		{"one at once, one late", map[string]error{"2": denied}, []error{broken, nil}, broken, 1},
	} {
		for _, backwards := range []bool{false, true} {
			t.Run(fmt.Sprint(tc.name, backwards), func(t *testing.T) {
				k, ta := newTxKit(t, broker.TransactionsConfig{}), new(taker)
				c := k.client()
				k.answer = func(ctx context.Context, m message.Raw) error {
					if err := tc.sync[string(m.Payload)]; err != nil {
						return err
					}
					return ta.take(ctx, m)
				}
				k.filled(c, "t", "1", "2", "3")
				r := k.as(inTx(message.KindCommit, c, "t", ""), message.Handled)
				k.want("1", "2", "3")
				order := make([]int, len(tc.late))
				for i := range order {
					order[i] = i
				}
				if backwards {
					slices.Reverse(order)
				}
				for _, i := range order {
					r.want(t, false, nil)
					ta.taken[i].Done.Release(tc.late[i])
				}
				r.want(t, true, tc.want)
				if r.err != nil && message.Public(r.err).Code != message.Public(tc.want).Code {
					t.Errorf("the client is told %v, want %v", message.Public(r.err), tc.want)
				}
				k.wantStats(broker.TransactionsStats{Committed: 1, Partial: tc.partial})
			})
		}
	}
}

// TestTransactionsWithoutReceipts: when nobody waits for the COMMIT, who takes its
// messages over knows that nobody waits for them.
func TestTransactionsWithoutReceipts(t *testing.T) {
	k := newTxKit(t, broker.TransactionsConfig{})
	c := k.client()
	k.answer = func(_ context.Context, m message.Raw) error {
		if m.Done != nil {
			t.Error("a message has a completion")
		}
		return nil
	}
	k.filled(c, "t")
	k.as(inTx(message.KindData, c, "t", ""), message.Handled).want(t, true, nil)
	k.must(k.commit(c, "t"))
}

// TestTransactionsSideBySide: messages of one session on many goroutines. What was
// taken is handed on once, in its order, unless its transaction was given up.
func TestTransactionsSideBySide(t *testing.T) {
	k := newTxKit(t, broker.TransactionsConfig{MaxMessages: -1, MaxBytes: -1})
	c := k.client()
	var wg sync.WaitGroup
	var taken [4][]string
	for i := range taken {
		id := fmt.Sprint("t", i)
		sent := make(chan struct{})
		wg.Go(func() {
			for n := range 400 {
				payload := fmt.Sprintf("%d %d", i, n)
				if err := k.sendIn(c, id, payload); err == nil {
					taken[i] = append(taken[i], payload)
				}
			}
			close(sent)
		})
		wg.Go(func() {
			for {
				_ = k.begin(c, id)
				runtime.Gosched()
				_ = k.commit(c, id)
				select {
				case <-sent:
					return
				default:
				}
			}
		})
		wg.Go(func() {
			for range 100 {
				_ = k.begin(c, "both")
				_ = k.sendIn(c, "both", "x")
				_ = k.abort(c, "both")
				other := newClient("")
				_ = k.do(message.Raw{Kind: message.KindConnect, Session: other.Session})
				var end sync.WaitGroup
				end.Go(func() { _ = k.begin(other, "t"); _ = k.sendIn(other, "t", "x") })
				end.Go(func() { _ = k.disconnect(other) })
				end.Wait()
			}
		})
	}
	wg.Wait()
	var passed [len(taken)][]string
	for _, payload := range k.take() {
		if payload == "x" {
			t.Fatal("a message was handed on without a COMMIT")
		}
		i := payload[0] - '0'
		passed[i] = append(passed[i], payload)
	}
	for i := range taken {
		if !slices.Equal(passed[i], taken[i]) {
			t.Errorf("%d messages were taken, %d handed on, or in another order", len(taken[i]), len(passed[i]))
		}
	}
	k.must(k.disconnect(c))
	if s := k.tx.Stats(); s.Open != 0 || s.Messages != 0 || s.Bytes != 0 {
		t.Errorf("left behind: %+v", s)
	}
}

// TestTransactionsPassAllocations: who sends in no transaction does not notice.
func TestTransactionsPassAllocations(t *testing.T) {
	if raceEnabled {
		return // the race detector allocates
	}
	tx := broker.NewTransactions(broker.TransactionsConfig{})
	h := tx.Intercept(message.HandlerFunc[[]byte](func(context.Context, message.Raw) error { return nil }))
	m := message.Raw{
		Session: newClient("").Session, Destination: "/topic/a", Payload: []byte("x"),
		Header: message.NewHeader(message.Field{Name: message.HeaderContentType, Value: "text/plain"}),
	}
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() { _ = h.Handle(ctx, m) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
