package messagetest

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/headrace/headrace/message"
)

// messageIDs publishes from four goroutines: every delivery to a session has an id
// that none of its others has, whatever the sender wrote.
func messageIDs(s *trial) {
	const publishers, each = 4, 50
	a, b := s.consumer(s.topic("news"), ""), s.consumer(s.topic("news"), "")
	parallel(publishers, func(p int) {
		for i := range each {
			m := message.Raw{
				Destination: s.topic("news"),
				Header:      header(message.HeaderMessageID, "forged"),
				Payload:     []byte(stream{p, i}.String()),
			}
			if err := s.do(m, message.Stored); err != nil {
				s.t.Error(err)
			}
		}
	})
	for _, p := range []party{a, b} {
		seen := make(map[string]bool)
		for range publishers * each {
			id := p.next().Header.Get(message.HeaderMessageID)
			if id == "" || id == "forged" || seen[id] {
				s.t.Fatalf("a delivery has the message-id %q", id)
			}
			seen[id] = true
		}
	}
}

// contents publishes payloads and headers of all kinds.
func contents(s *trial) {
	var octets []byte
	for i := range 256 {
		octets = append(octets, byte(i))
	}
	p := s.consumer(s.topic("news"), "")
	sender := s.join()
	for name, m := range map[string]message.Raw{
		"empty":   {},
		"text":    {Payload: []byte("line\nline\r\n\x00 \"quoted\" \\ é 水 \u2028"), Header: header(message.HeaderContentType, "text/plain")},
		"binary":  {Payload: octets, Header: header(message.HeaderContentType, "application/octet-stream")},
		"64 KiB":  {Payload: []byte(strings.Repeat("0123456789abcdef", 64<<10/16))},
		"header":  {Header: header("colour", "red", "empty", "", "unicode é 水", "é 水", "signs", "a:b\\c\nd", "long", strings.Repeat("x", 2000))},
		"request": {Header: header(message.HeaderReplyTo, "/topic/answers", message.HeaderCorrelationID, "7")},
	} {
		for _, session := range []*message.Session{nil, sender.Session()} {
			m.Destination, m.Session = s.topic("news"), session
			payload := bytes.Clone(m.Payload)
			s.must(s.do(m, message.Stored))
			got := p.next()
			if !bytes.Equal(got.Payload, payload) {
				s.t.Errorf("%s: %d bytes came of %d: %.80q", name, len(got.Payload), len(payload), got.Payload)
			}
			if !bytes.Equal(m.Payload, payload) {
				s.t.Errorf("%s: the payload was written to", name)
			}
			for field, want := range m.Header.All() {
				if value, ok := got.Header.Lookup(field); !ok || value != want {
					s.t.Errorf("%s: the header %q is %.80q, want %.80q", name, field, value, want)
				}
			}
			if _, ok := got.Header.Lookup(message.HeaderAck); ok {
				s.t.Errorf("%s: a delivery that nobody acknowledges has an ack id", name)
			}
		}
	}
}

// receipts follows what messages of all kinds are told. The session may not
// outlive those that are refused: they come last.
func receipts(s *trial) {
	p, probe := s.join(), s.consumer(s.topic("news"), "")
	for _, tt := range []struct {
		name    string
		m       message.Raw
		refused bool
	}{
		{"subscribe", subscription(p.Session(), "", s.topic("other")), false},
		{"data", message.Raw{Session: p.Session(), Destination: s.topic("news"), Payload: []byte("text")}, false},
		{"data of the application", message.Raw{Destination: s.topic("news"), Payload: []byte("text")}, false},
		{"unsubscribe", message.Raw{Kind: message.KindUnsubscribe, Session: p.Session()}, false},
		{"connect again", message.Raw{Kind: message.KindConnect, Session: p.Session()}, true},
		{"an unknown kind", message.Raw{Kind: 200, Session: p.Session()}, true},
	} {
		for _, level := range []message.Level{message.Stored, message.Handled} {
			m := tt.m
			if m.Kind == message.KindSubscribe || m.Kind == message.KindUnsubscribe {
				m.Subscription = fmt.Sprint(level)
			}
			s.receipt(fmt.Sprintf("%s, level %d", tt.name, level), m, level, tt.refused)
		}
	}
	probe.want("text", "text", "text", "text")
}

// receipt sends m and compares what its completion is told with what became of it.
func (s *trial) receipt(name string, m message.Raw, level message.Level, refused bool) {
	s.t.Helper()
	var times, returned atomic.Int32
	told := make(chan error, 1)
	m.Done = message.NewCompletion(level, func(err error) {
		if level == message.Handled && err == nil && returned.Load() == 0 {
			s.t.Errorf("%s: told that it was handled while it was", name)
		}
		times.Add(1)
		told <- err
	})
	err := s.Handle(s.t.Context(), m)
	returned.Add(1)
	m.Done.Release(err)
	select {
	case got := <-told:
		if (got != nil) != refused || err != nil && !errors.Is(got, err) {
			s.t.Errorf("%s: told %v, while Handle returned %v; refused: want %t", name, got, err, refused)
		}
	case <-time.After(patience):
		s.t.Errorf("%s: told nothing for %v", name, patience)
	}
	if n := times.Load(); n != 1 {
		s.t.Errorf("%s: told %d times", name, n)
	}
}

// receiptOfSubscription publishes as soon as subscriptions and their ends are
// stored.
func receiptOfSubscription(s *trial) {
	p := s.join()
	for i := range 50 {
		id, text := p.Subscribe(s.topic("news")), strconv.Itoa(i)
		s.publish(s.topic("news"), text)
		p.want(text)
		p.Unsubscribe(id)
		s.publish(s.topic("news"), "nobody's")
	}
}

// refusals sends what no broker takes.
func refusals(s *trial) {
	for _, kind := range []message.Kind{message.KindConnected, message.KindError, 200} {
		s.refuse(fmt.Sprintf("a message of kind %d", kind), message.Raw{Kind: kind, Session: s.join().Session(), Destination: s.topic("news")})
	}
	s.refuse("an ack mode that does not exist", subscription(s.join().Session(), "1", s.topic("news"), message.HeaderAckMode, "sometimes"))
}

// undeclared asks for what the broker does not say it can. Nobody may believe that
// he got it.
func undeclared(s *trial) {
	for _, tt := range []struct {
		declared bool
		what     string
		m        message.Raw
	}{
		{s.features.Selectors, "a selector", subscription(nil, "1", s.topic("news"), message.HeaderSelector, "colour = 'red'")},
		{s.features.Patterns, "a pattern", subscription(nil, "1", s.topic("*"))},
		{s.features.Acks, "cumulative acknowledgements", subscription(nil, "1", s.topic("news"), message.HeaderAckMode, "client")},
		{s.features.Acks, "acknowledgements one by one", subscription(nil, "1", s.topic("news"), message.HeaderAckMode, "client-individual")},
		{s.features.Acks, "an acknowledgement", message.Raw{Kind: message.KindAck, Header: header(message.HeaderAck, "1")}},
		{s.features.Acks, "a refusal", message.Raw{Kind: message.KindNack, Header: header(message.HeaderAck, "1")}},
	} {
		if !tt.declared {
			tt.m.Session = s.join().Session()
			s.refuse(tt.what, tt.m)
		}
	}
	if s.features.History {
		return
	}
	p := s.join()
	err := s.do(subscription(p.Session(), "1", s.topic("news"), message.HeaderOffset, "1", message.HeaderEpoch, "x"), message.Stored)
	if err == nil && p.next().Header.Get(message.HeaderRecovered) != "false" { // the answer comes by itself
		s.t.Errorf("a resumption is neither refused nor answered with %s false", message.HeaderRecovered)
	}
}
