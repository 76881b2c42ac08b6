package stompadapter_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter"
	"github.com/headrace/headrace/stompadapter/frame"
	"github.com/headrace/headrace/transport"
)

// An orderly end is no error: DISCONNECT is answered by the receipt that it
// asks for, or by nothing, and the connection closes as one that is done.
func TestGoodbyeIsNoError(t *testing.T) {
	for name, receipt := range map[string]string{"with a receipt": "receipt:bye\n", "without": ""} {
		t.Run(name, func(t *testing.T) {
			c := serve(t, new(inbound), stompadapter.Config{}).connect()
			c.send("DISCONNECT\n" + receipt + "\n\x00")
			if receipt != "" {
				if id := c.want(frame.Receipt).Header.Get("receipt-id"); id != "bye" {
					t.Errorf("receipt %q", id)
				}
			}
			c.wantClosed(1000)
		})
	}
}

// The octets of a frame decide whether it goes out as text or binary, not what
// its content-type says of them: a text message that is not UTF-8 would cost
// the client its connection (RFC 6455, section 8.1).
func TestTextWhereverItIsText(t *testing.T) {
	in := new(inbound)
	c := serve(t, in, stompadapter.Config{}).connect()
	session := in.only(t, message.KindConnect).Session
	for _, tt := range []struct {
		name, contentType, payload string
		kind                       int
	}{
		{"text", "text/plain", "grüße", websocket.TextMessage},
		{"octets that are text", "application/octet-stream", "grüße", websocket.TextMessage},
		{"octets", "application/octet-stream", "\xff\xfe", websocket.BinaryMessage},
		{"octets that claim to be text", "text/plain", "\xff\xfe", websocket.BinaryMessage},
		{"nothing", "application/octet-stream", "", websocket.TextMessage},
	} {
		m := delivery(message.Field{Name: "content-type", Value: tt.contentType})
		m.Payload = []byte(tt.payload)
		if err := session.Deliver(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		kind, p, err := c.ws.ReadMessage()
		if err != nil {
			t.Fatal(err)
		}
		if kind != tt.kind {
			t.Errorf("%s: %q came as a message of kind %d, want %d", tt.name, p, kind, tt.kind)
		}
	}
}

// A beat is one LF, as text.
func TestABeatIsOneLineEnd(t *testing.T) {
	c := quiet
	c.Heartbeat.Send = time.Millisecond
	client := serve(t, new(inbound), c, true).dial()
	client.send("CONNECT\naccept-version:1.2\nheart-beat:0,1\n\n\x00")
	client.want(frame.Connected)
	for range 3 {
		if kind, p, err := client.ws.ReadMessage(); err != nil || kind != websocket.TextMessage || string(p) != "\n" {
			t.Fatalf("got %d %q, %v", kind, p, err)
		}
	}
}

// A content-type that is none is the client's to send and the reader's to
// refuse.
func TestAnyContentTypePasses(t *testing.T) {
	in := new(inbound)
	c := serve(t, in, stompadapter.Config{}).connect()
	c.send("SEND\ndestination:/a\ncontent-type:text/plain;charset=U\nreceipt:r\n\nbody\x00")
	c.receipts(1)
	if m := in.only(t, message.KindData); m.Header.Get("content-type") != "text/plain;charset=U" || string(m.Payload) != "body" {
		t.Errorf("got %v %q", m.Header, m.Payload)
	}
}

// What counts begins at nothing and ends there.
func TestStatsBeginAndEndAtNothing(t *testing.T) {
	s := serve(t, new(inbound), stompadapter.Config{})
	st := s.adapter.Stats()
	st.Transport.Closed = nil
	if !reflect.DeepEqual(st, transport.AdapterStats{Name: "stomp"}) {
		t.Errorf("before anything happened: %+v", st)
	}
	c := s.connect()
	if st = s.adapter.Stats(); st.Sessions != 1 || st.Transport.Open != 1 {
		t.Errorf("one session: %+v", st)
	}
	c.send("NONSENSE\n\n\x00")
	c.wantError("unknown command")
	s.adapter.Close()
	if st = s.adapter.Stats(); st.Sessions != 0 || st.Refused != 1 || st.Transport.Open != 0 || st.Transport.Total != 1 || st.Transport.Frames != 3 || st.Transport.Closed["protocol"] != 1 {
		t.Errorf("after it: %+v", st)
	}
}
