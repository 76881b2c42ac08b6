package sseadapter

import (
	"bytes"
	"runtime"
	"testing"
	"weak"
)

// TestHistoryForgets lets a large event follow on many small ones and be dropped:
// it must not stay behind in the list's memory.
func TestHistoryForgets(t *testing.T) {
	var h history
	for range 1000 {
		h.add("token", [][]byte{[]byte("data: x\n\n")})
	}
	large := bytes.Repeat([]byte("x"), historyBytes-100)
	h.add("token", [][]byte{large})
	dropped := weak.Make(&h.events[len(h.events)-1][0])
	h.add("token", [][]byte{large})
	runtime.GC()
	if dropped.Value() != nil {
		t.Error("an event that was dropped is still in memory")
	}
	runtime.KeepAlive(&h)
}
