package broker_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
)

// txKit is a stage with somebody behind it who notes what comes, and can be told what
// to do with it.
type txKit struct {
	ops
	tx *broker.Transactions

	mu     sync.Mutex
	got    []message.Raw
	ctxs   []context.Context
	answer func(ctx context.Context, m message.Raw) error // nil: all is well
}

func newTxKit(t *testing.T, config broker.TransactionsConfig) *txKit {
	k := &txKit{tx: broker.NewTransactions(config)}
	k.ops = ops{t, k.tx.Intercept(message.HandlerFunc[[]byte](k.next))}
	return k
}

func (k *txKit) next(ctx context.Context, m message.Raw) error {
	if m.Kind == message.KindConnect || m.Kind == message.KindDisconnect {
		return nil
	}
	k.mu.Lock()
	k.got, k.ctxs = append(k.got, m), append(k.ctxs, ctx)
	k.mu.Unlock()
	if k.answer == nil {
		return nil
	}
	return k.answer(ctx, m)
}

// client returns one that is connected.
func (k *txKit) client() *client {
	c := newClient("")
	k.connect(c)
	return c
}

func inTx(k message.Kind, c *client, id, payload string) message.Raw {
	return message.Raw{
		Kind: k, Session: c.Session, Destination: "/topic/a", Payload: []byte(payload),
		Header: message.NewHeader(message.Field{Name: message.HeaderTransaction, Value: id}),
	}
}

func (k *txKit) begin(c *client, id string) error  { return k.do(inTx(message.KindBegin, c, id, "")) }
func (k *txKit) commit(c *client, id string) error { return k.do(inTx(message.KindCommit, c, id, "")) }
func (k *txKit) abort(c *client, id string) error  { return k.do(inTx(message.KindAbort, c, id, "")) }
func (k *txKit) sendIn(c *client, id, payload string) error {
	return k.do(inTx(message.KindData, c, id, payload))
}

// filled opens a transaction and sends these payloads in it.
func (k *txKit) filled(c *client, id string, payloads ...string) {
	k.t.Helper()
	k.must(k.begin(c, id))
	for _, p := range payloads {
		k.must(k.sendIn(c, id, p))
	}
}

// take returns the payloads that came since the last call.
func (k *txKit) take() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	payloads := []string{}
	for _, m := range k.got {
		payloads = append(payloads, string(m.Payload))
	}
	k.got = nil
	return payloads
}

func (k *txKit) want(payloads ...string) {
	k.t.Helper()
	if got := k.take(); !slices.Equal(got, payloads) && len(got)+len(payloads) > 0 {
		k.t.Errorf("%q were handed on, want %q", got, payloads)
	}
}

func (k *txKit) wantStats(want broker.TransactionsStats) {
	k.t.Helper()
	if got := k.tx.Stats(); got != want {
		k.t.Errorf("stats %+v, want %+v", got, want)
	}
}

// fails answers the messages of these payloads with an error.
func fails(errs map[string]error) func(context.Context, message.Raw) error {
	return func(_ context.Context, m message.Raw) error { return errs[string(m.Payload)] }
}

// TestTransactions: what was sent in a transaction comes at the COMMIT, in its order,
// and as if it had been sent then.
func TestTransactions(t *testing.T) {
	k := newTxKit(t, broker.TransactionsConfig{})
	kim, lee := k.client(), k.client()
	k.filled(kim, "t", "1")
	k.filled(lee, "t", "lee's")
	k.filled(kim, "u", "u1")
	k.must(k.do(message.Raw{Kind: message.KindAck, Session: kim.Session, Subscription: "s", Header: message.NewHeader(
		message.Field{Name: message.HeaderTransaction, Value: "t"},
		message.Field{Name: message.HeaderAck, Value: "7"},
		message.Field{Name: message.HeaderTransaction, Value: "again"},
	)}))
	k.must(k.do(inTx(message.KindNack, kim, "t", "3")))
	k.must(k.do(message.Raw{Destination: "/topic/a", Session: kim.Session, Payload: []byte("beside")}))
	k.want("beside")
	k.must(k.sendIn(kim, "t", "4"))

	k.must(k.commit(kim, "t"))
	for i, m := range k.got {
		if want := []message.Kind{message.KindData, message.KindAck, message.KindNack, message.KindData}[i]; m.Kind != want {
			t.Errorf("message %d is %s, want %s", i, m.Kind, want)
		}
		if _, ok := m.Header.Lookup(message.HeaderTransaction); ok || m.Session != kim.Session {
			t.Errorf("message %d: %v", i, m)
		}
	}
	if ack := k.got[1]; ack.Subscription != "s" || ack.Header.Get(message.HeaderAck) != "7" || k.got[0].Destination != "/topic/a" {
		t.Errorf("got %v", k.got)
	}
	k.want("1", "", "3", "4")

	wantCode(t, k.commit(kim, "t"), message.CodeNotFound)
	k.must(k.abort(kim, "u"))
	wantCode(t, k.commit(kim, "u"), message.CodeNotFound)
	k.want()
	k.must(k.commit(lee, "t"))
	k.want("lee's")
	k.filled(kim, "t", "ids come again")
	k.must(k.commit(kim, "t"))
	k.want("ids come again")
	k.filled(kim, "empty")
	k.must(k.commit(kim, "empty"))
	k.want()
	k.wantStats(broker.TransactionsStats{Committed: 4, Aborted: 1})
}

// TestTransactionsPass: what is not of a transaction goes on as it is.
func TestTransactionsPass(t *testing.T) {
	k := newTxKit(t, broker.TransactionsConfig{})
	c := k.client()
	header := message.NewHeader(message.Field{Name: "a", Value: "b"})
	done := message.NewCompletion(message.Handled, func(error) {})
	for _, m := range []message.Raw{
		{Kind: message.KindData, Session: c.Session},
		{Kind: message.KindData}, // the application's
		{Kind: message.KindAck, Session: c.Session},
		{Kind: message.KindNack, Session: c.Session},
		inTx(message.KindSubscribe, c, "t", "these are in no transaction"),
		inTx(message.KindUnsubscribe, c, "t", ""),
		{Kind: message.KindError, Session: c.Session},
	} {
		if m.Header.Len() == 0 {
			m.Header = header
		}
		m.Done = done
		k.answer = func(ctx context.Context, got message.Raw) error {
			if got.Kind != m.Kind || !got.Header.Same(m.Header) || got.Done != done || ctx != t.Context() {
				t.Errorf("%s came as %v", m.Kind, got)
			}
			return io.EOF
		}
		if err := k.do(m); err != io.EOF {
			t.Errorf("%s: %v", m.Kind, err)
		}
	}
	k.wantStats(broker.TransactionsStats{})
}

func TestTransactionsRefuse(t *testing.T) {
	k := newTxKit(t, broker.TransactionsConfig{})
	c := k.client()
	k.filled(c, "open")
	other, stranger, nobody := k.client(), newClient(""), &client{}
	for _, tc := range []struct {
		name string
		m    message.Raw
		code message.Code
	}{
		{"BEGIN of an open one", inTx(message.KindBegin, c, "open", ""), message.CodeConflict},
		{"BEGIN without an id", message.Raw{Kind: message.KindBegin, Session: c.Session}, message.CodeInvalid},
		{"BEGIN with an empty id", inTx(message.KindBegin, c, "", ""), message.CodeInvalid},
		{"BEGIN without a session", inTx(message.KindBegin, nobody, "t", ""), message.CodeInvalid},
		{"BEGIN before CONNECT", inTx(message.KindBegin, stranger, "t", ""), message.CodeInvalid},
		{"SEND to an unknown one", inTx(message.KindData, c, "t", ""), message.CodeNotFound},
		{"ACK in an unknown one", inTx(message.KindAck, c, "t", ""), message.CodeNotFound},
		{"NACK in an unknown one", inTx(message.KindNack, c, "t", ""), message.CodeNotFound},
		{"SEND to another session's", inTx(message.KindData, other, "open", ""), message.CodeNotFound},
		{"SEND with an empty id", inTx(message.KindData, c, "", ""), message.CodeInvalid},
		{"SEND without a session", inTx(message.KindData, nobody, "open", ""), message.CodeInvalid},
		{"SEND before CONNECT", inTx(message.KindData, stranger, "open", ""), message.CodeNotFound},
		{"COMMIT of an unknown one", inTx(message.KindCommit, c, "t", ""), message.CodeNotFound},
		{"COMMIT of another session's", inTx(message.KindCommit, other, "open", ""), message.CodeNotFound},
		{"COMMIT without an id", message.Raw{Kind: message.KindCommit, Session: c.Session}, message.CodeInvalid},
		{"COMMIT without a session", inTx(message.KindCommit, nobody, "open", ""), message.CodeInvalid},
		{"ABORT of an unknown one", inTx(message.KindAbort, c, "t", ""), message.CodeNotFound},
		{"ABORT of another session's", inTx(message.KindAbort, other, "open", ""), message.CodeNotFound},
		{"ABORT without an id", message.Raw{Kind: message.KindAbort, Session: c.Session}, message.CodeInvalid},
	} {
		t.Run(tc.name, func(t *testing.T) { wantCode(t, k.do(tc.m), tc.code) })
	}
	k.must(k.sendIn(c, "open", "still there"))
	k.must(k.commit(c, "open"))
	k.want("still there")
	k.wantStats(broker.TransactionsStats{Committed: 1})
}

// TestTransactionsAreAtomic: a refusal of the first message is one of all; after it
// nothing holds the others up.
func TestTransactionsAreAtomic(t *testing.T) {
	denied, missing := message.Errorf(message.CodeDenied, "denied"), message.Errorf(message.CodeNotFound, "missing")
	broken := errors.New("disk on fire")
	caused := missing.WithCause(broken)
	for _, tc := range []struct {
		name   string
		errs   map[string]error
		passed string
		public *message.Error // nil where all is well
		causes []error        // what the log finds
		text   string         // and reads
		stats  broker.TransactionsStats
	}{
		{"all well", nil, "123", nil, nil, "", broker.TransactionsStats{Committed: 1}},
		{"first refused", map[string]error{"1": denied, "2": missing}, "1", denied, []error{denied}, "denied", broker.TransactionsStats{Refused: 1}},
		{"first fails", map[string]error{"1": broken}, "1", &message.Error{Code: message.CodeInternal, Message: "internal error"}, []error{broken}, "fire", broker.TransactionsStats{Refused: 1}},
		{"first dropped", map[string]error{"1": message.ErrDropped}, "1", message.Public(message.ErrDropped), []error{message.ErrDropped}, "", broker.TransactionsStats{Refused: 1}},
		{"second refused", map[string]error{"2": denied}, "123", denied, []error{denied}, "denied", broker.TransactionsStats{Committed: 1, Partial: 1}},
		{"two refused", map[string]error{"2": denied, "3": missing}, "123", denied, []error{denied, missing}, "missing", broker.TransactionsStats{Committed: 1, Partial: 1}},
		{"refused, then failed", map[string]error{"2": denied, "3": broken}, "123", denied, []error{denied, broken}, "fire", broker.TransactionsStats{Committed: 1, Partial: 1}},
		{"refused, then failed and authored", map[string]error{"2": denied, "3": caused}, "123", denied, []error{denied, broken}, "fire", broker.TransactionsStats{Committed: 1, Partial: 1}},
		{"failed, then refused", map[string]error{"2": broken, "3": denied}, "123", &message.Error{Code: message.CodeInternal, Message: "internal error"}, []error{denied, broken}, "fire", broker.TransactionsStats{Committed: 1, Partial: 1}},
		{"dropped, then refused", map[string]error{"2": message.ErrDropped, "3": denied}, "123", denied, []error{denied}, "denied", broker.TransactionsStats{Committed: 1, Partial: 1}},
		{"dropped", map[string]error{"2": message.ErrDropped, "3": message.ErrDropped}, "123", message.Public(message.ErrDropped), []error{message.ErrDropped}, "", broker.TransactionsStats{Committed: 1, Partial: 1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			k := newTxKit(t, broker.TransactionsConfig{})
			c := k.client()
			k.answer = fails(tc.errs)
			k.filled(c, "t", "1", "2", "3")
			err := k.commit(c, "t")
			k.want(strings.Split(tc.passed, "")...)
			k.wantStats(tc.stats)
			wantCode(t, k.commit(c, "t"), message.CodeNotFound)
			if public := message.Public(err); (public == nil) != (tc.public == nil) || public != nil && *public != *tc.public {
				t.Fatalf("the client is told %v, want %v", public, tc.public)
			}
			for _, cause := range tc.causes {
				if !errors.Is(err, cause) {
					t.Errorf("%v is not in %v", cause, err)
				}
			}
			if err != nil && !strings.Contains(err.Error(), tc.text) {
				t.Errorf("the log says %q, want %q", err, tc.text)
			}
			// What was only refused is the client's matter; with a fault of ours in
			// it, it is ours. The exchange tells them apart like this.
			clients := err == nil
			if e, ok := errors.AsType[*message.Error](err); ok {
				clients = e.Unwrap() == nil
			}
			if fault := slices.ContainsFunc(tc.causes, func(c error) bool { return c == broken }); fault == clients || fault && errors.Is(err, message.ErrDropped) {
				t.Errorf("a fault of ours: %v, but it looks like one of the client's: %v", fault, clients)
			}
		})
	}
}

// TestTransactionsRecover: a panic is the error of its message.
func TestTransactionsRecover(t *testing.T) {
	k := newTxKit(t, broker.TransactionsConfig{})
	c := k.client()
	k.answer = func(_ context.Context, m message.Raw) error {
		if string(m.Payload) == "bad" {
			panic("bad")
		}
		return nil
	}
	k.filled(c, "t", "1", "bad", "3")
	err := k.commit(c, "t")
	if p, ok := errors.AsType[*message.PanicError](err); !ok || p.Value != "bad" {
		t.Errorf("error %v", err)
	}
	k.want("1", "bad", "3")
	k.filled(c, "t", "bad", "2")
	if err := k.commit(c, "t"); err == nil {
		t.Error("committed")
	}
	k.want("bad")
	k.wantStats(broker.TransactionsStats{Committed: 1, Partial: 1, Refused: 1})
}

func TestTransactionsBoundCounts(t *testing.T) {
	for _, tc := range []struct {
		name       string
		config     broker.TransactionsConfig
		open, held int
	}{
		{"default", broker.TransactionsConfig{MaxBytes: -1}, 16, 256},
		{"set", broker.TransactionsConfig{MaxOpen: 2, MaxMessages: 3}, 2, 3},
	} {
		t.Run(tc.name, func(t *testing.T) {
			k := newTxKit(t, tc.config)
			c, other := k.client(), k.client()
			for i := range tc.open {
				k.must(k.begin(c, fmt.Sprint(i)))
			}
			wantCode(t, k.begin(c, "one more"), message.CodeFull)
			k.must(k.begin(other, "its own"))
			wantCode(t, k.commit(c, "one more"), message.CodeNotFound)
			for range tc.held {
				k.must(k.sendIn(c, "0", "x"))
			}
			k.must(k.sendIn(c, "1", "another one"))
			wantCode(t, k.sendIn(c, "0", "x"), message.CodeFull)
			wantCode(t, k.sendIn(c, "0", "x"), message.CodeNotFound)
			wantCode(t, k.commit(c, "0"), message.CodeNotFound)
			k.want()
			k.must(k.begin(c, "one more"))
			k.must(k.commit(c, "1"))
			k.want("another one")
			k.must(k.disconnect(c))
			k.must(k.disconnect(other))
			k.wantStats(broker.TransactionsStats{Committed: 1, Overflowed: 1, Abandoned: uint64(tc.open)})
		})
	}
}

// TestTransactionsBoundBytes: to the byte, for all transactions of a session
// together.
func TestTransactionsBoundBytes(t *testing.T) {
	all := func(k *txKit, c *client) []error {
		big := inTx(message.KindData, c, "b", strings.Repeat("x", 1000))
		big.Header = big.Header.With("name", "value")
		big.Subscription = "s"
		return []error{k.begin(c, "a"), k.sendIn(c, "a", "12345"), k.begin(c, "bb"), k.begin(c, "b"), k.do(big)}
	}
	// ids 1 + 2 + 1, payloads 5 + 1000, destinations 2 x 8, a subscription, a header
	const bytes = 5*256 + 4 + 1005 + 16 + 1 + 32 + len("name") + len("value")
	k := newTxKit(t, broker.TransactionsConfig{MaxBytes: bytes})
	c := k.client()
	if err := errors.Join(all(k, c)...); err != nil {
		t.Fatal(err)
	}
	k.wantStats(broker.TransactionsStats{Open: 3, Messages: 2, Bytes: bytes})
	if err := errors.Join(all(k, k.client())...); err != nil {
		t.Errorf("another session: %v", err)
	}
	wantCode(t, k.begin(c, "c"), message.CodeFull)
	wantCode(t, k.sendIn(c, "a", ""), message.CodeFull)
	wantCode(t, k.commit(c, "a"), message.CodeNotFound)
	k.must(k.begin(c, "c")) // there is room again
	k.must(k.commit(c, "b"))
	k.must(k.commit(c, "bb"))
	k.must(k.abort(c, "c"))
	k.wantStats(broker.TransactionsStats{Open: 3, Messages: 2, Bytes: bytes, Committed: 2, Aborted: 1, Overflowed: 1})

	k = newTxKit(t, broker.TransactionsConfig{MaxBytes: bytes - 1})
	c = k.client()
	errs := all(k, c)
	wantCode(t, errs[4], message.CodeFull)
	if err := errors.Join(errs[:4]...); err != nil {
		t.Error(err)
	}
	for range 3 { // what is over leaves all its room
		k.must(k.begin(c, "b"))
		wantCode(t, k.sendIn(c, "b", strings.Repeat("x", 1100)), message.CodeFull)
	}

	k = newTxKit(t, broker.TransactionsConfig{})
	c = k.client()
	k.must(k.begin(c, "t"))
	wantCode(t, k.sendIn(c, "t", strings.Repeat("x", 512<<10-256-1-256-8+1)), message.CodeFull)
	k.must(k.begin(c, "t"))
	k.must(k.sendIn(c, "t", strings.Repeat("x", 512<<10-256-1-256-8)))
	k.wantStats(broker.TransactionsStats{Open: 1, Messages: 1, Bytes: 512 << 10, Overflowed: 1})
	wantCode(t, k.begin(c, "u"), message.CodeFull)
}

func TestTransactionsWithoutBounds(t *testing.T) {
	k := newTxKit(t, broker.TransactionsConfig{MaxOpen: -1, MaxMessages: -1, MaxBytes: -1})
	c := k.client()
	for i := range 17 {
		k.must(k.begin(c, fmt.Sprint(i)))
	}
	for range 300 {
		k.must(k.sendIn(c, "0", strings.Repeat("x", 10_000)))
	}
}

// TestTransactionsOwnTheirMemory: a message that is held does not keep the frame that
// it came in.
func TestTransactionsOwnTheirMemory(t *testing.T) {
	const n, junk = 200, 64 << 10
	k := newTxKit(t, broker.TransactionsConfig{})
	c := k.client()
	k.must(k.begin(c, "t"))
	heap := heapAfter(func() {
		for range n {
			frame := strings.Clone("/topic/atransactiontnamevalue" + strings.Repeat("x", junk)) // all headers are one string
			k.must(k.do(message.Raw{Session: c.Session, Destination: frame[:8], Header: message.NewHeader(
				message.Field{Name: frame[8:19], Value: frame[19:20]},
				message.Field{Name: frame[20:24], Value: frame[24:29]},
			)}))
		}
	})
	if bytes := k.tx.Stats().Bytes; heap > 2*bytes {
		t.Errorf("%d bytes are held, and %d were counted", heap, bytes)
	}
	k.must(k.commit(c, "t"))
	if m := k.got[n-1]; m.Destination != "/topic/a" || m.Header.Len() != 1 || m.Header.Get("name") != "value" {
		t.Errorf("got %v", m)
	}
}
