package load

import (
	"math"
	"time"
)

// growth is by how much each bucket of a Histogram is longer than the one before.
const growth = 1.02

// Histogram counts durations from a microsecond to ten minutes, to 2 %.
type Histogram struct{ counts [1024]uint32 }

// Add counts a duration.
func (h *Histogram) Add(d time.Duration) {
	i := int(math.Log(max(1, float64(d)/1e3)) / math.Log(growth))
	h.counts[min(i, len(h.counts)-1)]++
}

// Merge adds what another has counted.
func (h *Histogram) Merge(other *Histogram) {
	for i, n := range other.counts {
		h.counts[i] += n
	}
}

// Count returns how many durations were counted.
func (h *Histogram) Count() int {
	sum := 0
	for _, n := range h.counts {
		sum += int(n)
	}
	return sum
}

// Quantile returns the duration that q of all do not exceed, 0 <= q <= 1, or 0 if
// there are none.
func (h *Histogram) Quantile(q float64) time.Duration {
	left := int(math.Ceil(q * float64(h.Count())))
	for i, n := range h.counts {
		if left -= int(n); left <= 0 && n > 0 {
			return time.Duration(math.Pow(growth, float64(i+1)) * 1e3)
		}
	}
	return 0
}
