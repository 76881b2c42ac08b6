package message_test

import (
	"context"
	"errors"
	"io"
	"regexp"
	"sync"
	"testing"

	"github.com/headrace/headrace/message"
)

// sink keeps what it is told. It is ready as it is.
type sink struct {
	mu        sync.Mutex
	delivered []message.Raw
	closed    []error
	err       error // what Deliver returns
}

func (s *sink) Deliver(_ context.Context, m message.Raw) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.delivered = append(s.delivered, m)
	return s.err
}

func (s *sink) Close(reason error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = append(s.closed, reason)
}

// TestSessionID: 26 characters of base32 hold 130 bits, the last two of them 0.
func TestSessionID(t *testing.T) {
	form := regexp.MustCompile(`^[a-z2-7]{25}[aeimquy4]$`)
	seen := map[string]bool{}
	columns := make([]map[byte]bool, 26)
	for range 10_000 {
		id := message.NewSession(&sink{}, message.SessionInfo{}).ID()
		if !form.MatchString(id) || seen[id] {
			t.Fatalf("id %q: malformed or not unique", id)
		}
		seen[id] = true
		for i := range columns {
			if columns[i] == nil {
				columns[i] = map[byte]bool{}
			}
			columns[i][id[i]] = true
		}
	}
	for i, letters := range columns { // 10,000 draws see every letter of a random place
		want := 32
		if i == 25 {
			want = 8
		}
		if len(letters) != want {
			t.Errorf("place %d has %d letters, want %d: not all bits are random", i, len(letters), want)
		}
	}
}

func TestSessionInfo(t *testing.T) {
	type key struct{}
	ctx := context.WithValue(t.Context(), key{}, "handshake")
	attributes := map[string]any{"a": 1}
	s := message.NewSession(&sink{}, message.SessionInfo{
		Context: ctx, Principal: message.User("ann"), Attributes: attributes, Transport: "websocket", RemoteAddr: "192.0.2.1:7",
	})
	attributes["a"] = 2
	if s.Context() != ctx || s.Transport() != "websocket" || s.RemoteAddr() != "192.0.2.1:7" || s.User().Name() != "ann" {
		t.Errorf("session = %v %v %v %v", s.Context(), s.Transport(), s.RemoteAddr(), s.User())
	}
	if v, ok := s.Attribute("a"); v != 1 || !ok {
		t.Errorf("attribute = %v, %v: the map was not copied", v, ok)
	}
	s.SetAttribute("b", "new")
	if v, ok := s.Attribute("b"); v != "new" || !ok || len(attributes) != 1 {
		t.Errorf("attribute = %v, %v; the adapter's map has %d", v, ok, len(attributes))
	}
	s.SetUser(message.User("bob"))
	if s.User() != message.User("bob") {
		t.Errorf("user = %v after SetUser", s.User())
	}
}

func TestSessionZeroInfo(t *testing.T) {
	s := message.NewSession(&sink{}, message.SessionInfo{})
	if s.Context() != context.Background() || s.User() != nil || s.Reason() != nil {
		t.Errorf("session = %v, %v, %v", s.Context(), s.User(), s.Reason())
	}
	if v, ok := s.Attribute("a"); v != nil || ok {
		t.Errorf("attribute = %v, %v", v, ok)
	}
	s.SetAttribute("a", 1)
	if v, _ := s.Attribute("a"); v != 1 {
		t.Errorf("attribute = %v after SetAttribute", v)
	}
}

func TestSessionDeliver(t *testing.T) {
	to := &sink{err: io.ErrShortWrite}
	s := message.NewSession(to, message.SessionInfo{})
	if err := s.Deliver(t.Context(), message.Raw{Destination: "/d"}); err != io.ErrShortWrite {
		t.Errorf("err = %v, want the sink's", err)
	}
	if len(to.delivered) != 1 || to.delivered[0].Destination != "/d" {
		t.Errorf("delivered %v", to.delivered)
	}
}

func TestSessionClose(t *testing.T) {
	first := errors.New("first")
	for _, tt := range []struct {
		name    string
		reasons []error
		want    error
	}{
		{"orderly", []error{nil}, nil},
		{"with a reason", []error{first}, first},
		{"the first reason counts", []error{first, io.EOF, nil}, first},
		{"an orderly end stays one", []error{nil, io.EOF}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			to := &sink{}
			s := message.NewSession(to, message.SessionInfo{Context: t.Context()})
			select {
			case <-s.Done():
				t.Fatal("Done before Close")
			default:
			}
			for _, reason := range tt.reasons {
				s.Close(reason)
			}
			<-s.Done()
			if s.Reason() != tt.want || len(to.closed) != 1 || to.closed[0] != tt.want {
				t.Errorf("Reason = %v, the sink was told %v, want %v once", s.Reason(), to.closed, tt.want)
			}
			if s.Context().Err() != nil {
				t.Error("the session's context ended with the client")
			}
		})
	}
}

// closingSink looks at its session when it is closed.
type closingSink struct {
	sink
	session *message.Session
	reason  error
}

func (s *closingSink) Close(error) {
	<-s.session.Done()
	s.reason = s.session.Reason()
	s.session.Close(io.EOF)
}

// TestSessionCloseFromSink: the sink finds the session closed and may use it.
func TestSessionCloseFromSink(t *testing.T) {
	to := &closingSink{}
	to.session = message.NewSession(to, message.SessionInfo{})
	to.session.Close(io.ErrClosedPipe)
	if to.reason != io.ErrClosedPipe || to.session.Reason() != io.ErrClosedPipe {
		t.Errorf("the sink saw %v, Reason is %v", to.reason, to.session.Reason())
	}
}

func TestSessionConcurrent(t *testing.T) {
	to := &sink{}
	s := message.NewSession(to, message.SessionInfo{})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 100 {
				s.SetAttribute("a", i)
				s.Attribute("a")
				s.SetUser(message.User("ann"))
				s.User()
				s.Deliver(context.Background(), message.Raw{})
				s.Reason()
			}
			s.Close(io.EOF)
			<-s.Done()
		})
	}
	wg.Wait()
	if len(to.closed) != 1 || len(to.delivered) != 800 {
		t.Errorf("%d closes and %d deliveries, want 1 and 800", len(to.closed), len(to.delivered))
	}
}

// A session leaves before it is done, however often it is told.
func TestSessionLeaves(t *testing.T) {
	s := message.NewSession(&sink{}, message.SessionInfo{})
	ended := func(c <-chan struct{}) bool {
		select {
		case <-c:
			return true
		default:
			return false
		}
	}
	if ended(s.Leaving()) {
		t.Error("leaves from the start")
	}
	s.Leave()
	s.Leave()
	if !ended(s.Leaving()) || ended(s.Done()) {
		t.Errorf("after Leave: leaving %v, done %v", ended(s.Leaving()), ended(s.Done()))
	}
	s = message.NewSession(&sink{}, message.SessionInfo{})
	s.Close(nil)
	if !ended(s.Leaving()) {
		t.Error("Close without Leave")
	}
}

// A principal without a name is nobody, whoever says so.
func TestSessionOfNobody(t *testing.T) {
	s := message.NewSession(nil, message.SessionInfo{Principal: message.User("")})
	if s.User() != nil {
		t.Errorf("the session belongs to %#v", s.User())
	}
	s.SetUser(message.User("ann"))
	s.SetUser(message.User(""))
	if s.User() != nil {
		t.Errorf("the session belongs to %#v", s.User())
	}
}
