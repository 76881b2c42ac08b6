package load_test

import (
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/headrace/headrace/bench/internal/load"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestHistogram(t *testing.T) {
	var h, other load.Histogram
	for i := range 1000 {
		h.Add(time.Duration(i+1) * time.Millisecond)
	}
	for q, want := range map[float64]time.Duration{0.01: 10 * time.Millisecond, 0.5: 500 * time.Millisecond, 0.99: 990 * time.Millisecond} {
		if got := h.Quantile(q); got < want*97/100 || got > want*103/100 {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
	other.Add(time.Hour)
	if h.Merge(&other); h.Count() != 1001 {
		t.Errorf("counted %d", h.Count())
	}
}

func TestEach(t *testing.T) {
	squares, err := load.Each(100, 7, func(i int) (int, error) { return i * i, nil })
	if err != nil || len(squares) != 100 || squares[99] != 99*99 {
		t.Errorf("got %v, %v", squares, err)
	}
	bad := errors.New("bad")
	if _, err := load.Each(100, 7, func(i int) (int, error) {
		if i == 50 {
			return 0, bad
		}
		return i, nil
	}); err != bad {
		t.Errorf("got %v", err)
	}
}
