package stompadapter_test

import (
	"fmt"
	"testing"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter"
	"github.com/headrace/headrace/stompadapter/frame"
)

func ExampleHeaders() {
	m := message.Raw{Kind: message.KindSubscribe, Destination: "/queue/grain", Subscription: "1", Header: message.NewHeader(
		message.Field{Name: "ack", Value: "client"},
		message.Field{Name: "selector", Value: "price > 10"},
	)}
	h := stompadapter.Headers(m)
	fmt.Println(h.AckMode(), h.Selector())
	// Output:
	// client price > 10
}

// TestHeaders sends a frame of every command and reads what inbound has of it.
func TestHeaders(t *testing.T) {
	const connect11, connect10 = "CONNECT\naccept-version:1.1\n\n\x00", "CONNECT\n\n\x00"
	for _, tt := range []struct {
		name, connect, frame string
		kind                 message.Kind
		want                 string // subscription|host login passcode|content-type transaction|ack mode|selector|ack id, message id
	}{
		{"CONNECT", "", "CONNECT\naccept-version:1.2\nhost:h\nlogin:anna\npasscode:secret\n\n\x00", message.KindConnect, "|h anna secret| |auto|| "},
		{"STOMP", "", "STOMP\naccept-version:1.1\nhost:h\n\n\x00", message.KindConnect, "|h  | |auto|| "},
		{"SEND", connect12, "SEND\ndestination:/a\ncontent-type:text/plain\ntransaction:t\nlogin:anna\npasscode:secret\n\n\x00", message.KindData, "|  |text/plain t|auto|| "},
		{"SUBSCRIBE", connect12, "SUBSCRIBE\nid:1\ndestination:/a\nack:client-individual\nselector:a = 1\nlogin:anna\n\n\x00", message.KindSubscribe, "1|  | |client-individual|a = 1| "},
		{"SUBSCRIBE without ack", connect12, "SUBSCRIBE\nid:1\ndestination:/a\n\n\x00", message.KindSubscribe, "1|  | |auto|| "},
		{"UNSUBSCRIBE", connect12 + "SUBSCRIBE\nid:1\ndestination:/a\n\n\x00", "UNSUBSCRIBE\nid:1\n\n\x00", message.KindUnsubscribe, "1|  | |auto|| "},
		{"ACK 1.2", connect12, "ACK\nid:x\ntransaction:t\n\n\x00", message.KindAck, "|  | t|auto||x "},
		{"NACK 1.2", connect12, "NACK\nid:x\nmessage-id:forged\nhr-ack:forged\n\n\x00", message.KindNack, "|  | |auto||x "},
		{"ACK 1.1", connect11, "ACK\nsubscription:1\nmessage-id:x\nid:forged\nhr-ack:forged\n\n\x00", message.KindAck, "1|  | |auto|| x"},
		{"NACK 1.1", connect11, "NACK\nsubscription:1\nmessage-id:x\ntransaction:t\n\n\x00", message.KindNack, "1|  | t|auto|| x"},
		{"ACK 1.0", connect10, "ACK\nmessage-id:x\n\n\x00", message.KindAck, "|  | |auto|| x"},
		{"BEGIN", connect12, "BEGIN\ntransaction:t\n\n\x00", message.KindBegin, "|  | t|auto|| "},
		{"COMMIT", connect12, "COMMIT\ntransaction:t\n\n\x00", message.KindCommit, "|  | t|auto|| "},
		{"ABORT", connect12, "ABORT\ntransaction:t\n\n\x00", message.KindAbort, "|  | t|auto|| "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := new(inbound)
			c := serve(t, in, stompadapter.Config{}).dial()
			c.send(tt.connect + tt.frame)
			c.want(frame.Connected)
			c.send("DISCONNECT\nreceipt:r\n\n\x00")
			c.receipts(1)
			m := in.only(t, tt.kind)
			h := stompadapter.Headers(m)
			login, passcode := h.Login()
			id, messageID := h.Ack()
			got := fmt.Sprintf("%s|%s %s %s|%s %s|%s|%s|%s %s", m.Subscription, h.Host(), login, passcode,
				h.ContentType(), h.Transaction(), h.AckMode(), h.Selector(), id, messageID)
			if got != tt.want {
				t.Errorf("inbound has %q, want %q", got, tt.want)
			}
			for _, name := range []string{"receipt", "accept-version", "content-length", "id", "destination", "subscription"} {
				if v, ok := m.Header.Lookup(name); ok {
					t.Errorf("inbound has %s: %q", name, v)
				}
			}
		})
	}
}
