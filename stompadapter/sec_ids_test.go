package stompadapter_test

import (
	"encoding/base32"
	"testing"

	"github.com/headrace/headrace/message"
	"github.com/headrace/headrace/stompadapter"
	"github.com/headrace/headrace/stompadapter/frame"
)

// Nothing about a session's id can be guessed: it is 128 bits, and each four of
// them are as likely as any other.
func TestSec_S09_SessionIDs(t *testing.T) {
	const n = 32_000
	encoding := base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)
	seen := make(map[[16]byte]struct{}, n)
	var counts [32][16]float64 // by place and value of four bits
	for range n {
		raw, err := encoding.DecodeString(message.NewSession(nil, message.SessionInfo{}).ID())
		if err != nil {
			t.Fatal(err)
		}
		id := [16]byte(raw)
		seen[id] = struct{}{}
		for i, octet := range id {
			counts[2*i][octet>>4]++
			counts[2*i+1][octet&15]++
		}
	}
	if len(seen) != n {
		t.Errorf("%d different ids of %d", len(seen), n)
	}
	for place, values := range counts {
		chiSquare := 0.0
		for _, count := range values {
			chiSquare += (count - n/16) * (count - n/16) / (n / 16)
		}
		if chiSquare > 80 { // of 15 degrees of freedom: once in ten thousand million
			t.Errorf("place %d: chi-square %.0f", place, chiSquare)
		}
	}

	in := new(inbound)
	c := serve(t, in, stompadapter.Config{}).dial()
	c.send(connect12)
	if told, id := c.want(frame.Connected).Header.Get("session"), in.only(t, message.KindConnect).Session.ID(); told != id {
		t.Errorf("the client is told %q, the session is %q", told, id)
	}
}
