package headrace_test

import (
	"testing"
	"time"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
)

// eachSmall runs a test with a client that speaks JSON and with one that listens to
// events.
func eachSmall(t *testing.T, test func(t *testing.T, dial func() small)) {
	config := headrace.Config{Rules: []broker.Rule{
		{Prefix: "/queue", Mode: broker.Queue, Acks: broker.Acks{Prefetch: 2, Backoff: time.Millisecond, MaxDeliveries: 3, DeadLetter: "/topic/dead"}},
		{Prefix: "/topic/kept", History: broker.History{Messages: 10}},
	}}
	t.Run("JSON", func(t *testing.T) {
		s := serveSmall(t, config)
		test(t, func() small { return s.objects() })
	})
	t.Run("events", func(t *testing.T) {
		s := serveSmall(t, config)
		test(t, func() small { return s.events() })
	})
}

// wantDone checks the answer to a request that is taken.
func wantDone(t *testing.T, m told) {
	t.Helper()
	if m.Type != "receipt" {
		t.Fatalf("got %+v, want a receipt", m)
	}
}

// wantRefused checks the answer to one that is not.
func wantRefused(t *testing.T, m told, code message.Code) {
	t.Helper()
	if m.Code != string(code) || m.Receipt == "" {
		t.Fatalf("got %+v, want %s", m, code)
	}
}

// wantText checks the next message and returns what it is acknowledged by.
func wantText(t *testing.T, c small, text, deliveries string) (ack string) {
	t.Helper()
	m := c.next()
	if m.Type != "message" || m.text() != text || m.Header[message.HeaderDeliveries] != deliveries {
		t.Fatalf("got %+v, want %q, delivery %q", m, text, deliveries)
	}
	return m.Header[message.HeaderAck]
}

// Clients of the small adapters take part in a queue: what they acknowledge is done
// with, what they refuse comes again and is a dead letter in the end, and what they
// leave is another's.
func TestSmallClientsAcknowledge(t *testing.T) {
	eachSmall(t, func(t *testing.T, dial func() small) {
		individual := map[string]string{"ack": "client-individual"}
		c, dead := dial(), dial()
		wantDone(t, dead.do("subscribe", "d", "/topic/dead", "", nil))
		wantDone(t, c.do("subscribe", "1", "/queue/jobs", "", individual))
		for _, job := range []string{"a", "b", "c"} {
			wantDone(t, c.do("send", "", "/queue/jobs", job, nil))
		}
		a, b := wantText(t, c, "a", ""), wantText(t, c, "b", "")
		wantDone(t, c.do("ack", b, "", "", map[string]string{message.HeaderAck: a})) // which counts for nothing
		wantText(t, c, "c", "")                                                      // there is room again
		wantRefused(t, c.do("ack", b, "", "", nil), message.CodeNotFound)
		wantRefused(t, c.do("nack", "nothing", "", "", nil), message.CodeNotFound)
		wantDone(t, c.do("nack", a, "", "", nil))
		a = wantText(t, c, "a", "2")
		wantDone(t, c.do("nack", a, "", "", nil))
		a = wantText(t, c, "a", "3")
		wantDone(t, c.do("nack", a, "", "", nil))
		if m := dead.next(); m.text() != "a" || m.Header[message.HeaderDeadFrom] != "/queue/jobs" || m.Header[message.HeaderAck] != "" {
			t.Errorf("the dead letter is %+v", m)
		}
		wantDone(t, c.do("disconnect", "", "", "", nil))
		wantDone(t, dead.do("subscribe", "1", "/queue/jobs", "", map[string]string{"ack": "client"}))
		rest := wantText(t, dead, "c", "2")
		wantDone(t, dead.do("ack", rest, "", "", nil))
		wantRefused(t, dead.do("subscribe", "2", "/queue/jobs", "", map[string]string{"selector": "a = 1"}), message.CodeInvalid)
	})
}

// They send and acknowledge in transactions.
func TestSmallClientsCommit(t *testing.T) {
	eachSmall(t, func(t *testing.T, dial func() small) {
		in := func(id string) map[string]string { return map[string]string{"transaction": id} }
		c, other := dial(), dial()
		wantDone(t, other.do("subscribe", "1", "/topic/news", "", nil))
		wantDone(t, c.do("subscribe", "1", "/queue/jobs", "", map[string]string{"ack": "client-individual"}))
		wantDone(t, c.do("send", "", "/queue/jobs", "job", nil))
		job := wantText(t, c, "job", "")
		wantDone(t, c.do("begin", "t", "", "", nil))
		wantRefused(t, c.do("begin", "t", "", "", nil), message.CodeConflict)
		wantDone(t, c.do("send", "", "/topic/news", "in t", in("t")))
		wantDone(t, c.do("ack", job, "", "", in("t")))
		wantDone(t, c.do("begin", "u", "", "", nil))
		wantDone(t, c.do("send", "", "/topic/news", "in u", in("u")))
		wantDone(t, c.do("send", "", "/topic/news", "outside", nil))
		wantText(t, other, "outside", "")
		wantDone(t, c.do("abort", "u", "", "", nil))
		wantRefused(t, c.do("commit", "u", "", "", nil), message.CodeNotFound)
		wantRefused(t, c.do("send", "", "/topic/news", "x", in("u")), message.CodeNotFound)
		wantDone(t, c.do("commit", "t", "", "", nil))
		m := other.next()
		if _, told := m.Header["transaction"]; m.text() != "in t" || told {
			t.Errorf("got %+v", m)
		}
		wantRefused(t, c.do("ack", job, "", "", nil), message.CodeNotFound) // it was, in t
		wantDone(t, c.do("begin", "v", "", "", nil))
		wantDone(t, c.do("send", "", "/topic/news", "in v", in("v")))
		wantDone(t, c.do("disconnect", "", "", "", nil)) // which aborts v
		wantDone(t, other.do("send", "", "/topic/news", "last", nil))
		wantText(t, other, "last", "")
	})
}

// They resume, and see what brokers say of a message.
func TestSmallClientsResume(t *testing.T) {
	eachSmall(t, func(t *testing.T, dial func() small) {
		const dest = "/topic/kept/news"
		c := dial()
		wantDone(t, c.do("subscribe", "1", dest, "", map[string]string{message.HeaderOffset: "0", "hr-other": "x"}))
		if m := c.next(); m.Header[message.HeaderRecovered] != "false" || m.Header[message.HeaderOffset] != "0" || len(m.Payload) > 0 {
			t.Errorf("the answer is %+v", m)
		}
		wantDone(t, c.do("send", "", dest, "1", nil))
		m := c.next()
		at := map[string]string{message.HeaderOffset: m.Header[message.HeaderOffset], message.HeaderEpoch: m.Header[message.HeaderEpoch]}
		wantDone(t, c.do("disconnect", "", "", "", nil))
		c = dial()
		wantDone(t, c.do("send", "", dest, "2", nil))
		wantDone(t, c.do("subscribe", "1", dest, "", at))
		if m := c.next(); m.Header[message.HeaderRecovered] != "true" {
			t.Errorf("the answer is %+v", m)
		}
		wantText(t, c, "2", "")
		wantRefused(t, c.do("subscribe", "2", dest, "", map[string]string{message.HeaderOffset: "x"}), message.CodeInvalid)
	})
}
