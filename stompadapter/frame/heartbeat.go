package frame

import (
	"strconv"
	"strings"
	"time"

	"github.com/headrace/headrace/message"
)

// HeartBeat is the value of a heart-beat header: what its sender can do and
// what it would like (STOMP 1.2, "Heart-beating"). The zero value is that of a
// missing header: no heart-beats.
type HeartBeat struct {
	// Send is the shortest period in which the sender guarantees to send
	// something. Zero means that it cannot.
	Send time.Duration
	// Receive is the period in which the sender wants to get something. Zero
	// means that it does not care.
	Receive time.Duration
}

// maxHeartBeat keeps a period within 31 bits of milliseconds (24 days), which
// every client can hold and no timer overflows with.
const maxHeartBeat = (1<<31 - 1) * time.Millisecond

// ParseHeartBeat parses the value of a heart-beat header: two non-negative
// numbers of milliseconds with a comma between them and nothing else, each
// below 2^31. Anything else is a *[message.Error].
func ParseHeartBeat(s string) (HeartBeat, error) {
	x, y, _ := strings.Cut(s, ",")
	send, ok1 := parseMillis(x)
	receive, ok2 := parseMillis(y)
	if !ok1 || !ok2 {
		return HeartBeat{}, message.Errorf(message.CodeInvalid, "heart-beat is not two numbers of milliseconds divided by a comma")
	}
	return HeartBeat{Send: send, Receive: receive}, nil
}

func parseMillis(s string) (time.Duration, bool) {
	const most = int64(maxHeartBeat / time.Millisecond)
	n, ok := parseDigits(s, most)
	return time.Duration(n) * time.Millisecond, ok && n <= most
}

// String returns the value for a heart-beat header. Fractions of a millisecond
// are rounded up, so that a short period does not become none.
func (h HeartBeat) String() string {
	b := strconv.AppendInt(make([]byte, 0, 24), millis(h.Send), 10)
	b = append(b, ',')
	return string(strconv.AppendInt(b, millis(h.Receive), 10))
}

func millis(d time.Duration) int64 {
	d = min(max(d, 0), maxHeartBeat)
	return int64((d + time.Millisecond - 1) / time.Millisecond)
}

// Negotiate returns how often the side that announced h has to send something,
// and how often it may expect something, when the other side announced peer.
// Zero means never.
func (h HeartBeat) Negotiate(peer HeartBeat) (send, receive time.Duration) {
	if h.Send > 0 && peer.Receive > 0 {
		send = max(h.Send, peer.Receive)
	}
	if h.Receive > 0 && peer.Send > 0 {
		receive = max(h.Receive, peer.Send)
	}
	return send, receive
}

// parseDigits parses a number that consists of ASCII digits alone. Numbers
// above limit are returned as some number above limit, whatever their length.
func parseDigits[S string | []byte](s S, limit int64) (n int64, ok bool) {
	for i := range len(s) {
		c := s[i] - '0'
		if c > 9 {
			return 0, false
		}
		if n <= limit {
			n = n*10 + int64(c)
		}
	}
	return n, len(s) > 0
}
