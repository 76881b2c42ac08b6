package sseadapter

import (
	"bytes"
	"fmt"
	"slices"
)

// historyBytes is how much is kept for clients that come back.
const historyBytes = 32 << 10

// history is what a client was sent last.
type history struct {
	count  uint64 // of all events
	events [][]byte
	bytes  int
}

// add gives each event its id and returns them joined.
func (h *history) add(token string, events [][]byte) (joined []byte) {
	for _, e := range events {
		h.count++
		e = fmt.Appendf(nil, "id: %s.%d\n%s", token, h.count, e)
		joined = append(joined, e...)
		h.events = append(h.events, e)
		h.bytes += len(e)
	}
	n := 0
	for ; h.bytes > historyBytes; n++ {
		h.bytes -= len(h.events[n])
	}
	h.events = slices.Delete(h.events, 0, n) // which clears what it moves
	return joined
}

// since returns what followed on the event of a number, if all of it is known.
func (h *history) since(number uint64) ([]byte, error) {
	first := h.count - uint64(len(h.events))
	if number < first || number > h.count {
		return nil, errMissed
	}
	return bytes.Join(h.events[number-first:], nil), nil
}
