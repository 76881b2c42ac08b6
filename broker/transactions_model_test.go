package broker_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
)

const (
	modelOpen     = 2
	modelMessages = 3
	modelBytes    = 1600
)

// txModel is what the stage is compared with: lists of payloads. What a payload
// begins with says what becomes of its message:
//
//	h handled    s stored, which suffices    r refused
//	l taken over and handled later           f taken over and failed later
type txModel struct {
	*txKit
	taker
	clients []*txClient
	step    int
	late    []*txLate // of each message in taker
	all     []*receipt
	stats   broker.TransactionsStats
}

// txClient is what a client knows of himself.
type txClient struct {
	*client
	connected bool
	open      map[string][]string // payloads by id
}

// txLate is a COMMIT some of whose messages were taken over.
type txLate struct {
	receipt *receipt
	left    int
	failed  bool
}

var errModel = message.Errorf(message.CodeDenied, "denied")

func newTxModel(t *testing.T) *txModel {
	m := &txModel{
		txKit:   newTxKit(t, broker.TransactionsConfig{MaxOpen: modelOpen, MaxMessages: modelMessages, MaxBytes: modelBytes}),
		clients: []*txClient{{client: newClient("")}, {client: newClient("")}},
	}
	m.answer = func(ctx context.Context, msg message.Raw) error {
		switch msg.Payload[0] {
		case 's':
			msg.Done.Suffice(message.Stored)
			msg.Done.Reached(message.Stored)
		case 'r':
			return errModel
		case 'l', 'f':
			return m.taker.take(ctx, msg)
		}
		return nil
	}
	return m
}

func (m *txModel) client(t *rapid.T) *txClient { return rapid.SampledFrom(m.clients).Draw(t, "client") }

func drawID(t *rapid.T) string { return rapid.SampledFrom([]string{"a", "b", "cc"}).Draw(t, "id") }

func (c *txClient) bytes() int {
	n := 0
	for id, payloads := range c.open {
		n += 256 + len(id)
		for _, p := range payloads {
			n += 256 + len("/topic/a") + len(p)
		}
	}
	return n
}

// handle sends msg and compares what its receipt says, at once or not yet, and what
// was handed on.
func (m *txModel) handle(t *rapid.T, msg message.Raw, code message.Code, later bool, passed ...string) *receipt {
	m.step++
	r := m.as(msg, message.Handled)
	m.all = append(m.all, r)
	if n := r.told.Load(); (n == 1) == later {
		t.Fatalf("%s was told %d times", msg.Kind, n)
	}
	if got := message.Public(r.err); (got == nil) != (code == "") || got != nil && got.Code != code {
		t.Fatalf("%s: %v, want code %q", msg.Kind, r.err, code)
	}
	if got := m.txKit.take(); !slices.Equal(got, passed) && len(got)+len(passed) > 0 {
		t.Fatalf("%q were handed on, want %q", got, passed)
	}
	return r
}

func (m *txModel) connect(t *rapid.T) {
	c := m.client(t)
	if !c.connected {
		c.connected, c.open = true, map[string][]string{}
		m.handle(t, message.Raw{Kind: message.KindConnect, Session: c.Session}, "", false)
	}
}

func (m *txModel) disconnect(t *rapid.T) {
	c := m.client(t)
	m.stats.Abandoned += uint64(len(c.open))
	c.connected, c.open = false, nil
	m.handle(t, message.Raw{Kind: message.KindDisconnect, Session: c.Session}, "", false)
}

func (m *txModel) begin(t *rapid.T) {
	c, id := m.client(t), drawID(t)
	_, open := c.open[id]
	var code message.Code
	switch {
	case !c.connected:
		code = message.CodeInvalid
	case open:
		code = message.CodeConflict
	case len(c.open) == modelOpen, c.bytes()+256+len(id) > modelBytes:
		code = message.CodeFull
	default:
		c.open[id] = nil
	}
	m.handle(t, inTx(message.KindBegin, c.client, id, ""), code, false)
}

func (m *txModel) send(t *rapid.T) {
	c, id := m.client(t), drawID(t)
	kind := rapid.SampledFrom([]message.Kind{message.KindData, message.KindAck, message.KindNack}).Draw(t, "kind")
	becomes := rapid.SampledFrom([]string{"h", "h", "s", "r", "l", "f"}).Draw(t, "becomes")
	payload := fmt.Sprint(becomes, m.step, strings.Repeat("x", rapid.SampledFrom([]int{0, 0, 300}).Draw(t, "more")))
	payloads, open := c.open[id]
	var code message.Code
	switch {
	case !open:
		code = message.CodeNotFound
	case len(payloads) == modelMessages, c.bytes()+256+len("/topic/a")+len(payload) > modelBytes:
		code = message.CodeFull
		delete(c.open, id)
		m.stats.Overflowed++
	default:
		c.open[id] = append(payloads, payload)
	}
	m.handle(t, inTx(kind, c.client, id, payload), code, false)
}

func (m *txModel) abort(t *rapid.T) {
	c, id := m.client(t), drawID(t)
	code := message.CodeNotFound
	if _, open := c.open[id]; open {
		code = ""
		delete(c.open, id)
		m.stats.Aborted++
	}
	m.handle(t, inTx(message.KindAbort, c.client, id, ""), code, false)
}

func (m *txModel) commit(t *rapid.T) {
	c, id := m.client(t), drawID(t)
	msg := inTx(message.KindCommit, c.client, id, "")
	payloads, open := c.open[id]
	delete(c.open, id)
	switch {
	case !open:
		m.handle(t, msg, message.CodeNotFound, false)
		return
	case len(payloads) > 0 && payloads[0][0] == 'r':
		m.stats.Refused++
		m.handle(t, msg, errModel.Code, false, payloads[0])
		return
	}
	m.stats.Committed++
	late := new(txLate)
	for _, p := range payloads {
		switch p[0] {
		case 'r':
			late.failed = true
		case 'l', 'f':
			late.left++
			m.late = append(m.late, late)
		}
	}
	var code message.Code
	if late.left == 0 && late.failed {
		m.stats.Partial++
		code = errModel.Code
	}
	late.receipt = m.handle(t, msg, code, late.left > 0, payloads...)
}

// settle ends one of the messages that were taken over.
func (m *txModel) settle(t *rapid.T) {
	if len(m.taken) == 0 {
		return
	}
	i := rapid.IntRange(0, len(m.taken)-1).Draw(t, "which")
	taken, late := m.taken[i], m.late[i]
	m.taken, m.late = slices.Delete(m.taken, i, i+1), slices.Delete(m.late, i, i+1)
	var err error
	if taken.Payload[0] == 'f' {
		err, late.failed = errModel, true
	}
	if late.left--; late.left == 0 && late.failed {
		m.stats.Partial++
	}
	taken.Done.Release(err)
	if told := late.receipt.told.Load(); (told == 1) != (late.left == 0) || told == 1 && (late.receipt.err != nil) != late.failed {
		t.Fatalf("%d messages are left, failed %v; the COMMIT was told %d times, %v", late.left, late.failed, told, late.receipt.err)
	}
}

// check compares what the stage has with what there should be.
func (m *txModel) check(t *rapid.T) {
	want := m.stats
	for _, c := range m.clients {
		want.Open += len(c.open)
		want.Bytes += c.bytes()
		for _, payloads := range c.open {
			want.Messages += len(payloads)
		}
	}
	if got := m.tx.Stats(); got != want {
		t.Fatalf("stats %+v, want %+v", got, want)
	}
}

// TestTransactionsAgainstModel: two sessions send whatever in whatever order.
func TestTransactionsAgainstModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := newTxModel(t)
		rt.Repeat(map[string]func(*rapid.T){
			"":           m.check,
			"connect":    m.connect,
			"disconnect": m.disconnect,
			"begin":      m.begin,
			"begin too":  m.begin, // weights
			"send":       m.send,
			"send too":   m.send,
			"send three": m.send,
			"commit":     m.commit,
			"commit too": m.commit,
			"abort":      m.abort,
			"settle":     m.settle,
			"settle too": m.settle,
		})
		for len(m.taken) > 0 {
			m.settle(rt)
		}
		for _, r := range m.all {
			if n := r.told.Load(); n != 1 {
				rt.Fatalf("told %d times", n)
			}
		}
	})
}
