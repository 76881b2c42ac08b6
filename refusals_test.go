package headrace_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace"
	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/messagetest"
)

// refusing is a node whose broker has little room.
func refusing() headrace.Config {
	return headrace.Config{
		MaxSubscriptions: 2,
		MaxStored:        200_000,
		Rules: []broker.Rule{
			{Prefix: "/queue", Mode: broker.Queue, Backlog: broker.Backlog{Messages: 2}},
			{Prefix: "/queue/handled", Mode: broker.Queue, Receipts: message.Handled, Acks: broker.Acks{MaxDeliveries: 1, Deadline: 10 * time.Millisecond}},
			{Prefix: "/topic/secret", NoPatterns: true},
			{Prefix: "/topic/kept", History: broker.History{Messages: 10}},
		},
	}
}

// Whatever the broker refuses is an ERROR with its reason, a code and the receipt that was
// asked for, and costs its sender alone.
func TestBrokerRefusals(t *testing.T) {
	const mine = "SUBSCRIBE\nid:mine\ndestination:/queue/mine\nack:client\n\n\x00"
	const begin = "BEGIN\ntransaction:t\n\n\x00"
	in := func(transaction, frame string) string {
		return strings.Replace(frame, "\ndestination", "\ntransaction:"+transaction+"\ndestination", 1)
	}
	large := strings.Repeat("x", 60_000)
	held := in("t", sendFrame("/topic/a", "", large))
	subscribe := func(header string) string {
		return "SUBSCRIBE\nid:1\ndestination:/topic/kept/a\nreceipt:r\n" + header + "\n\n\x00"
	}
	for _, tc := range []struct {
		name   string
		frames func(s *site, good *client) []string // of the one who is refused
		want   string                               // message of the ERROR
		code   message.Code
	}{
		{"backlog full", sent(strings.Repeat(sendFrame("/queue/b", "", "x"), 2) + sendFrame("/queue/b", "r", "x")), "the backlog of the destination is full", message.CodeFull},
		{"store full", sent(sendFrame("/queue/1", "", large), sendFrame("/queue/2", "", large), sendFrame("/queue/3", "", large), sendFrame("/queue/4", "r", large)), "the broker is full", message.CodeFull},
		{"store full, for a topic that is acknowledged", func(s *site, _ *client) []string {
			messagetest.Connect(s.t, s.node).Subscribe("/topic/a", individually)
			return []string{sendFrame("/queue/1", "", large), sendFrame("/queue/2", "", large), sendFrame("/queue/3", "", large), sendFrame("/topic/a", "r", large)}
		}, "the broker is full", message.CodeFull},
		{"too many subscriptions", sent(subscribeFrame("1", "/topic/a", "") + subscribeFrame("2", "/queue/a", "") + subscribeFrame("3", "/topic/a", "r")), "the session has 2 subscriptions already", message.CodeFull},
		{"too many of its user's", sent(subscribeFrame("1", "/user/a", "") + subscribeFrame("2", "/user/a", "") + subscribeFrame("3", "/user/b", "r")), "the session has 2 subscriptions already", message.CodeFull},
		{"pattern over queues", sent(subscribeFrame("1", "/queue/*", "r")), "patterns are not allowed there", message.CodeDenied},
		{"pattern where there are none", sent(subscribeFrame("1", "/topic/*/a", "r")), "patterns are not allowed there", message.CodeDenied},
		{"pattern of user destinations", sent(subscribeFrame("1", "/user/queue/*", "r")), "patterns are not allowed in user destinations", message.CodeDenied},
		{"costly pattern", sent(subscribeFrame("1", "/topic/public"+strings.Repeat("/**/x", 8), "r")), `the pattern "/topic/public/**/x/**/x/**/x/**/x/**/x/**/x/**/x/**/x" costs 66, and 32 is allowed`, message.CodeDenied},
		{"SEND to many queues", sent(sendFrame("/queue/*", "r", "x")), `a queue has no wildcards: "/queue/*"`, message.CodeInvalid},
		{"SEND to many histories", sent(sendFrame("/topic/kept/*", "r", "x")), `a destination with a history has no wildcards: "/topic/kept/*"`, message.CodeInvalid},
		{"SEND to nobody's user", sent(sendFrame("/user//queue/a", "r", "x")), `"/user//queue/a" is not a user's destination: it needs /user/{name}/...`, message.CodeInvalid},
		{"long destination", sent(sendFrame("/topic/"+strings.Repeat("x", 1024), "r", "x")), "a destination may have 1024 bytes at most", message.CodeTooLarge},
		{"ack mode", sent(subscribe("ack:sometimes")), "ack is none of auto, client and client-individual", message.CodeInvalid},
		{"selector", sent(subscribe("selector:a = 1")), "selectors are not supported", message.CodeInvalid},
		{"offset", sent(subscribe("hr-offset:many")), `hr-offset is no offset: "many"`, message.CodeInvalid},
		{"ACK of another session's delivery", func(_ *site, good *client) []string {
			return []string{mine, "ACK\nid:" + job(good) + "\nreceipt:r\n\n\x00"}
		}, "there is nothing to acknowledge by this id", message.CodeNotFound},
		{"NACK of another session's delivery", func(_ *site, good *client) []string {
			return []string{mine, "NACK\nid:" + job(good) + "\nreceipt:r\n\n\x00"}
		}, "there is nothing to acknowledge by this id", message.CodeNotFound},
		{"nobody acknowledges", func(s *site, _ *client) []string {
			messagetest.Connect(s.t, s.node).Subscribe("/queue/handled", individually)
			return []string{sendFrame("/queue/handled", "r", "x")}
		}, "nobody acknowledged the message", message.CodeTimeout},
		{"too many transactions", func(*site, *client) (frames []string) {
			for i := range 16 {
				frames = append(frames, fmt.Sprintf("BEGIN\ntransaction:%d\n\n\x00", i))
			}
			return append(frames, "BEGIN\ntransaction:more\nreceipt:r\n\n\x00")
		}, "the session has 16 transactions already", message.CodeFull},
		{"too many messages in one", sent(begin + strings.Repeat(in("t", sendFrame("/topic/a", "", "x")), 256) + in("t", sendFrame("/topic/a", "r", "x"))), "a transaction holds at most 256 messages; this one is over", message.CodeFull},
		{"too much in one", sent(begin, held, held, held, held, held, held, held, held, in("t", sendFrame("/topic/a", "r", large))), "the transactions of a session take at most 524288 bytes; this one is over", message.CodeFull},
		{"COMMIT of another session's", func(_ *site, good *client) []string {
			good.send("BEGIN\ntransaction:good\nreceipt:1\n\n\x00")
			good.wantReceipt("1")
			return []string{"COMMIT\ntransaction:good\nreceipt:r\n\n\x00"}
		}, "the session has no transaction of this id", message.CodeNotFound},
		{"ABORT of nothing", sent("ABORT\ntransaction:t\nreceipt:r\n\n\x00"), "the session has no transaction of this id", message.CodeNotFound},
		{"ACK in no transaction", sent("ACK\nid:1\ntransaction:t\nreceipt:r\n\n\x00"), "the session has no transaction of this id", message.CodeNotFound},
		{"COMMIT that is refused", sent(begin + in("t", sendFrame("/queue/*", "", "x")) + "COMMIT\ntransaction:t\nreceipt:r\n\n\x00"), `a queue has no wildcards: "/queue/*"`, message.CodeInvalid},
		{"closed broker", func(s *site, _ *client) []string {
			s.node.Broker.Close()
			return []string{sendFrame("/topic/a", "r", "x")}
		}, "the broker is closed", message.CodeUnavailable},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := serve(t, setup{node: refusing()})
			good, bad := s.connect(), s.connect()
			good.subscribe("on", "/user/queue/on")
			for _, f := range tc.frames(s, good) {
				bad.send(f)
			}
			f, ok := bad.next()
			for ok && f.command == "RECEIPT" && f.header["receipt-id"] == "" { // of subscriptions before it
				f, ok = bad.next()
			}
			if !ok || f.command != "ERROR" {
				t.Fatalf("got %v (closed with %d), want ERROR", f, bad.code)
			}
			if f.header["message"] != tc.want || f.header["code"] != string(tc.code) || f.header["receipt-id"] != "r" {
				t.Errorf("got %v, want %q, %s, for the receipt r", f, tc.want, tc.code)
			}
			wantNoInternals(t, f)
			bad.wantClosed()
			good.send(sendFrame("/user/nobody/queue/on", "still", "here"))
			good.wantReceipt("still")
		})
	}
}

// sent are frames that need no preparation.
func sent(frames ...string) func(*site, *client) []string {
	return func(*site, *client) []string { return frames }
}

// job lets c have a delivery that it does not settle, and returns its id.
func job(c *client) string {
	c.send("SUBSCRIBE\nid:job\ndestination:/queue/job\nack:client-individual\n\n\x00", sendFrame("/queue/job", "", "x"))
	return c.want("MESSAGE").header["ack"]
}
