package transport_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/transport"
)

// dropping is a session that drops the oldest, over a connection that is only
// written when the test asks for it.
func dropping(t *testing.T) (*transport.Server, *transport.Carried, *message.Session) {
	var session *message.Session
	x := transport.NewExchange(message.HandlerFunc[[]byte](func(ctx context.Context, m message.Raw) error {
		session = m.Session
		return welcome(ctx, m)
	}), transport.ExchangeConfig{Tolerant: true})
	s := transport.NewServer(transport.Config{DropOldest: true, OutboxBytes: 1000})
	t.Cleanup(s.Close)
	k, ok := s.Carry(httptest.NewRecorder(), httptest.NewRequest("POST", "/", nil), transport.CarryConfig{},
		func(c *transport.Conn) transport.Protocol { return x.Open(c, &lines{conn: c}) })
	if !ok {
		t.Fatal("refused")
	}
	if err := k.Receive([]byte("OPEN -\n")); err != nil {
		t.Fatal(err)
	}
	return s, k, session
}

func waiting(k *transport.Carried) string {
	frames, _, _ := k.Next()
	var all strings.Builder
	for _, f := range frames {
		word, text, _ := strings.Cut(strings.TrimSpace(string(f)), " ")
		fmt.Fprintf(&all, "%s %.2s ", word, text)
	}
	return strings.TrimSpace(all.String())
}

// What a slow client has not got is left out, the oldest first, but for what is
// no message or has to be acknowledged.
func TestDropOldest(t *testing.T) {
	s, k, session := dropping(t)
	filler := strings.Repeat(".", 194)
	deliver := func(i int, m message.Raw) {
		m.Destination, m.Payload = "/a", fmt.Appendf(nil, "%02d%s", i, filler) // 200 bytes on the wire
		if err := session.Deliver(t.Context(), m); err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
	}
	deliver(0, message.Raw{})
	k.Receive([]byte("SAY 7 /b\n"))
	deliver(1, message.Raw{Header: message.NewHeader(message.Field{Name: message.HeaderAck, Value: "1"})})
	for i := range 50 {
		deliver(i+10, message.Raw{})
	}
	if got, want := waiting(k), "WELCOME  DONE 7 /a 01 /a 57 /a 58 /a 59"; got != want {
		t.Errorf("the client gets %q, want %q", got, want)
	}
	if st := s.Stats(); st.Dropped != 48 || st.QueuedBytes > 1000 || st.Open != 1 {
		t.Errorf("%+v", st)
	}
}

// One message may wait behind what is being written, however large that is.
func TestDropOldestKeepsTheLatest(t *testing.T) {
	s, k, session := dropping(t)
	k.Next()
	for i := range 5 {
		m := message.Raw{Destination: "/a", Payload: fmt.Appendf(nil, "%02d%s", i, strings.Repeat(".", 2000))}
		if err := session.Deliver(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	if got := waiting(k); got != "/a 04" || s.Stats().Dropped != 4 {
		t.Errorf("the client gets %q, %+v", got, s.Stats())
	}
}

// Who lets answers pile up is cut all the same.
func TestDropOldestKeepsTheBudget(t *testing.T) {
	s, k, session := dropping(t)
	var err error
	for i := 0; i < 1000 && err == nil; i++ {
		err = k.Receive([]byte("SING " + strings.Repeat("1", 90) + "\n"))
	}
	<-session.Done()
	if reason := session.Reason(); !errors.Is(reason, transport.ErrSlow) || s.Stats().QueuedBytes > 1000 {
		t.Errorf("%v, %+v", reason, s.Stats())
	}
}
